"""Tests of the command line find their store and engine beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cli_store import brought_up, crowbar, engine, store  # noqa: F401  fixtures
