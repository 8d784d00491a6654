"""AdaBERT on NNI: compress a fine-tuned BERT into a small, fast CNN found for your task.

The path is text -> teacher -> probes -> search -> architecture -> student -> report, one folder a stage;
``pipeline.compress`` walks it, ``cli`` is its command line. Importing the package registers the student with
transformers' Auto classes. Start reading at ``model/architecture.py``.
"""

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, ArchitectureError
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification

__version__ = "0.1.0"

__all__ = [
    "AdaBertConfig",
    "AdaBertError",
    "AdaBertForSequenceClassification",
    "Architecture",
    "ArchitectureError",
    "__version__",
]
