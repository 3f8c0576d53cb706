"""Fixtures shared by the tests of the jigs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from ssh_rig import farm, key, machines, pool

__all__ = ["farm", "key", "machines", "pool"]
