"""What Nagios says, for people and as JSON. Pure.

A rack of a thousand nodes has thousands of checks, so the rows are bounded. Those that a person must see come first.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import reasons
from ..core.monitor.alarms import Row
from ..core.world.view import View
from ..definitions import Json
from ..model import NodeRole
from ..reasons import Reason, advice, sentence

MOST = 500
"""Rows that are shown."""
SILENT_S = 60.0
"""Seconds after which Nagios counts as silent. It writes every five."""
SERVER, TRENDS = "monitor-server", "trends-server"
_WORST = ("down", "unreachable", "critical", "unknown", "warning", "waiting", "good", "up")


def role_of(view: View, name: str) -> NodeRole | None:
    """The node role of that name on the admin node, which has it once."""
    return next((view.node_roles[key] for key in view.bound.get(name) or ()), None)


def status_file(view: View) -> str | None:
    """The file in which Nagios says what it found. Empty: it runs without Nagios. None: no plan wants it, or it has not run yet."""
    role = role_of(view, SERVER)
    path = role.gave.get("monitor-status") if role is not None else None
    return path if isinstance(path, str) else None


def trends_url(view: View) -> str:
    """Where Prometheus answers. Empty: nowhere."""
    role = role_of(view, TRENDS)
    url = role.gave.get("trends-url") if role is not None else None
    return url if isinstance(url, str) else ""


def trouble(view: View, created: float, failure: str, now: float) -> Reason | None:
    """Why nobody checks the nodes now. `created`: wall time of what Nagios wrote last; 0: nothing. `failure`: why it cannot be read."""
    path = status_file(view)
    if path is None:
        return None
    if not path:
        return reasons.nagios_absent()
    if failure:
        return reasons.nagios_unreadable(message=failure)
    silent_s = int(now - created)
    return reasons.nagios_silent(seconds=silent_s) if created and silent_s > SILENT_S else None


def monitoring(view: View, said: Sequence[Row], created: float, why: Reason | None) -> dict[str, Json]:
    """`at`: wall time of what Nagios wrote last. `hosts`, `checks` and `red` are counts. `state`: `off` (no plan
    wants it), `waiting` (nothing was read yet), `trouble` (see `why`) or `works`. `rows`: the worst first, at most MOST."""
    path = status_file(view)
    state = "off" if path is None and role_of(view, SERVER) is None else "trouble" if why is not None else "works" if created else "waiting"
    shown = sorted(said, key=lambda row: (not row.red, _WORST.index(row.state)))[:MOST]
    return {
        "state": state,
        "at": created,
        "hosts": sum(1 for row in said if not row.role),
        "checks": sum(1 for row in said if row.role),
        "red": sum(1 for row in said if row.red),
        "rows": [_row(row) for row in shown],
        "why": {"code": why.code, "sentence": sentence(why), "advice": advice(why)} if why is not None else {},
        "trends": trends_url(view),
    }


def _row(row: Row) -> dict[str, Json]:
    return {
        "node": row.node,
        "role": row.role,
        "check": row.check,
        "state": row.state,
        "red": row.red,
        "since": row.since,
        "looked": row.looked,
        "text": row.text,
        "quiet": sentence(row.quiet) if row.quiet is not None else "",
    }
