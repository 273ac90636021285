"""Run the command line: ``python -m skvideo_gru``."""

import sys

from .cli import main

sys.exit(main())
