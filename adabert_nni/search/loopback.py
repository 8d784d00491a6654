"""Start NNI's manager so that its web UI listens on 127.0.0.1 only.

The manager has no authentication and serves files, so it must not be reachable from outside.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATCH = Path(__file__).with_name("loopback.js")
# NNI gives its manager three seconds to answer, which a busy machine exceeds.
PATIENCE = 30
NNICTL = f"""
import sys
from nni.experiment import launcher
from nni.tools.nnictl.nnictl import parse_args
launcher._check_rest_server.__defaults__ = ({PATIENCE}, None)
sys.argv[0] = "nnictl"
parse_args()
"""


def loopback_environment() -> dict[str, str]:
    """The environment for nnictl or the manager: the patch, and this Python's commands first in PATH."""
    options = f'{os.environ.get("NODE_OPTIONS", "")} --require "{PATCH}"'.strip()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "NODE_OPTIONS": options, "PATH": path}


def run_nnictl(arguments: Sequence[str]) -> int:
    """Run ``nnictl`` with ``arguments`` on loopback and return its exit code."""
    command = [sys.executable, "-W", "ignore", "-c", NNICTL, *arguments]
    return subprocess.run(command, env=loopback_environment(), check=False).returncode
