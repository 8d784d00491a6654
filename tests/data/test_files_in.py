"""Facts about reading files."""

import gzip
import sys

import pytest

from adabert_nni.data.files_in import read_table
from adabert_nni.errors import AdaBertError


def write(folder, name: str, data: str | bytes):
    data = data.encode() if isinstance(data, str) else data
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


FILES = {
    "a.csv": 'text,label,other\n"one, ""two""",1,x\nthree,0,y\n',
    "a.tsv": 'text\tlabel\tother\none, "two"\t1\tx\nthree\t0\ty\n',
    "a.jsonl": '{"text": "one, \\"two\\"", "label": 1}\n{"label": 0, "text": "three"}\n',
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_same_rows_in_every_format(tmp_path, name, packed, bom, newline):
    text = bom + FILES[name].replace("\n", newline)
    table = read_table(write(tmp_path, name + packed, text), ("text",), "label")
    assert table.texts == [('one, "two"',), ("three",)]
    assert table.labels == ["1", "0"]


@pytest.mark.parametrize("word", ["null", "NA", "None", "nan", "NaN", "N/A", "true", "1e5", "007"])
def test_words_that_look_like_nothing_stay_text(tmp_path, word):
    for name, text in {
        "a.csv": f"text,label\n{word},1\n",
        "a.tsv": f"text\tlabel\n{word}\t1\n",
        "a.jsonl": f'{{"text": "{word}", "label": 1}}\n',
    }.items():
        assert read_table(write(tmp_path, name, text), ("text",), "label").texts == [(word,)]


def test_a_tsv_takes_quotes_as_they_are(tmp_path):
    # as GLUE writes them: nothing is ever quoted, and a quote may stay open
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"open\t1\nhe said "no"\t0\n')
    assert read_table(path, ("text",), "label").texts == [('"open',), ('he said "no"',)]


def test_a_csv_text_may_hold_newlines_and_lines_are_still_counted(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"one\ntwo",1\n\nthree,0\n')
    table = read_table(path, ("text",), "label")
    assert table.texts == [("one\ntwo",), ("three",)]
    assert table.lines == [2, 5]  # line 4 is blank


def test_a_megabyte_text_and_odd_characters_are_read_whole(tmp_path):
    long = "word " * 200_000
    odd = "\u05e9\u05dc\u05d5\u05dd \U0001f600 a\u2028b \x0b"
    path = write(tmp_path, "a.csv", f"text,label\n{long},1\n{odd},0\n")
    assert read_table(path, ("text",), "label").texts == [(long,), (odd,)]


def test_nul_bytes_are_text_or_an_error_with_the_line(tmp_path):
    tsv = write(tmp_path, "a.tsv", "text\tlabel\na\x00b\t1\n")
    assert read_table(tsv, ("text",), "label").texts == [("a\x00b",)]
    csv = write(tmp_path, "a.csv", "text,label\na\x00b,1\n")
    if sys.version_info >= (3, 11):
        assert read_table(csv, ("text",), "label").texts == [("a\x00b",)]
    else:
        with pytest.raises(AdaBertError, match="line 2"):
            read_table(csv, ("text",), "label")


def test_a_pair_takes_two_columns_in_the_order_asked_for(tmp_path):
    path = write(tmp_path, "a.csv", "b,label,a\n1,x,2\n")
    assert read_table(path, ("a", "b"), "label").texts == [("2", "1")]


BROKEN = [
    ("a.csv", "", r"a\.csv: the file is empty"),
    ("a.csv", "\ufeff\n\n", r"a\.csv: the file is empty"),
    ("a.tsv", "text\tlabel\n", r"a\.tsv: the file has no rows"),
    (
        "a.csv",
        "text,label\nok,1\ncaf\u00e9,0\n".encode("latin-1"),
        "line 3: byte 0xe9 is not UTF-8",
    ),
    ("a.tsv", "text\tlabel\n".encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
    ("a.csv", "words,class\nok,1\n", "line 2: no column 'text', there are words, class; .*--text"),
    ("a.jsonl", '{"text": "a", "y": 1}\n', "line 1: no column 'label', there are text, y;"),
    ("a.csv", 'text,label\nok,1\n"open,0\nlast,1\n', "line 3: broken quotes"),
    ("a.csv", 'text,label\n"shut" late,0\n', "line 2: broken quotes"),
    ("a.csv", 'text,label\n"open,0\nb",1,1\n', "line 2: got 3 fields, the header has 2"),
    ("a.tsv", "text\tlabel\nok\t1\na\tb\t1\n", "line 3: got 3 fields, the header has 2"),
    ("a.tsv", "text\tlabel\nok\n", "line 2: got 1 fields, the header has 2"),
    ("a.csv", "text,text,label\na,b,1\n", "line 1: a column name is there twice"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "la', "line 2: no whole JSON object"),
    ("a.jsonl", "[" * 100_000, "line 1: no whole JSON object"),
    ("a.jsonl", '["a", 1]\n', "line 1: got no JSON object but"),
    ("a.jsonl", '{"text": null, "label": 1}\n', "line 1 column 'text': got None, a text must be"),
    ("a.jsonl", '{"text": 5, "label": 1}\n', "line 1 column 'text': got 5, a text must be"),
    ("a.jsonl", '{"text": "\\ud83d", "label": 1}\n', "line 1 column 'text': half a surrogate"),
    ("a.jsonl", '{"text": "a", "label": true}\n', "line 1 column 'label': got True, a label must"),
    ("a.jsonl", '{"text": "a", "label": [1]}\n', r"line 1 column 'label': got \[1\], a label must"),
    ("a.xlsx", "PK", r"a\.xlsx: cannot read this kind of file, allowed are \.csv\[\.gz\]"),
]


@pytest.mark.parametrize("name, data, part", BROKEN, ids=[part for *_, part in BROKEN])
def test_a_broken_file_is_named_with_its_line(tmp_path, name, data, part):
    path = write(tmp_path, name, data)
    with pytest.raises(AdaBertError, match=part) as caught:
        read_table(path, ("text",), "label")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_no_whole_file_is_named(tmp_path):
    with pytest.raises(AdaBertError, match=r"none\.csv: there is no such file"):
        read_table(tmp_path / "none.csv", ("text",), "label")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(AdaBertError, match=r"folder\.csv: cannot be read"):
        read_table(tmp_path / "folder.csv", ("text",), "label")
    packed = gzip.compress(b"text,label\n" + b"a,1\n" * 1000)
    for data in (packed[:-10], b"text,label\na,1\n"):  # cut off, and not packed at all
        path = tmp_path / "a.csv.gz"
        path.write_bytes(data)
        with pytest.raises(AdaBertError, match=r"a\.csv\.gz: cannot be read"):
            read_table(path, ("text",), "label")


@pytest.mark.parametrize("cell", ["null", "NaN", '""', '" "'])
def test_a_label_that_is_nothing_leaves_the_row_without_one(tmp_path, cell):
    lines = f'{{"text": "a", "label": {cell}}}\n{{"text": "b", "label": "None"}}\n'
    assert read_table(write(tmp_path, "a.jsonl", lines), ("text",), "label").labels == [
        None,
        "None",
    ]


def test_an_empty_cell_of_a_csv_is_no_label(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\nok,1\nno, \nnone,\nnothing,NaN\n")
    assert read_table(path, ("text",), "label").labels == ["1", None, None, None]


def test_numbers_are_labels_and_a_whole_one_has_no_fraction(tmp_path):
    lines = "".join(f'{{"text": "a", "label": {n}}}\n' for n in ("3", "3.0", "3.5", "-1"))
    path = write(tmp_path, "a.jsonl", lines)
    assert read_table(path, ("text",), "label").labels == ["3", "3", "3.5", "-1"]
