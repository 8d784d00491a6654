"""Start NNI's manager so that its web UI listens on 127.0.0.1 only.

The manager has no authentication and serves files, so it must not be reachable from outside.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATCH = Path(__file__).with_name("loopback.js")


def loopback_environment() -> dict[str, str]:
    """The environment for nnictl or the manager: the patch, and this Python's commands first in PATH."""
    options = f'{os.environ.get("NODE_OPTIONS", "")} --require "{PATCH}"'.strip()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "NODE_OPTIONS": options, "PATH": path}


def run_nnictl(arguments: Sequence[str]) -> int:
    """Run ``nnictl`` with ``arguments`` on loopback and return its exit code."""
    code = "import sys; from nni.tools.nnictl.nnictl import parse_args; sys.argv[0] = 'nnictl'; parse_args()"
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, env=loopback_environment(), check=False).returncode
