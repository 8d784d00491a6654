"""``python -m adabert_nni`` is ``adabert``."""

import sys

from adabert_nni.cli import main

sys.exit(main())
