"""The life of a node role: its states, the moves between them, and the fields that each move resets.

`TABLE` is the whole life. Every change of a state goes through `move`. No other file writes the columns behind a state or reads their
combinations. `python -m engine.core.roles.transitions > docs/states.md` makes the page from this table and from that of a node.

A stored record keeps its columns, because stores and journals are a contract. `RECORD` gives the columns of each state, and `state_of`
the state of any record.

A move that the table does not have changes nothing: `move` returns the reason. It raises nothing, because the step around it may already
have changed other records, and because a wrong event about one node must not stop the events of all others. `change.change` reports the
reason as it reports a dropped packet; an operator's verb returns it as its refusal.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from ... import reasons
from ...model import PROPOSED, SKIPPED, TRANSITION, Key, NodeRole, State
from ...reasons import Reason
from . import node_moves

S = TypeVar("S", bound=enum.Enum)


class Now(enum.Enum):
    """State of a node role. People read the value."""

    PROPOSED = "proposed"
    WAITING = "waiting"
    RECHECK = "rechecking"
    CLAIMED = "claimed"
    RUNNING = "running"
    VERIFYING = "verifying"
    CONFIRMING = "confirming"
    SUSPENDED = "suspended"
    SUSPENDED_VERIFY = "suspended verify"
    SUSPENDED_CONFIRM = "suspended second look"
    ACTIVE = "active"
    DOUBTED = "doubted"
    ERROR = "error"
    ERROR_RECHECK = "error of a verify"
    ERROR_CLAIMED = "error of a second look"
    SKIPPED = "skipped"


class Move(enum.Enum):
    """The moves of a node role."""

    __hash__ = object.__hash__  # an enum's own hash is Python code, and every step looks into the table

    START = "start"
    ASK = "ask"
    UNREACHED = "unreached"
    SUSPEND = "suspend"
    RESUME = "resume"
    AGAIN = "again"
    CLAIM = "claim"
    SUCCEED = "succeed"
    REFUTE = "refute"
    FAIL = "fail"
    GIVE_UP = "give-up"
    DISPROVE = "disprove"
    DISPROVE_LAST = "disprove-last"
    LOSE = "lose"
    LOSE_RERUN = "lose-rerun"
    DUE = "due"
    DOUBT = "doubt"
    RERUN = "rerun"
    REPAIR = "repair"
    MEND = "mend"
    RETRY = "retry"
    RUN_ANYWAY = "run-anyway"
    PROVE = "prove"
    REDEPLOY = "redeploy"
    SKIP = "skip"
    APPROVE = "approve"
    UNBIND = "unbind"
    DELETE = "delete"


TABLE = """
               pr wa re cl  ru ve co  sr sv sc  ac do  er ee ec  sk | resets
start          -  ru ve co  -  -  -   -  -  -   ru ve  -  -  -   -  | retry_at failure resumed
ask            -  -  -  -   ru ve co  -  -  -   -  -   -  -  -   -  |
unreached      -  -  -  -   ru ve co  -  -  -   -  -   -  -  -   -  |
suspend        -  -  -  -   sr sv sc  -  -  -   -  -   -  -  -   -  | deadline
resume         -  -  -  -   -  -  -   ru ve co  -  -   -  -  -   -  | +resumed
again          -  -  -  -   wa re cl  wa re cl  -  -   -  -  -   -  | deadline failure
claim          -  -  -  -   cl cl cl  cl cl cl  -  -   -  -  -   -  | begun leg deadline failure
succeed        -  -  -  -   ac ac ac  ac ac ac  -  -   -  -  -   -  | begun leg deadline failure tries approved +succeeded
refute         -  -  -  -   -  wa wa  -  wa wa  -  -   -  -  -   -  | begun leg deadline failure
fail           -  -  -  -   wa re cl  wa re cl  -  -   -  -  -   -  | begun leg deadline
give-up        -  -  -  -   er ee ec  er ee ec  -  -   -  -  -   -  | begun leg deadline
disprove       -  -  -  -   -  -  wa  -  -  wa  -  -   -  -  -   -  | begun leg deadline
disprove-last  -  -  -  -   -  er er  -  er er  -  -   -  -  -   -  | begun leg deadline
lose           -  -  -  -   re re re  re re re  -  -   -  -  -   -  | begun leg deadline failure
lose-rerun     -  -  -  -   wa wa wa  wa wa wa  -  -   -  -  -   -  | begun leg deadline failure
due            -  wa re cl  -  -  -   -  -  -   -  -   -  -  -   -  | retry_at failure
doubt          -  -  -  -   -  -  -   -  -  -   do do  -  -  -   -  |
rerun          -  -  -  -   -  -  -   -  -  -   wa re  -  -  -   -  |
repair         -  -  -  -   -  -  -   -  -  -   wa -   -  -  -   -  | findings
mend           -  -  -  -   -  -  -   -  -  -   wa -   -  -  -   -  | findings
retry          -  wa re cl  -  -  -   -  -  -   -  do  wa re cl  -  | tries retry_at failure
run-anyway     -  -  wa wa  -  -  -   -  -  -   -  wa  -  wa wa  -  | tries retry_at failure
prove          -  wa wa wa  -  -  -   -  -  -   wa wa  wa wa wa  wa | tries leg begun retry_at deadline failure findings
redeploy       wa wa wa wa  -  -  -   wa wa wa  wa wa  wa wa wa  wa | attempt leg tries begun retry_at deadline failure succeeded findings
skip           sk sk sk sk  -  -  -   sk sk sk  sk sk  sk sk sk  sk | attempt leg begun retry_at deadline failure findings
approve        pr wa re cl  ru ve co  sr sv sc  -  -   er ee ec  sk |
unbind         *  *  *  *   -  -  -   -  -  -   *  *   *  *  *   *  |
delete         *  *  *  *   -  -  -   *  *  *   *  *   *  *  *   *  |
"""
"""Move x state -> state. `-`: refused; `*`: the record is deleted. After the bar: the fields that return to their defaults; `+` sets one
to true. A node role begins as `waiting` (`bound`)."""

_SHORT = dict(zip("pr wa re cl ru ve co sr sv sc ac do er ee ec sk".split(), Now, strict=True))

MOVES: dict[Move, tuple[str, str]] = {
    Move.START: ("attempt leg begun action deadline try_hash started since", "The annealer starts an attempt, or its next leg."),
    Move.ASK: ("deadline", "The attempt still runs, or its deadline has passed: the engine asks for its state again."),
    Move.UNREACHED: ("deadline failure", "The node could not be reached: the same attempt is ordered again."),
    Move.SUSPEND: ("since", "The node died, or an operator powered it off."),
    Move.RESUME: ("deadline", "The node is back: the engine asks what became of the attempt."),
    Move.AGAIN: ("retry_at since", "The attempt asks to be run again, after a pause."),
    Move.CLAIM: ("gave since", "A run reports success, and the role has `reverify`: `verify` must confirm it."),
    Move.SUCCEED: ("gave ran_hash findings ended since", "The attempt succeeded."),
    Move.REFUTE: ("since", "`verify` found the role not applied. That is a result, not a failure: the role runs."),
    Move.FAIL: ("tries failure retry_at ended since", "The attempt failed, and another one is left."),
    Move.GIVE_UP: ("tries failure ended since", "The last attempt failed."),
    Move.DISPROVE: ("tries failure retry_at ended since", "`verify` found that the claim is wrong, and another attempt is left."),
    Move.DISPROVE_LAST: (
        "tries failure ended since",
        "The same at the last attempt. Or `verify` found that another attempt would do harm: only an operator's retry runs the role.",
    ),
    Move.LOSE: (
        "since",
        "Nobody knows what became of the attempt. `verify` decides; a role that has none and may not run twice waits for the operator.",
    ),
    Move.LOSE_RERUN: ("since", "The same for a role without `verify` that may run twice."),
    Move.DUE: ("begun", "The pause before the next attempt or leg is over. `begun` is kept for a next leg."),
    Move.DOUBT: ("", "The node died after the success: `verify` decides."),
    Move.RERUN: ("since", "The node died after the success of a role without `verify`, or two nodes became one: the role runs again."),
    Move.REPAIR: ("failure since", "The engine watches the role, and its `verify` found it not applied any more."),
    Move.MEND: ("since", "The operator retries an active role that has findings."),
    Move.RETRY: ("since", "The operator retries now. Or a discovery role failed, and the node boots discovery again."),
    Move.RUN_ANYWAY: ("since", "The operator retries a role that nobody can verify."),
    Move.PROVE: ("since", "The operator validates the deployment again: a role that proves something runs, and nothing boots."),
    Move.REDEPLOY: ("approved since", "The operator runs the role again, as if it had never run."),
    Move.SKIP: ("since", "The operator skips the role: it counts as done."),
    Move.APPROVE: ("approved", "The operator or the plan approves the next success of a destructive role, or takes that back."),
    Move.UNBIND: ("", "A commit drops the role."),
    Move.DELETE: ("", "The operator deletes the node."),
}
"""Move -> the fields that the caller gives with it, and when it happens. All other fields are kept, except those that the table resets."""

RECORD: dict[Now, tuple[State, bool, bool, bool]] = {
    Now.PROPOSED: (State.PROPOSED, False, False, False),
    Now.WAITING: (State.WAITING, False, False, False),
    Now.RECHECK: (State.WAITING, False, True, False),
    Now.CLAIMED: (State.WAITING, False, True, True),
    Now.RUNNING: (State.TRANSITION, False, False, False),
    Now.VERIFYING: (State.TRANSITION, False, True, False),
    Now.CONFIRMING: (State.TRANSITION, False, True, True),
    Now.SUSPENDED: (State.TRANSITION, True, False, False),
    Now.SUSPENDED_VERIFY: (State.TRANSITION, True, True, False),
    Now.SUSPENDED_CONFIRM: (State.TRANSITION, True, True, True),
    Now.ACTIVE: (State.ACTIVE, False, False, False),
    Now.DOUBTED: (State.ACTIVE, False, True, False),
    Now.ERROR: (State.ERROR, False, False, False),
    Now.ERROR_RECHECK: (State.ERROR, False, True, False),
    Now.ERROR_CLAIMED: (State.ERROR, False, True, True),
    Now.SKIPPED: (State.SKIPPED, False, False, False),
}
"""The columns `state`, `resume`, `recheck` and `claimed` of a state."""

MEANS: dict[Now, str] = {
    Now.PROPOSED: "not committed",
    Now.WAITING: "to be run; its guards say what blocks it",
    Now.RECHECK: "an attempt is lost: `verify` decides whether the role runs again",
    Now.CLAIMED: "a run said that it is done: the second look that `reverify` asks for is due",
    Now.RUNNING: "an attempt is at work on the node",
    Now.VERIFYING: "`verify` is at work on the node",
    Now.CONFIRMING: "the second look is at work on the node",
    Now.SUSPENDED: "the node died during the attempt, which goes on when the node is back",
    Now.SUSPENDED_VERIFY: "the node died during `verify`",
    Now.SUSPENDED_CONFIRM: "the node died during the second look",
    Now.ACTIVE: "succeeded; done unless its inputs have changed since",
    Now.DOUBTED: "succeeded, but the node died since: `verify` decides before it counts as done",
    Now.ERROR: "the last attempt failed; a retry runs the role",
    Now.ERROR_RECHECK: "the last attempt failed to verify; a retry verifies",
    Now.ERROR_CLAIMED: "the last second look failed; a retry looks again",
    Now.SKIPPED: "the operator skipped it: it counts as done",
}


def _states() -> dict[tuple[State, bool, bool, bool], Now]:
    """Every combination of columns. Flags without a meaning in a state are ignored: an older program, or a role whose definition has
    changed, may have left them."""
    out = {columns: now for now, columns in RECORD.items()}
    for state in State:
        for bits in range(8):
            resume, recheck, claimed = bool(bits & 4), bool(bits & 2), bool(bits & 1)
            resume_counts = resume and state is State.TRANSITION
            recheck_counts = recheck and state not in (State.PROPOSED, State.SKIPPED)
            claimed_counts = claimed and recheck_counts and state is not State.ACTIVE
            out[(state, resume, recheck, claimed)] = out[(state, resume_counts, recheck_counts, claimed_counts)]
    return out


STATES = _states()
DEFAULTS = NodeRole(node="", role="", deployment="")
LEGAL: dict[Move, dict[Now, Now | None]] = {}
"""The table as maps. None: the record is deleted."""
RESETS: dict[Move, dict[str, object]] = {}


def _read() -> None:
    for line in TABLE.strip("\n").splitlines()[1:]:
        cells, _, resets = line.partition("|")
        word, *row = cells.split()
        kind = Move(word)
        LEGAL[kind] = {at: _SHORT.get(to) for at, to in zip(Now, row, strict=True) if to != "-"}
        RESETS[kind] = {name.lstrip("+"): True if name[0] == "+" else getattr(DEFAULTS, name) for name in resets.split()}


_read()
_COLUMNS = ("state", "resume", "recheck", "claimed")
_SETS: dict[Move, dict[tuple[str, bool, bool, bool], dict[str, object]]] = {
    kind: {
        (columns[0].value, *columns[1:]): {**dict(zip(_COLUMNS, RECORD[to], strict=True)), **RESETS[kind]}
        for columns, now in STATES.items()
        if (to := row.get(now)) is not None
    }
    for kind, row in LEGAL.items()
}
"""Move -> columns of a record -> result: one look-up for a move."""


def state_of(role: NodeRole) -> Now:
    return STATES[(role.state, role.resume, role.recheck, role.claimed)]


def in_state(role: NodeRole, now: Now) -> NodeRole:
    """The record with the columns of a state and everything else unchanged. For tests and tools; the engine uses moves."""
    return replace(role, **dict(zip(_COLUMNS, RECORD[now], strict=True)))


def move(role: NodeRole, kind: Move, given: dict[str, object]) -> NodeRole | Reason:
    """The node role after a move, with the fields that `MOVES` names; or a reason if the move is not legal there. Consumes `given`."""
    sets = _SETS[kind].get((role.state._value_, role.resume, role.recheck, role.claimed))
    if sets is None:
        return _refused(role, kind)
    given.update(sets)
    return replace(role, **given)


def legal(role: NodeRole, kind: Move) -> bool:
    """True if the table has this move, including one that deletes the record."""
    return state_of(role) in LEGAL[kind]


def not_legal(role: NodeRole, kind: Move) -> Reason | None:
    return None if legal(role, kind) else _refused(role, kind)


def _refused(role: NodeRole, kind: Move) -> Reason:
    return reasons.no_such_move(what=f"{role.role} on {role.node}", move=kind.value, state=state_of(role).value)


def bound(
    node: str,
    role: str,
    deployment: str,
    revision: int,
    approved: str,
    since: float,
    parents: tuple[Key, ...] = (),
    seeks: tuple[str, ...] = (),
    rank: float = 0.0,
) -> NodeRole:
    """A node role at its binding."""
    return NodeRole(
        node=node,
        role=role,
        deployment=deployment,
        state=State.WAITING,
        revision=revision,
        approved=approved,
        since=since,
        parents=parents,
        seeks=seeks,
        rank=rank,
    )


# -- what the states mean to those who decide ----------------------------------------------------------------------


def in_transition(role: NodeRole) -> bool:
    """True if an attempt is open: it runs, or is suspended. It holds the node."""
    return role.state is TRANSITION


def runs(role: NodeRole) -> bool:
    """True if an attempt is open on a node that is there."""
    return role.state is TRANSITION and not role.resume


def suspended(role: NodeRole) -> bool:
    """True if the node went away under the attempt. It continues when the node is back."""
    return role.state is TRANSITION and role.resume


def doubtful(role: NodeRole) -> bool:
    """True if `verify` must decide whether the role is still applied."""
    return role.recheck and role.state not in (PROPOSED, SKIPPED)


def doubted(role: NodeRole) -> bool:
    """True if it succeeded and the node died since."""
    return role.state is State.ACTIVE and role.recheck


def claims(role: NodeRole) -> bool:
    """True if a run reported success and `verify` must confirm it."""
    return role.claimed and role.recheck


def between_legs(role: NodeRole) -> bool:
    """True if the attempt asked to be run again: the next start is its next leg."""
    return role.retry_at is None and role.failure is None and role.leg > 0 and role.begun > 0


# -- the page ------------------------------------------------------------------------------------------------------


def as_markdown() -> str:
    """The whole text of `docs/states.md`."""
    head = (
        "# States and moves\n\nWhat moves a node role and a node from one state to another. Made by\n"
        "`python -m engine.core.roles.transitions` from the tables in `engine/core/roles/transitions.py` and `node_moves.py`.\n"
        "A move that is not in the table changes nothing and is reported with the reason `no_such_move`.\n\n"
        "## Node roles\n\nA node role begins as `waiting`, when it is bound. It is shown as one of six words: `todo` and `blocked` are\n"
        "`waiting`, `rechecking`, `claimed` and `doubted` with nothing or something in the way; `transition` is an attempt at work.\n\n"
        "| state | meaning | stored as |\n|---|---|---|\n"
    )
    states = "".join(f"| {now.value} | {text} | {_stored(now)} |\n" for now, text in MEANS.items())
    moves = [(kind.value, text, _pairs(LEGAL[kind]), _resets(RESETS[kind]), given) for kind, (given, text) in MOVES.items()]
    return head + states + _MOVES_HEAD + "".join(_row(*row) for row in moves) + _nodes()


_MOVES_HEAD = "\n| move | when | from → to | resets | sets |\n|---|---|---|---|---|\n"


def _nodes() -> str:
    head = (
        "\n## Nodes\n\nA node has three things at once: the stage that it entered last, the state of its machine, and marks that stop the\n"
        "engine (a problem, a hold, not available). A server begins as `unknown`; the admin node and a device begin as `up`.\n\n"
        "Stages and their order come from `stages.yml`. The wanted stage is the lowest one that has something left to do. The\n"
        "engine moves a node there (`enter`) when no attempt is open on it.\n\n"
        "| step to another stage | refused with |\n|---|---|\n"
    )
    steps = "".join(f"| {step} | {f'`{reason}`' if reason else ''} |\n" for step, reason in node_moves.STAGE_MOVES.items())
    means = "".join(f"| {machine.value} | {text} |\n" for machine, text in node_moves.MEANS.items())
    rows = ""
    for kind, (given, text) in node_moves.MOVES.items():
        marks = f" Refused with: {', '.join(node_moves.MARKS[kind])}." if node_moves.MARKS[kind] else ""
        rows += _row(kind.value, text + marks, _pairs(node_moves.LEGAL[kind]), _resets(node_moves.RESETS[kind]), given)
    return head + steps + "\n| machine | meaning |\n|---|---|\n" + means + _MOVES_HEAD + rows


def _row(*cells: str) -> str:
    return f"| `{cells[0]}` | " + " | ".join(cells[1:]) + " |\n"


def _stored(now: Now) -> str:
    state, *flags = RECORD[now]
    return ", ".join([f"`{state.value}`", *(f"`{name}`" for name, on in zip(_COLUMNS[1:], flags, strict=True) if on)])


def _pairs(row: Mapping[S, S | None]) -> str:
    """The moves of a row. States that lead to the same state stand together."""
    ends: dict[str, list[str]] = {}
    for at, to in row.items():
        end = "the record goes" if to is None else "the same" if to is at else to.value
        ends.setdefault(end, []).append(at.value)
    return "; ".join(f"{', '.join(starts)} → {end}" for end, starts in ends.items())


def _resets(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {str(value).lower()}" if isinstance(value, bool) else name for name, value in fields.items())


if __name__ == "__main__":
    print(as_markdown(), end="")
