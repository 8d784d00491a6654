"""The peak is what was in use at once since the start, whether or not it is still there."""

import mmap

from adabert_nni.benchmark import memory
from adabert_nni.benchmark.memory import PeakMemory

MEGABYTE = 1 << 20
SLOPPY = MEGABYTE  # the kernel books pages by the dozen


def use(megabytes):
    """Pages of their own, written so that they are resident; an allocator may have some at hand."""
    with mmap.mmap(-1, megabytes * MEGABYTE) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1


def test_a_block_that_is_gone_again_is_measured():
    watched = PeakMemory()
    use(64)
    assert 64 * MEGABYTE - SLOPPY <= watched.bytes() < 72 * MEGABYTE


def test_two_blocks_one_after_the_other_count_once():
    watched = PeakMemory()
    use(64)
    use(64)
    assert watched.bytes() < 72 * MEGABYTE


def test_an_earlier_peak_does_not_count():
    use(128)
    watched = PeakMemory()
    use(32)
    assert 32 * MEGABYTE - SLOPPY <= watched.bytes() < 40 * MEGABYTE


def test_without_the_kernels_status_the_highest_of_the_process_tells(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "RESET", tmp_path / "none" / "either")
    use(64)
    passed = memory._highest()
    watched = PeakMemory()
    assert watched.bytes() == memory._highest() - passed == 0
