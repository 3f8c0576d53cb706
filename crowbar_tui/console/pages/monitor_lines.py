"""What Nagios says, as lines of the health page: what is not good first, each with its age and the plugin's own words."""

from __future__ import annotations

from typing import Any

from ..formats import since
from ..styled import Line, clip, line, shorten, wrap

BAD, ODD = ("down", "unreachable", "critical"), ("warning", "unknown")
ROOM = 24
"""Lines of good checks that the page shows: those of the first nodes."""


def monitor_lines(health: dict[str, Any], now: float, columns: int) -> list[Line]:
    """`health`: the figures of the engine. None if no plan wants Nagios. `now`: wall time."""
    shown: dict[str, Any] = health.get("monitoring") or {}
    if shown.get("state", "off") == "off" and not shown.get("trends"):
        return []
    out: list[Line] = [line()]
    if shown["state"] != "off":
        out += _head(shown, now, columns)
        rows: list[dict[str, Any]] = shown.get("rows") or []
        urgent = [row for row in rows if row["state"] in (*BAD, *ODD, "waiting")]
        good = [row for row in rows if row["state"] not in (*BAD, *ODD, "waiting")]
        for row in [*urgent, *good[:ROOM]]:
            out += _row(row, now, columns)
        left = shown["hosts"] + shown["checks"] - len(urgent) - min(len(good), ROOM)
        if left > 0:
            out.append(line((f"   and {left} more: crowbar health --json", "dim")))
    if shown.get("trends"):
        texts = wrap(f"Prometheus listens on {shown['trends']}", columns - 20)
        out += [line((" trends          " if i == 0 else " " * 17, "dim"), text) for i, text in enumerate(texts)]
    return out


def _head(shown: dict[str, Any], now: float, columns: int) -> list[Line]:
    why = shown.get("why") or {}
    if why:
        told = wrap(f"{why['sentence']}; {why['advice']}", columns - 20)
        return [line((f" {'' if i else 'nagios':<15} ", "dim"), (text, "bad")) for i, text in enumerate(told)]
    if shown["state"] == "waiting":
        return [line((f" {'nagios':<15} ", "dim"), ("has not written anything yet", "dim"))]
    red = shown["red"]
    figures = (f"{shown['hosts']} hosts, {shown['checks']} checks, ", (f"{red} red", "bad" if red else "good"))
    return [line((f" {'nagios':<15} ", "dim"), *figures, (f"   {since(now, shown['at'])} old", "dim"))]


def _row(row: dict[str, Any], now: float, columns: int) -> list[Line]:
    """State, its age, whose it is, and the words."""
    who = row["node"].split(".")[0] + (f" {row['role']}/{row['check']}" if row["role"] else "")
    quiet = row["quiet"] if row["state"] in BAD else ""
    style = "dim" if quiet or row["state"] == "waiting" else "bad" if row["state"] in BAD else "ask" if row["state"] in ODD else "good"
    head = f"   {row['state']:<11} {since(now, row['since']):>6} "
    if row["state"] in ("up", "good", "waiting"):
        who = shorten(who, columns - len(head) - 1)
        room = columns - len(head) - max(len(who), 35) - 1
        return [line((head, style), (f"{who:<35} ", "name"), (clip(row["text"], room) if room > 10 else "", "dim"))]
    words = f"no alarm, because {quiet}" if quiet else row["text"]
    first = line((head, style), (shorten(who, columns - len(head)), "name"))
    return [first, *(line((f"{'':<22}{text}", "dim" if quiet else "")) for text in wrap(words, columns - 23))]
