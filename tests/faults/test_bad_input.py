"""Whatever comes in at any door gives a valid result or one sentence: never a traceback or half a file.

ADABERT_EXAMPLES=5000 tries more, other ones at each run; by default the same hundred are tried.
"""

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from adabert_nni import cli
from adabert_nni.benchmark.ops import Times
from adabert_nni.config import Config, load_config
from adabert_nni.data.files_in import read_table
from adabert_nni.data.loading import load_splits
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.model.architecture import (
    MOST,
    Architecture,
    ArchitectureError,
    edge_names,
)
from adabert_nni.model.ops import OPS, check_ops
from adabert_nni.settings import STAGES
from adabert_nni.spaces import SpaceConfig

EXAMPLES = int(os.environ.get("ADABERT_EXAMPLES", "100"))
KEYS = sorted(key for stage in STAGES.values() for key in stage.__pydantic_fields__)
GOOD = Architecture(2, 2, dict.fromkeys(edge_names(2), "std_conv_3")).to_dict()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 30),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "1", "nan", "1e999", "../../x", "/etc/passwd", "\0", "x" * 300, *OPS]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
fields = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "null", "NA", "0", "1", "9" * 5000, '"', "\0", "\u202eabc", "\U0001f600"]),
)


def many(share: float = 1.0):
    """So many examples, or a share of them where each takes long."""
    return hypothesis_settings(
        max_examples=max(int(EXAMPLES * share), 1),
        deadline=None,
        derandomize=EXAMPLES == 100,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("input")


def one_sentence(error: BaseException) -> None:
    assert 10 < len(str(error)) < 5_000
    assert "\n" not in str(error).strip()


def put(document: dict, key: str, value: object) -> dict:
    """A copy of nested plain data with one thing changed, by a path like "edges/0_2"."""
    changed = json.loads(json.dumps(document))
    inner, *path = changed, *key.split("/")
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


@many()
@given(st.one_of(values, st.tuples(st.sampled_from([*GOOD, "edges/0_2", "edges/9_9"]), values)))
def test_any_json_is_an_architecture_or_an_error(data):
    document = put(GOOD, *data) if isinstance(data, tuple) else data
    for read in (Architecture.from_dict, Architecture.from_sample):
        if read == Architecture.from_sample and not isinstance(document, dict):
            continue
        try:
            found = read(document)
            check_ops(found.edges.values(), "here")
        except (ArchitectureError, AdaBertError) as error:
            one_sentence(error)
        else:
            assert Architecture.from_dict(found.to_dict()) == found


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("depth", 0, "depth"),
        ("depth", MOST["depth"] + 1, "depth"),
        ("depth", float("nan"), "depth"),
        ("nodes", 10**9, "nodes"),
        ("version", 2, "version"),
        ("edges/0_2", "conv9", "conv9"),
        ("edges/0_2", None, "0_2"),
        ("edges", {"0_2": "std_conv_3"}, "1_2"),
        ("more", 1, "more"),
    ],
)
def test_a_bad_architecture_is_refused_by_its_key_at_the_command_line(
    told, tmp_path, key, value, word
):
    (tmp_path / "a.json").write_text(json.dumps(put(GOOD, key, value)))
    said = told("train", "--architecture", "a.json")
    assert "a.json" in said
    assert word in said


def test_a_file_may_not_ask_for_more_layers_or_nodes_than_a_space_can_have():
    space = {"ops": ["zero"], "max_depth": MOST["depth"], "nodes": MOST["nodes"]}
    assert SpaceConfig(**space).max_depth == MOST["depth"]
    for key in ("max_depth", "nodes"):
        with pytest.raises(ValueError, match=key):
            SpaceConfig(**{**space, key: space[key] + 1})


@many()
@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"[" * 10**5, b"9" * 5000])))
def test_any_bytes_are_json_or_an_error(folder, content):
    path = folder / "any.json"
    path.write_bytes(content)
    for read in (Architecture.load, read_json, lambda p: Times.load(p, ["zero"])):
        try:
            read(path)
        except (ArchitectureError, AdaBertError) as error:
            assert str(path) in str(error)


@many()
@given(values)
def test_any_json_is_a_table_of_times_or_an_error(folder, data):
    path = folder / "times.json"
    path.write_text(json.dumps(data))
    with pytest.raises(AdaBertError) as caught:
        Times.load(path, ["std_conv_3"])
    one_sentence(caught.value)


@many()
@given(st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=9)), values, max_size=5))
def test_any_settings_are_valid_or_an_error_in_python_and_from_nni(flat):
    try:
        config = Config.from_mapping(flat, "parameters")
    except AdaBertError as error:
        assert str(error).startswith("parameters: ")
    else:
        assert Config.from_mapping(config.flat(), "again") == config


@many()
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
        values.map(lambda data: yaml.safe_dump(data).encode()),
        st.dictionaries(st.sampled_from(KEYS), scalars, max_size=4).map(
            lambda data: yaml.safe_dump(data).encode()
        ),
    )
)
def test_any_bytes_are_settings_or_an_error(folder, content):
    path = folder / "any.yml"
    path.write_bytes(content)
    for read in (lambda: load_config(path, {}), lambda: SpaceConfig.load(path)):
        try:
            read()
        except AdaBertError as error:
            assert str(path) in str(error)


@many()
@given(st.lists(st.one_of(st.sampled_from(KEYS), scalars.map(str)), max_size=6))
def test_any_words_on_the_command_line_are_refused_in_one_sentence(capsys_once, words):
    spelt = [f"--{word.replace('_', '-')}" if word in KEYS else word for word in words]
    assert capsys_once("compress", *spelt, "--task", "no-such-task") == cli.MISUSED


@pytest.fixture(scope="module")
def capsys_once(tmp_path_factory):
    """A function that gives the exit code of a command line."""
    patch = pytest.MonkeyPatch()
    patch.chdir(tmp_path_factory.mktemp("words"))
    patch.setattr(cli, "_log", lambda debug: None)

    def call(*words):
        try:
            return cli.main([*words])
        except SystemExit as stop:  # argparse; 0 if --help is among the words
            return stop.code or cli.MISUSED

    yield call
    assert os.listdir() == []
    patch.undo()


def in_rows(table) -> None:
    assert len(table.texts) == len(table.labels) == len(table.lines) > 0
    assert all(isinstance(text, str) for texts in table.texts for text in texts)


contents = st.one_of(
    st.binary(max_size=80),
    st.binary(max_size=60).map(lambda data: b"text,label\n" + data),
    st.lists(st.tuples(fields, fields), max_size=12).map(
        lambda rows: ("text,label\n" + "".join(f"{a},{b}\n" for a, b in rows)).encode(
            "utf-8", "surrogatepass"
        )
    ),
    st.lists(st.one_of(values, st.fixed_dictionaries({"text": fields, "label": values}))).map(
        lambda rows: "\n".join(json.dumps(row) for row in rows).encode()
    ),
)


@many()
@given(contents, st.sampled_from([".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz", ".txt"]))
def test_any_bytes_are_rows_or_an_error(folder, content, suffix):
    path = folder / f"rows{suffix}"
    path.write_bytes(content.replace(b",", b"\t") if suffix == ".tsv" else content)
    try:
        in_rows(read_table(path, ("text",), "label"))
    except AdaBertError as error:
        assert str(error).startswith(str(path))
    try:
        splits = load_splits("", train=path)
    except AdaBertError as error:
        one_sentence(error)
    else:
        assert len(splits.train) > 0


@pytest.mark.parametrize(
    "name", ["\0.csv", "x" * 300 + ".csv", "folder.csv/a.csv", "~nobody/none.csv"]
)
@pytest.mark.parametrize("key", ["train", "config", "teacher", "space", "data-dir", "output"])
def test_an_impossible_path_is_one_sentence(told, tmp_path, settings, key, name):
    (tmp_path / "folder.csv").write_text("text,label\na,1\n")
    rows = ["--text", "text", "--label", "label"] if key == "train" else []
    teacher = [] if key == "teacher" else ["--teacher", settings["teacher"]]
    task = ["--task", "sst2"] if key == "data-dir" else []
    if key == "output" and name.startswith("~"):
        return  # a place like any other
    told("compress", f"--{key}", name, *rows, *teacher, *task)
