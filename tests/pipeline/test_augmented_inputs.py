"""Facts of what a run starts from: augmented rows beside the real ones, and caches that are found again."""

from functools import partial

import pytest
import torch

from adabert_nni import AdaBertError, cli
from adabert_nni.config import Config
from adabert_nni.data.encoding import encode
from adabert_nni.files import read_json
from adabert_nni.losses import UNLABELLED
from adabert_nni.pipeline import inputs, rows, searching
from adabert_nni.pipeline.inputs import augmented_rows
from adabert_nni.pipeline.places import places
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.teacher.augmented import read_augmented


@pytest.fixture(scope="module")
def settings(tiny_teacher_dir, tmp_path_factory):
    return {
        "task": "mini-claims",
        "train_rows": 120,
        "teacher": str(tiny_teacher_dir),
        "teacher_epochs": 1,
        "probe_epochs": 1,
        "max_length": 48,
        "cache": str(tmp_path_factory.mktemp("cache")),
    }


def prepared(settings: dict, **more) -> inputs.Inputs:
    config = Config.from_mapping({**settings, **more}, "test")
    return inputs.prepare(config, 16, read_rows(config.data))


@pytest.fixture(scope="module")
def without(settings):
    return prepared(settings)


@pytest.fixture(scope="module")
def with_copies(settings, without):
    return prepared(settings, augment_copies=2)


def test_train_rows_are_the_real_ones_and_then_augmented_ones_without_labels(without, with_copies):
    real, train = without.train, with_copies.train
    count = len(real)
    assert torch.equal(train.ids[:count], real.ids)
    assert torch.equal(train.labels[:count], real.labels)
    assert all(map(torch.equal, train.input_ids[:count], real.input_ids))
    assert 120 < len(train) - count <= 240
    assert set(train.labels[count:].tolist()) == {UNLABELLED}
    assert set((train.ids[count:] % 2**32).tolist()) <= set(real.ids.tolist())
    assert len(set(train.ids.tolist())) == len(train)


def test_every_row_has_what_the_teachers_layers_believe(without, with_copies):
    teacher = with_copies.train.teacher
    assert teacher.shape == (len(with_copies.train), 3, 2)
    torch.testing.assert_close(teacher.sum(-1), torch.ones(teacher.shape[:2]))
    assert torch.equal(teacher[: len(without.train)], without.train.teacher)


def test_copies_can_be_for_the_student_alone(settings, without, with_copies):
    assert with_copies.searched is with_copies.train
    found = prepared(settings, augment_copies=2, augment_for="student")
    assert found.name == with_copies.name  # the same table, which holds both
    assert torch.equal(found.train.ids, with_copies.train.ids)
    assert torch.equal(found.searched.ids, without.train.ids)
    assert torch.equal(found.searched.labels, without.train.labels)
    assert torch.equal(found.searched.teacher, without.train.teacher)
    assert all(map(torch.equal, found.searched.input_ids, without.train.input_ids))


def test_the_search_learns_from_the_rows_that_are_meant_for_it(settings, monkeypatch, tmp_path):
    seen = []

    def look(space, config, shape, train, *rest, **settings):
        seen.append(len(train))
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "run_search", look)
    for who in ("all", "student"):
        asked = {**settings, "space": "small", "augment_copies": 2, "augment_for": who}
        with pytest.raises(KeyboardInterrupt):
            searching.search(Config.from_mapping(asked, "test"), tmp_path / who)
    assert seen[1] == 120 < seen[0]


def test_rows_of_p_alpha_are_training_rows_of_its_own_share(settings, monkeypatch, tmp_path):
    seen = []

    def look(space, config, shape, train, *rest, held, **settings):
        seen.append((set(train.ids.tolist()), set(held)))
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "run_search", look)
    for share in (0.0, 0.25):
        asked = {**settings, "space": "small", "alpha_share": share}
        with pytest.raises(KeyboardInterrupt):
            searching.search(Config.from_mapping(asked, "test"), tmp_path / str(share))
    (rows, none), (same, held) = seen
    assert (len(rows), none, same) == (120, set(), rows)
    assert held < rows
    assert len(held) == pytest.approx(30, abs=3)


def test_the_weights_do_not_learn_from_copies_of_rows_of_p_alpha(settings, tmp_path):
    asked = {**settings, "space": "small", "augment_copies": 2, "alpha_share": 0.25}
    with pytest.raises(AdaBertError, match=r"alpha_share: got 0\.25.*take augment_for student"):
        searching.search(Config.from_mapping(asked, "test"), tmp_path / "leaking")


def test_rows_to_choose_by_and_to_report_on_are_never_touched(without, with_copies):
    for part in ("selection", "validation"):
        before, after = getattr(without, part), getattr(with_copies, part)
        assert torch.equal(before.ids, after.ids)
        assert all(map(torch.equal, before.input_ids, after.input_ids))
        assert (after.labels != UNLABELLED).all()
    assert with_copies.splits.train == without.splits.train


def test_the_teacher_is_the_same_and_the_probes_have_a_folder_of_their_own(
    without, with_copies, settings
):
    assert without.teacher == with_copies.teacher
    assert without.name != with_copies.name
    assert prepared(settings, augment_copies=1).name not in (without.name, with_copies.name)


def test_probes_that_are_not_calibrated_say_what_they_believe(settings, without):
    found = prepared(settings, probe_calibration="none")
    assert found.teacher == without.teacher
    assert found.name != without.name
    folder = Config.from_mapping(settings, "test").run.cache / "probes"
    fitted, plain = (
        read_json(folder / name / "probes.json")["temperature"]
        for name in (without.name, found.name)
    )
    assert plain == [1.0] * len(plain)
    assert len(fitted) == len(plain) == 4  # three layers and the teacher's own head
    assert max(fitted) > 1.0


def test_without_copies_the_caches_are_made_from_what_they_were_before_augmentation(
    without, settings, tmp_path
):
    # No key of augmentation may enter, or teachers and probes of earlier versions would be made again.
    for kind, name in (("teachers", without.teacher.name), ("probes", without.name)):
        folder = Config.from_mapping(settings, "test").run.cache / kind / name
        made_from = read_json(folder / "manifest.json")["meta"]
        assert not [key for key in made_from if "augment" in key]
    assert prepared(settings, augment_replace=0.9, augment_source="nobody").name == without.name


def test_a_source_that_is_not_there_is_told_before_a_teacher_is_trained(settings, tmp_path):
    cold = {**settings, "cache": str(tmp_path), "augment_copies": 1}
    with pytest.raises(AdaBertError, match="got 'wordnet', allowed are teacher, glove:<file>"):
        prepared(cold, augment_source="wordnet")
    assert list(tmp_path.iterdir()) == []


def test_where_no_word_has_a_proposal_training_is_on_the_real_rows(settings, without, tmp_path):
    (tmp_path / "v.txt").write_text("zzyzx 1 0\nquux 0 1\n")
    found = prepared(settings, augment_copies=1, augment_source=f"glove:{tmp_path / 'v.txt'}")
    assert len(found.train) == len(without.train)


def test_every_stage_computes_with_the_threads_that_are_asked_for(settings, without):
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            assert prepared(settings, threads=threads).name == without.name
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_joined_rows_are_those_of_all_texts_at_once(without):
    rows = without.splits.train
    halves = [rows.take(list(range(start, start + 60))) for start in (0, 60)]
    whole = encode(rows, without.tokenizer, 48)
    first, second = (encode(half, without.tokenizer, 48) for half in halves)
    both = first.plus(second)
    assert all(map(torch.equal, both.input_ids, whole.input_ids))
    assert all(map(torch.equal, both.token_type_ids, whole.token_type_ids))
    assert torch.equal(both.ids, whole.ids) and torch.equal(both.labels, whole.labels)


def test_the_verb_writes_the_rows_of_a_run_and_shows_five(
    settings, with_copies, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    output = tmp_path / "new" / "augmented.jsonl.gz"
    keys = ("task", "train_rows", "teacher", "cache")
    options = [word for key in keys for word in (f"--{key.replace('_', '-')}", str(settings[key]))]
    words = ["augment", *options, "--output", str(output)]
    assert cli.main([*words, "--augment-copies", "2"]) == cli.OK
    shown = capsys.readouterr().out
    assert sum(line.startswith("row ") for line in shown.splitlines()) == 5
    rows = read_augmented(output.parent)
    assert rows.ids == with_copies.train.ids[len(with_copies.splits.train) :].tolist()
    assert cli.main(words) == cli.MISUSED
    assert "augment_copies: got 0" in capsys.readouterr().err


def test_spliced_copies_of_pairs_mix_train_rows_alone_and_have_a_cache_of_their_own(settings):
    def made(**more):
        given = {**settings, "augment_copies": 2, "augment_replace": 0.0, **more}
        config = Config.from_mapping(given, "test")
        splits = read_rows(config.data)
        found = places(config, splits)
        augmented_rows(config, splits, found)
        return splits, found, read_augmented(found.augmented)

    splits, plain, nothing = made(augment_splice=0.0)
    assert "augment_splice" not in plain.augmented_from  # caches of before there were any are found
    assert len(nothing) == 0  # no word is replaced, so that no copy says something new
    _, spliced, copies = made(augment_splice=1.0)
    assert spliced.augmented != plain.augmented
    assert spliced.probes != plain.probes
    train = {word for texts in splits.train.texts for text in texts for word in text.split()}
    assert len(copies) > 100
    assert {word for texts in copies.texts for text in texts for word in text.split()} <= train
    known = {texts for part in (splits.train, splits.selection) for texts in part.texts}
    assert not known & set(copies.texts)


def test_every_stage_has_the_settings_that_are_its_own(settings, monkeypatch, tmp_path):
    seen = {}
    for name in ("build_augmented", "finetune_teacher", "build_probes"):

        def watched(real, *given, name=name, **more):
            seen[name] = more
            return real(*given, **more)

        monkeypatch.setattr(inputs, name, partial(watched, getattr(inputs, name)))
    teacher = {"epochs": 1, "lr": 2e-4, "batch": 16, "weight_decay": 0.2}
    augment = {"copies": 1, "replace": 0.6, "cut": 0.2, "splice": 0.1, "neighbours": 3}
    flat = {f"teacher_{key}": value for key, value in teacher.items()}
    flat |= {f"augment_{key}": value for key, value in augment.items()}
    prepared({**settings, **flat, "split_seed": 7, "probe_epochs": 2, "cache": str(tmp_path)})
    assert seen["build_augmented"].items() >= {**augment, "seed": 7}.items()
    assert seen["finetune_teacher"].items() >= {**teacher, "max_length": 48, "seed": 7}.items()
    assert seen["build_probes"].items() >= {"epochs": 2, "seed": 7, "labels": 2}.items()


def test_rows_are_split_by_the_settings_of_the_data(monkeypatch):
    own = {
        **{"task": "rte", "data_dir": "d", "train": "a.csv", "validation": "b.csv", "text": "t"},
        **{"text_pair": "p", "label": "l", "unlabelled": "u.csv", "problem_type": "regression"},
        **{"selection_share": 0.2, "train_rows": 9},
    }
    seen = []
    monkeypatch.setattr(
        rows, "load_splits", lambda task, **more: seen.append({"task": task, **more})
    )
    read_rows(Config.from_mapping({**own, "split_seed": 5}, "test").data)
    assert {**seen[0], "data_dir": str(seen[0]["data_dir"])} == {**own, "seed": 5}
