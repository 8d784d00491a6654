"""Facts about which columns are taken."""

import pytest

from adabert_nni.data.columns import Columns, choose_columns
from adabert_nni.data.files_in import Source
from adabert_nni.errors import AdaBertError

CELLS = {
    "number": [f"{i}" for i in range(6)],
    "class": ["a", "b"] * 3,
    "words": [f"some words {i}" for i in range(6)],
    "int": list(range(6)),
}


def source(classes=None, **columns):
    """Rows with columns by name, each of one of the kinds of ``CELLS``."""
    values = {name: CELLS[kind] for name, kind in columns.items()}
    rows = [{name: cells[i] for name, cells in values.items()} for i in range(6)]
    return Source("rows.csv", list(enumerate(rows, start=2)), classes or {})


def guess(given, text=None, text_pair=None, label=None):
    found = choose_columns(given, text, text_pair, label)
    return (*found.texts, found.label)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"text": "words", "label": "class"}, ("text", "label")),
        ({"Review": "words", "Stars": "number"}, ("Review", "Stars")),  # whatever the case
        ({"content": "words", "title": "words", "label": "int"}, ("content", "label")),
        ({"text": "words", "label": "int", "label_text": "class"}, ("text", "label")),
        ({"text": "words", "label": "int", "score": "number"}, ("text", "label")),
        ({"question": "words", "answer": "words", "y": "int"}, ("question", "answer", "y")),
        ({"premise": "words", "hypothesis": "words", "label": "int"}, ("premise", "hypothesis", "label")),
        ({"text1": "words", "text2": "words", "idx": "int", "label": "int"}, ("text1", "text2", "label")),
        ({"utterances": "words", "label": "class"}, ("utterances", "label")),  # the only strings left
        ({"utterances": "words", "n": "number", "label": "int"}, ("utterances", "label")),
        ({"text": "words", "topic": "class"}, ("text", "topic")),  # the only column left
        ({"": "number", "id": "words", "text": "words", "topic": "class"}, ("text", "topic")),
    ],
)  # fmt: skip
def test_columns_are_guessed_where_there_is_one_answer(columns, found):
    given = source(**columns)
    assert guess(given) == found
    assert choose_columns(given, None, None, None).guessed


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"text": "words", "review": "words", "label": "int"}, "text and review could be the text"),
        ({"text": "words", "stars": "int", "rating": "int"}, "stars and rating could be the label"),
        ({"text": "words", "x": "int", "z": "int"}, "x and z could be the label"),
        ({"one": "words", "two": "class"}, "one and two could be the text"),
        ({"text": "words"}, "none can be told to be the label"),
        ({"label": "int", "x": "int"}, "none can be told to be the text"),
    ],
)
def test_what_has_no_one_answer_lists_the_columns_and_the_options(columns, told):
    with pytest.raises(AdaBertError, match=told) as caught:
        guess(source(**columns))
    assert f"of its columns {', '.join(columns)}," in str(caught.value)
    assert "--text, --text-pair for a second text, and --label" in str(caught.value)


def test_what_is_told_is_taken_and_helps_to_guess_the_rest():
    given = source(one="words", two="class", text="words", label="int")
    assert guess(given, text="one") == ("one", "label")
    assert guess(given, text="one", text_pair="text", label="two") == ("one", "text", "two")
    assert guess(source(one="words", two="class"), label="two") == ("one", "two")
    assert guess(source(one="words", two="class"), text="one") == ("one", "two")


@pytest.mark.parametrize("asked", [{"text": "Words"}, {"text": "words", "label": "Words"}])
def test_a_name_that_is_no_column_is_told_with_the_closest(asked):
    with pytest.raises(AdaBertError, match=r"no column 'Words' \(did you mean 'words'\?\)"):
        guess(source(words="words", y="int"), **asked)


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_cells_that_something_else_parts_are_told_so(mark):
    with pytest.raises(AdaBertError, match="cells seem to be parted by"):
        guess(source(**{f"text{mark}label": "words"}))


def test_columns_that_are_told_are_no_guess():
    assert choose_columns(source(a="words", b="int"), "a", None, "b") == Columns(("a",), "b", False)


def test_a_column_of_named_classes_is_no_text():
    given = source({"topic": ["a", "b"]}, story="words", topic="class")
    assert guess(given) == ("story", "topic")


@pytest.mark.parametrize(
    "first", [["fine film", "1"], ["fine film", "3.5"], ["good text", "a"]], ids=str
)
def test_a_file_without_a_header_is_told_so(first):
    given = source(**{first[0]: "words", first[1]: "class"})
    with pytest.raises(AdaBertError, match=r"rows\.csv line 1: it seems .* add a header line") as e:
        guess(given, text=first[0])
    assert "--label" in str(e.value)
