"""Fixtures shared by the tests of the node's tools."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from agent_rig import curl_node, engine, node
from node_shell import shell

__all__ = ["curl_node", "engine", "node", "shell"]
