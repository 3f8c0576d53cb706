"""What an ended task means: exit code, gives and log of a node -> `events.Outcome`. Pure. Used by the jigs agent, script and local.

| exit | of a run | of a verify |
|---|---|---|
| 0 | done | the role is applied |
| 1 | failed | the role is not applied (`verify_failed`) |
| 64 | done, and reboot | could not tell: failed |
| 65 | failed | applied, but a file was changed by hand (`changed_by_hand`) |
| 66 | failed; only an operator tries again | the same |
| 67 | packages that the role needs are missing (`packages_missing`) | could not tell: failed |
| 68 | a source cannot be built or installed (`source_*`) | could not tell: failed |
| 128 | again | could not tell: failed |
| 192 | reboot, and again | could not tell: failed |
| 124 | over its time limit | over its time limit |
| 69 (ansible, puppet, chef-solo) | the node lacks the jig's tool (`no_tool`) | the same |
| others | failed | could not tell: failed |

A success must give exactly the attributes that the role declares. A role that forgets one would stop its children later, with a
misleading reason. So a success with wrong gives is a failure (`bad_result`). The gives of an unsuccessful task are dropped, except those of
a role that validates: its report says what failed.

Trap: exit code 128 is also what a shell makes of "signal 0", which does not exist, and what git returns for a fatal error. A script that
calls git must not end with git's code.
"""

from __future__ import annotations

from typing import Literal

from .. import reasons
from ..definitions import Json, RoleDef
from ..events import Outcome
from ..model import NodeId
from ..wire.agent import Ended
from .cause import clean, first_cause, lines_of, shorten

DONE = 0
NOT_SO = 1
DONE_REBOOT = 64
BY_HAND = 65
NOT_RETRIED = 66
OVER_TIME = 124
AGAIN = 128
NO_TOOL = 69
"""EX_UNAVAILABLE of sysexits.h: what `images/node/run-JIG` ends with where the node lacks the jig's tool."""
AGAIN_REBOOT = 192
LACKS_PACKAGES = 67
"""Exit code of `images/node/packages`: the role did not run, because packages could not be installed."""
LACKS_SOURCE = 68
"""Exit code of roles with a source: the script printed `source: CODE: LINE`, which says why its service does not come from there."""

DEFAULT_AFTER_S = 10.0
MAX_AFTER_S = 86400.0


def outcome(
    *, attempt: str, node: NodeId, role: RoleDef, action: Literal["run", "verify"], timeout_s: float, ended: Ended, name: str = ""
) -> Outcome:
    """The event for the engine. `attempt` is `ID.LEG`, `name` the node's name."""
    if ended.state == "running":
        return Outcome(attempt=attempt, node=node, what="running")
    if ended.state == "unstarted":
        return failed(attempt, node, reasons.refused(node=node, attempt=attempt, message=_words(ended.error) or "no reason given"))
    if ended.state in ("lost", "acknowledged"):
        return Outcome(attempt=attempt, node=node, what="lost", failure=reasons.lost(attempt=attempt))
    code = ended.exit
    if code is None:
        return failed(attempt, node, reasons.bad_result(role=role.name, message="it ended without an exit code"))
    if code == DONE or (code == DONE_REBOOT and action == "run"):
        wrong = _words(ended.error) or wrong_gives(role, ended.gives)
        if wrong and ended.message:
            wrong = f"{wrong} ({_words(ended.message)})"
        if wrong:
            return failed(attempt, node, reasons.bad_result(role=role.name, message=wrong))
        return Outcome(attempt=attempt, node=node, what="done", gives=ended.gives, reboot=code == DONE_REBOOT)
    if action == "run" and code in (AGAIN, AGAIN_REBOOT):
        reboot = code == AGAIN_REBOOT
        return Outcome(attempt=attempt, node=node, what="again", reboot=reboot, after=_after(ended.after, role, reboot))
    if code == OVER_TIME:
        return failed(attempt, node, reasons.timed_out(role=role.name, seconds=timeout_s))
    if code == NO_TOOL and role.jig_kind.needs:
        return failed(attempt, node, reasons.no_tool(role=role.name, tool=role.jig_kind.needs, node=name or node))
    line = _words(ended.message) or first_cause(ended.log, code, ended.cut)
    gives = ended.gives if action == "run" and role.validates and not _words(ended.error) and not wrong_gives(role, ended.gives) else {}
    if code == NOT_RETRIED:
        return failed(attempt, node, reasons.not_retried(role=role.name, line=line), gives)
    if action == "verify" and code == NOT_SO:
        return failed(attempt, node, reasons.verify_failed(role=role.name, line=line))
    if action == "verify" and code == BY_HAND:
        return failed(attempt, node, reasons.changed_by_hand(role=role.name, line=line))
    why = _lacks(role, code, ended, line) if action == "run" else None
    return failed(attempt, node, why or reasons.script_failed(role=role.name, exit=code, line=line), gives)


def failed(attempt: str, node: NodeId, why: reasons.Reason, gives: dict[str, Json] | None = None) -> Outcome:
    return Outcome(attempt=attempt, node=node, what="failed", failure=why, gives=gives or {})


def not_reached(attempt: str, node: NodeId, why: reasons.Reason) -> Outcome:
    """Nothing is known of the attempt: the node could not be reached."""
    return Outcome(attempt=attempt, node=node, what="failed", failure=why, unreachable=True)


def wrong_gives(role: RoleDef, gives: dict[str, Json]) -> str:
    """What is wrong with the names of a task's gives. Empty: nothing."""
    missing = [name for name in role.gives if name not in gives]
    if missing:
        return "it does not give " + ", ".join(missing)
    unknown = sorted(shorten(clean(name), 40) for name in gives.keys() - set(role.gives))
    if unknown:
        return "it gives what it does not declare: " + ", ".join(unknown[:5])
    return ""


def _lacks(role: RoleDef, code: int, ended: Ended, line: str) -> reasons.Reason | None:
    """What the role needs and did not get, if its exit code says that."""
    if code == LACKS_PACKAGES and role.installs_packages:
        return reasons.packages_missing(role=role.name, line=_missing(ended.log, ended.cut) or line)
    if code == LACKS_SOURCE and role.source:
        return _of_source(role.name, ended.log, ended.cut)
    return None


def _missing(log: str, cut: bool) -> str:
    """What the tool says of the packages that it could not install. Empty: it says nothing."""
    lines = (line.partition(_MISSING)[2] for line in lines_of(log, cut) if line.startswith(_MISSING))
    return shorten(next(lines, "").strip())


_MISSING = "packages: missing "
_SOURCE = "source: "


def _of_source(role: str, log: str, cut: bool) -> reasons.Reason | None:
    """The last reason that the script printed. None: none that is known."""
    for line in reversed(lines_of(log, cut)):
        code, _, text = line.removeprefix(_SOURCE).partition(": ")
        if line.startswith(_SOURCE) and (kind := reasons.SOURCE_CODES.get(code)) is not None:
            return kind(role=role, line=shorten(text.strip()))
    return None


def _words(text: str) -> str:
    return shorten(clean(text).strip())


def _after(given: float | None, role: RoleDef, reboot: bool) -> float:
    if given is None:
        return 0.0 if reboot else min(role.delay_s, DEFAULT_AFTER_S)
    # A comparison with NaN is false, so NaN falls to the limit.
    return given if 0.0 <= given <= MAX_AFTER_S else MAX_AFTER_S
