"""What lies in the folder of a student, or of one of its exports, read back; code that lies there is not run."""

from pathlib import Path

from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, sha256
from adabert_nni.folders import MANIFEST, check_manifest
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.student.formats import FORMATS

RECORD = "export.json"
WEIGHTS = "model.safetensors"
LOCAL = {"local_files_only": True, "trust_remote_code": False}


def load_student(
    folder: Path,
) -> tuple[AdaBertForSequenceClassification, PreTrainedTokenizerBase]:
    """The student in a folder that a run has written, in eval mode, and its tokenizer.

    Args:
        folder: such as ``runs/first/student``; code in it is not run.

    Returns:
        Both, from the files alone.

    Raises:
        AdaBertError: if there is no student there, or its manifest tells of another file.
    """
    if (folder / MANIFEST).is_file():  # a copy from a hub may lack it
        try:
            check_manifest(folder)
        except AdaBertError as error:
            mended = f"if you changed it yourself, delete {folder / MANIFEST}"
            raise AdaBertError(f"{error}; {mended}") from None
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, **LOCAL, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    except Exception as error:  # the tokenizers' own errors have no class of their own
        first = str(error).partition("\n")[0]
        raise AdaBertError(
            f"{folder}: no student can be read there ({first}); give the folder 'student' of a run"
        ) from None
    if not isinstance(model, AdaBertForSequenceClassification):
        raise AdaBertError(
            f"{folder}: holds a {type(model).__name__}, not a student; give the folder 'student' "
            "of a run"
        )
    return model.eval(), tokenizer


def is_of(folder: Path, student: Path) -> bool:
    """Whether ``folder`` holds a finished export of the weights that ``student`` has now."""
    record = folder / RECORD
    return record.is_file() and read_json(record).get("student_sha256") == sha256(student / WEIGHTS)


def load_export(folder: Path) -> nn.Module:
    """The module in a folder that ``deploy`` has written.

    Args:
        folder: of an export; it may come from anywhere.

    Returns:
        What maps ids and mask (B, L) to logits (B, C).

    Raises:
        AdaBertError: if it holds no export, a damaged one, or one whose file may run code as it is read.
    """
    if (folder / MANIFEST).is_file():  # older ones lack it
        check_manifest(folder)
    record = read_json(folder / RECORD)
    name = record.get("format") if isinstance(record, dict) else None
    if not isinstance(name, str) or name not in FORMATS:
        raise AdaBertError(
            f"{folder / RECORD}: the format is {name!r}, known are {', '.join(FORMATS)}; export again"
        )
    form = FORMATS[name]
    if form.runs_code:
        raise AdaBertError(
            f"{folder / form.file}: torch runs code of such a program as it reads it, so it is not read here; "
            "export the student as folded or onnx, or load it yourself with torch.export.load if you trust it"
        )
    config = AutoConfig.from_pretrained(folder, **LOCAL)
    return form.read(folder / form.file, config)
