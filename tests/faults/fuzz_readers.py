"""Bytes that atheris makes up, into the readers of architectures and rows; not a test, and run by hand:

    pip install -e ".[fuzz]"
    python tests/faults/fuzz_readers.py -runs=200000 -max_len=512

It ends with a traceback if a reader answers with anything but a result or our own error.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["adabert_nni.data", "adabert_nni.model.architecture"]):
    from adabert_nni.data.files_in import read_table
    from adabert_nni.data.loading import load_splits
    from adabert_nni.errors import AdaBertError
    from adabert_nni.model.architecture import Architecture, ArchitectureError

FOLDER = Path(tempfile.mkdtemp())
SUFFIXES = (".csv", ".tsv", ".jsonl", ".csv.gz")


def one_input(data: bytes) -> None:
    """The first byte chooses the reader, the rest is the file."""
    if not data:
        return
    choice, content = data[0] % (len(SUFFIXES) + 1), data[1:]
    if choice == len(SUFFIXES):
        (path := FOLDER / "a.json").write_bytes(content)
        try:
            Architecture.load(path)
        except ArchitectureError:
            return
        return
    (path := FOLDER / f"a{SUFFIXES[choice]}").write_bytes(content)
    for read in (lambda: read_table(path, ("text",), "label"), lambda: load_splits("", train=path)):
        try:
            read()
        except AdaBertError:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
