"""What a benchmark's figures depend on beside the models: processor, threads, versions, commit, peak.

It must not know which models are timed.
"""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from adabert_nni.benchmark.timing import peak_gflops
from adabert_nni.precision import device

PACKAGES = ("adabert_nni", "torch", "transformers", "nni", "onnx", "onnxruntime")


def surroundings() -> dict[str, Any]:
    """The machine and the versions as plain JSON, with the peak in GFLOP per second, measured now."""
    on = device()
    return {
        "device": torch.cuda.get_device_name() if on.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "peak_gflops": peak_gflops(device=on),
        "commit": commit(),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} processors"


@cache
def commit() -> str | None:
    """The commit of the source tree when first asked for, with a "+" if files had changed; None outside of one."""
    git = ("git", "-C", str(Path(__file__).parent))
    try:
        commit, changes = (
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.strip() + ("+" if changes else "")
