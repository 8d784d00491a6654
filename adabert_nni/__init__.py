"""AdaBERT on NNI: compress a fine-tuned BERT into a small, fast CNN found for your task.

The path is text -> teacher -> probes -> search -> architecture -> student -> report, one folder a stage;
``compress`` walks it, ``cli`` is its command line, and ``api`` has every verb as a function. Whoever imports the
package and transformers, in any order, has the student among transformers' Auto classes; torch and all else is
loaded when it is asked for, so that a command answers at once. Start reading at ``model/architecture.py``.
"""

from types import ModuleType
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, ArchitectureError

if TYPE_CHECKING:
    from adabert_nni.api import best, compress, derive, evaluate, export, predict, probe, train
    from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification

__version__ = "0.1.0"

# `search` and `teacher` are folders of the package: those verbs are `adabert_nni.api.search` and `.teacher`.
_VERBS = ("best", "compress", "derive", "evaluate", "export", "judge", "predict", "probe", "train")
_CLASSES = ("AdaBertConfig", "AdaBertForSequenceClassification")

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
    "judge",
    "predict",
    "probe",
    "train",
]


def __getattr__(name: str) -> Any:
    """The verbs and the student's classes, imported at their first use."""
    if name in _VERBS:
        from adabert_nni import api

        return getattr(api, name)
    if name in _CLASSES:
        from adabert_nni.model import modeling

        return getattr(modeling, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _register(_transformers: ModuleType) -> None:
    """Import the student's classes, which register themselves with the Auto classes."""
    from adabert_nni.model import modeling  # noqa: F401


register_post_import_hook(_register, "transformers")
