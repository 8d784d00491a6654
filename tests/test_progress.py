"""Work that takes long says how far it is; short work is silent."""

import itertools
import logging
from types import SimpleNamespace

from adabert_nni.progress import progress


def test_progress_passes_items_on_and_logs_how_far_it_is(caplog, monkeypatch):
    monkeypatch.setattr("adabert_nni.progress.sys.stderr", SimpleNamespace(isatty=lambda: False))
    clock = iter(range(0, 100, 2))  # two seconds pass at every look at the clock
    monkeypatch.setattr("adabert_nni.progress.time.monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO):
        assert list(progress("abcd", 4, "letters", lambda: "loss 0.5")) == list("abcd")
    # Looks at 2, 4, 6, 8 s; a line after 3 s and again 3 s later: at items 2 (4 s) and 4 (8 s).
    assert [record.getMessage() for record in caplog.records] == [
        "letters 2/4 loss 0.5, about 4 s left",
        "letters 4/4 loss 0.5, about 0 s left",
    ]


def test_progress_that_goes_on_counts_from_there_and_times_only_what_it_does(caplog, monkeypatch):
    monkeypatch.setattr("adabert_nni.progress.sys.stderr", SimpleNamespace(isatty=lambda: False))
    clock = iter(range(0, 100, 6))
    monkeypatch.setattr("adabert_nni.progress.time.monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO):
        assert list(progress("cd", 4, "letters", first=2)) == list("cd")
    # One item in 6 s: the third of four, so 6 s are left.
    assert caplog.records[0].getMessage() == "letters 3/4 , about 6 s left"


def test_how_many_are_left_may_be_unknown(caplog, monkeypatch):
    monkeypatch.setattr("adabert_nni.progress.sys.stderr", SimpleNamespace(isatty=lambda: False))
    clock = iter(range(0, 100, 4))
    monkeypatch.setattr("adabert_nni.progress.time.monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO):
        assert list(progress("ab", None, "letters")) == ["a", "b"]
    assert caplog.records[1].getMessage() == "letters 2 , 0 a second"  # two in 8 s


def test_lines_come_more_rarely_the_longer_it_takes(caplog, monkeypatch):
    monkeypatch.setattr("adabert_nni.progress.sys.stderr", SimpleNamespace(isatty=lambda: False))
    clock = itertools.count()
    monkeypatch.setattr("adabert_nni.progress.time.monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO):
        list(progress(range(3600), 3600, "an hour"))
    done = [int(record.getMessage().split()[2].split("/")[0]) for record in caplog.records]
    assert done[:3] == [3, 6, 9]
    gaps = [after - before for before, after in itertools.pairwise(done)]
    assert gaps == sorted(gaps)
    assert 150 < gaps[-1] <= 180  # a twentieth of the hour


def test_short_work_is_silent(caplog):
    with caplog.at_level(logging.INFO):
        assert list(progress(range(5), 5, "steps")) == list(range(5))
    assert caplog.records == []
