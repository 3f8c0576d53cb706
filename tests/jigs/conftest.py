"""Fixtures shared by the tests of the jigs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path += [str(Path(__file__).parents[1] / name) for name in ("images", "serve")]  # agent_side.py has both ends of the agent's calls

from ssh_rig import farm, key, machines, pool

__all__ = ["farm", "key", "machines", "pool"]
