"""Whatever lies in a model's folder or in a cache gives a valid result or one sentence, never a traceback."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from adabert_nni.data.tasks import get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.files import check_writable
from adabert_nni.folders import built_once, check_manifest
from adabert_nni.student.stored import load_student
from adabert_nni.teacher.loading import load_classifier, load_config, load_tokenizer

MANY = hypothesis_settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
data = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
contents = st.one_of(st.binary(max_size=60), data.map(lambda value: json.dumps(value).encode()))


@hypothesis_settings(MANY, max_examples=20)
@given(
    st.sampled_from(
        ["config.json", "tokenizer.json", "model.safetensors", "tokenizer_config.json"]
    ),
    contents,
)
def test_any_bytes_in_a_model_folder_are_a_model_or_an_error(model_folders, name, content):
    for source, load in model_folders:
        path = source / name
        whole = path.read_bytes()
        path.write_bytes(content)
        try:
            load(source)
        except AdaBertError as error:
            assert "\n" not in str(error).strip()
        finally:
            path.write_bytes(whole)


@pytest.fixture(scope="module")
def model_folders(finished, tiny_teacher_dir, tmp_path_factory):
    """Copies of a student and a teacher, and how each is loaded."""

    def as_teacher(source):
        load_config(source)
        load_tokenizer(source)
        load_classifier(source, get_task("mini-reviews"), fresh_head=True)

    place = tmp_path_factory.mktemp("models")
    student = shutil.copytree(finished / "run" / "student", place / "student")
    (student / "manifest.json").unlink()
    return [
        (student, load_student),
        (shutil.copytree(tiny_teacher_dir, place / "teacher"), as_teacher),
    ]


@hypothesis_settings(MANY, max_examples=50)
@given(contents)
def test_any_manifest_in_a_cache_is_refused_or_built_again(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "cached"
    path.mkdir(exist_ok=True)
    (path / "manifest.json").write_bytes(content)
    try:
        built_once(path, lambda f: (f / "weights").write_bytes(b"1"), {"seed": 1})
    except AdaBertError as error:
        assert "\n" not in str(error).strip()
        (path / "manifest.json").unlink()
        path.rmdir()
    else:
        assert check_manifest(path) == {"seed": 1}
        for file in path.iterdir():
            file.unlink()


@pytest.mark.parametrize("make", [check_writable, lambda path: built_once(path / "x", print)])
def test_a_place_where_nothing_can_be_made_is_one_sentence(make):
    with pytest.raises(AdaBertError, match=r"/proc/here.*: cannot be made here"):
        make(Path("/proc/here"))
