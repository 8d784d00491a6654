"""AdaBERT on NNI: compress a fine-tuned BERT into a small, fast CNN found for your task.

The path is text -> teacher -> probes -> search -> architecture -> student -> report, one folder a stage;
``compress`` walks it, ``cli`` is its command line, and ``api`` has every verb as a function. Importing the package
registers the student with transformers' Auto classes and no more: the verbs load what they need when they are
asked for. Start reading at ``model/architecture.py``.
"""

from typing import TYPE_CHECKING, Any

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, ArchitectureError
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification

if TYPE_CHECKING:
    from adabert_nni.api import best, compress, derive, evaluate, export, predict, probe, train

__version__ = "0.1.0"

# `search` and `teacher` are folders of the package: those verbs are `adabert_nni.api.search` and `.teacher`.
_VERBS = ("best", "compress", "derive", "evaluate", "export", "predict", "probe", "train")

__all__ = [
    "AdaBertConfig",
    "AdaBertError",
    "AdaBertForSequenceClassification",
    "Architecture",
    "ArchitectureError",
    "__version__",
    "best",
    "compress",
    "derive",
    "evaluate",
    "export",
    "predict",
    "probe",
    "train",
]


def __getattr__(name: str) -> Any:
    """The verbs, imported at their first use."""
    if name in _VERBS:
        from adabert_nni import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
