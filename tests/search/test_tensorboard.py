"""Event files hold what was reported, as TensorBoard's format frames it."""

import struct

import pytest

from adabert_nni.search.tensorboard import NAME, crc32c, epoch_scalars, record


def records(data):
    """The payloads of a TFRecord file, their checksums compared."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        end = 12 + length
        for part, crc in ((data[:8], data[8:12]), (data[12:end], data[end : end + 4])):
            plain = (struct.unpack("<I", crc)[0] - 0xA282EAD8) % 2**32
            assert (plain << 15 | plain >> 17) % 2**32 == crc32c(part)
        yield data[12:end]
        data = data[end + 4 :]


def fields(data):
    """Number and value of each field of a protocol buffer with lengths below 2 ** 14."""
    while data:
        number, wire, data = data[0] >> 3, data[0] & 7, data[1:]
        if wire in (1, 5):
            size = 8 if wire == 1 else 4
            yield number, struct.unpack("<d" if wire == 1 else "<f", data[:size])[0]
        else:
            size, last = data[0] & 0x7F, data[0]
            data = data[1:]
            if last & 0x80:
                size, data = size | data[0] << 7, data[1:]
            if wire == 0:
                yield number, size
                continue
            yield number, data[:size]
        data = data[size:]


def read(path):
    """(step, {tag: value}) of every event after the first, which names the version."""
    first, *events = records(path.read_bytes())
    assert dict(fields(first))[3] == b"brain.Event:2"
    for event in events:
        found = dict(fields(event))
        values = [dict(fields(value)) for _, value in fields(found[5])]
        yield found[2], {value[1].decode(): value[2] for value in values}


@pytest.mark.parametrize(
    ("data", "known"),  # RFC 3720, B.4, and the polynomial's check value
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_the_checksum_is_castagnolis(data, known):
    assert crc32c(data) == known


def test_a_record_is_length_and_data_each_with_its_checksum():
    assert len(record(b"abc")) == 8 + 4 + 3 + 4
    assert list(records(record(b"abc") + record(b""))) == [b"abc", b""]


def test_epochs_are_read_back(tmp_path):
    write = epoch_scalars(tmp_path / "tensorboard")
    many = {f"number_{i}": i / 8 for i in range(20)}  # more than 127 bytes in one event
    write(0, many)
    write(1, {"loss_ce": 0.5})
    write(300, {"loss_ce": 0.25})
    found = list(read(tmp_path / "tensorboard" / NAME))
    assert found == [
        (0, {f"search/{name}": value for name, value in many.items()}),
        (1, {"search/loss_ce": 0.5}),
        (300, {"search/loss_ce": 0.25}),
    ]


def test_a_resumed_search_that_reports_all_epochs_again_leaves_each_once(tmp_path):
    for _ in range(2):
        write = epoch_scalars(tmp_path)
        for epoch in range(3):
            write(epoch, {"default": 0.5})
    assert [step for step, _ in read(tmp_path / NAME)] == [0, 1, 2]


def test_nothing_is_written_before_the_first_epoch(tmp_path):
    epoch_scalars(tmp_path / "tensorboard")
    assert not (tmp_path / "tensorboard").exists()


def test_tensorboard_itself_reads_the_file(tmp_path):
    module = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(module).EventAccumulator
    epoch_scalars(tmp_path)(4, {"default": 0.75})
    (found := accumulator(str(tmp_path))).Reload()
    assert [(e.step, e.value) for e in found.Scalars("search/default")] == [(4, 0.75)]
