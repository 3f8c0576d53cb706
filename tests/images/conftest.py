"""Fixtures shared by the tests of the node's tools."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from node_shell import shell

__all__ = ["shell"]
