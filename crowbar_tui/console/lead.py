"""Which engine decides, on a store that several engines share: for the title and the line of what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formats import since

WIDE = 100
"""Columns from which the title has room for the name of a leader that needs no attention."""


def title(leading: Mapping[str, Any], columns: int) -> tuple[str, str]:
    """Text and style. Empty: nothing to say."""
    if leading.get("role") == "standby":
        return (" no leader" if leading["trouble"] or not leading["leader"] else " standby", "bad" if leading["trouble"] else "ask")
    return (f" {leading['name']} decides", "dim") if leading and columns >= WIDE else ("", "")


def following(leading: Mapping[str, Any], now: float) -> str:
    """What a person at a standby does next. Empty: this engine decides."""
    if leading.get("role") != "standby":
        return ""
    if leading["trouble"]:
        return f"check PostgreSQL and the network between the admin nodes ({since(now, leading['trouble_since'])}: {leading['trouble']})"
    if not leading["leader"]:
        return f"wait: no engine decides, and a standby takes over within {leading['take_over_s']:g} s"
    return f"give orders on {leading['leader']}, which decides: this engine ({leading['name']}) is a standby"
