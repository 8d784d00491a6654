"""The peak of memory since a moment, of this process or of its GPU. It must not know what uses it."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Starts to watch when it is made.

    On Linux the kernel's own mark of the resident memory is set back. Where that cannot be, it is the
    highest since the process began, so that a peak that was passed before hides lower ones.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        """Take what is in use on ``device`` (the CPU if None) for nothing."""
        self._gpu = device if device is not None and device.type == "cuda" else None
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)
            self._start = torch.cuda.memory_allocated(self._gpu)
            return
        with suppress(OSError):  # not Linux, or not allowed
            RESET.write_text("5", encoding="ascii")
        self._start = _status("VmRSS") if STATUS.is_file() else _highest()

    def bytes(self) -> int:
        """How much more than at the start was in use at once, >= 0."""
        if self._gpu is not None:
            return torch.cuda.max_memory_allocated(self._gpu) - self._start
        now = _status("VmHWM") if STATUS.is_file() else _highest()
        return max(now - self._start, 0)


def _status(key: str) -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def _highest() -> int:
    """The highest resident memory since the process began, as it is known everywhere but on Windows."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
