"""The life of a node: what the engine knows of its machine, and the moves from one state to another.

A node has three things at once: the stage that it entered last (`STAGE_MOVES`), the state of its machine (`TABLE`), and marks that stop
the engine (a problem, a hold, not available). Every change of these goes through `move_node`; no other file writes the fields behind
them. `engine.core.roles.transitions` prints the page docs/states.md from these tables.

A move that the table does not have changes nothing, and `move_node` returns the reason, as for node roles.
"""

from __future__ import annotations

import enum

from msgspec.structs import replace

from ... import reasons
from ...model import Node
from ...reasons import Reason


class MachineState(enum.Enum):
    """What the engine knows of a node's machine. People read the value."""

    DARK = "unknown"
    BOOTING = "booting"
    UP = "up"
    LOST = "lost"
    PARKING = "powering off"
    PARKED = "powered off"


class NodeMove(enum.Enum):
    """The moves of a node."""

    __hash__ = object.__hash__  # an enum's own hash is Python code, and every step looks into the table

    BOOT = "boot"
    BOOT_SEEN = "boot-seen"
    HELLO = "hello"
    HELLO_DISK = "hello-disk"
    CONFIRM = "confirm"
    GIVE_UP = "give-up"
    ANSWER = "answer"
    SILENT = "silent"
    FOUND_OFF = "found-off"
    PARK = "park"
    OFF = "off"
    UNPARK = "unpark"
    ENTER = "enter"
    RESTAGE = "restage"
    ALLOCATE = "allocate"
    GO_BACK = "go-back"
    RERUN = "rerun"
    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    ACKNOWLEDGE = "acknowledge"
    SPLIT = "split"
    DELETE = "delete"


TABLE = """
             dk bo up lo pr pa | refused with     | resets
boot         bo bo bo bo bo bo | unavailable      | rumour runs alive off probe missed signal confirmed fingerprint
boot-seen    bo -  bo bo bo bo |                  | rumour runs alive off probe missed signal confirmed fingerprint
hello        up up up up up up |                  | boot rumour off probe missed confirmed +alive
hello-disk   lo lo lo lo lo lo |                  | boot rumour off probe missed confirmed alive
confirm      -  -  up lo -  -  |                  |
give-up      -  dk -  -  -  -  |                  | boot runs alive
answer       -  -  up up -  -  |                  | probe missed +alive
silent       -  -  lo -  -  -  |                  | alive
found-off    dk -  -  lo -  -  | problem hold unavailable |
park         pa pa pr pr pr pa |                  | boot alive probe missed
off          pa pa pa pa pa pa |                  | boot alive probe missed runs confirmed fingerprint
unpark       -  -  -  -  lo dk |                  | off
enter        dk -  up lo -  -  | problem hold unavailable |
restage      dk bo up lo pr pa |                  |
allocate     dk bo up lo pr pa |                  | +allocated
go-back      dk bo up lo pr pa |                  |
rerun        dk -  up lo pr pa |                  | problem misboots missed acknowledged
retry        dk bo up lo pr pa |                  | problem misboots missed acknowledged
hold         dk bo up lo pr pa |                  | +hold
release      dk bo up lo pr pa |                  | hold
available    dk bo up lo pr pa |                  | +available
unavailable  dk bo up lo pr pa |                  | -available
acknowledge  dk bo up lo pr pa |                  |
split        dk dk dk dk pa pa |                  | boot rumour runs alive probe confirmed uuid serial macs boot_mac claim notice
delete       *  *  *  *  *  *  |                  |
"""
"""Move x state -> state. `-`: refused; `*`: the record is deleted. Then the marks with which the move is refused, and the fields that
return to their defaults; `+` sets one to true, `-` to false. A server begins as `unknown`, the admin node and a device as `up`."""

MOVES: dict[NodeMove, tuple[str, str]] = {
    NodeMove.BOOT: (
        "boot intent signal_at since last_sign",
        "The engine or an operator orders a boot. Only a node that is available is booted.",
    ),
    NodeMove.BOOT_SEEN: (
        "boot intent signal_at since last_sign",
        "The machine boots and nobody ordered it: its system says bye.",
    ),
    NodeMove.HELLO: (
        "runs boot_id address boots misboots problem claim fingerprint intent signal signal_at since clock_off last_sign",
        "The machine says hello from an environment in memory. A fourth wrong environment in a row is a problem; else a problem ends.",
    ),
    NodeMove.HELLO_DISK: (
        "runs boot_id address boots misboots problem claim fingerprint intent signal signal_at since clock_off last_sign",
        "The same from an installed system, which counts as up when it has answered over SSH.",
    ),
    NodeMove.CONFIRM: ("confirmed", "The BMC, or an operator, confirmed that the present claim is the node's machine."),
    NodeMove.GIVE_UP: ("problem since last_sign", "The deadline of the last try of a boot has passed: the node has a problem."),
    NodeMove.ANSWER: ("boot_id since", "A probe was answered. A joined machine may have another boot_id: it rebooted."),
    NodeMove.SILENT: ("since last_sign", "Three probes in a row were not answered."),
    NodeMove.FOUND_OFF: (
        "problem since",
        "The BMC says that the lost machine is off, and the engine may not power it on: the node has a problem.",
    ),
    NodeMove.PARK: ("off since last_sign", "An operator orders the power off."),
    NodeMove.OFF: ("off since last_sign", "The BMC reports that the power is off."),
    NodeMove.UNPARK: ("notice since", "The order to power off failed, or the power was ordered on."),
    NodeMove.ENTER: ("stage backward since", "The engine moves the node to the wanted stage."),
    NodeMove.RESTAGE: ("stage", "The engine starts, and the site's `stages.yml` no longer has the node's stage."),
    NodeMove.ALLOCATE: ("name group deployment place since", "The operator or the plan allocates the node: it may go through the gate."),
    NodeMove.GO_BACK: ("backward", "The operator approves a step back to an earlier stage, or asks for something that needs none."),
    NodeMove.RERUN: ("backward", "`reset`, `reinstall` or `redeploy`: the roles of some stages run again, after a fresh boot."),
    NodeMove.RETRY: ("since", "The operator retries: the problem is cleared."),
    NodeMove.HOLD: ("since", "The operator holds the node: the engine starts nothing new on it."),
    NodeMove.RELEASE: ("since", "The operator ends the hold."),
    NodeMove.AVAILABLE: ("notice since", "The operator makes the node available, or lifts its ban."),
    NodeMove.UNAVAILABLE: ("since", "The operator makes the node unavailable, or bans it."),
    NodeMove.ACKNOWLEDGE: ("acknowledged", "A person acknowledges problems of the node, or takes that back."),
    NodeMove.SPLIT: ("since", "The operator splits the node from its machine: the next hello of that machine makes a new node."),
    NodeMove.DELETE: ("", "The operator deletes the node, or another node takes its place."),
}
"""Move -> the fields that the caller gives with it, and when it happens. All other fields are kept, except those that the table resets."""

MEANS: dict[MachineState, str] = {
    MachineState.DARK: "the engine does not know what the machine runs, and no boot is open",
    MachineState.BOOTING: "a boot is open: it ends with a hello, or with a problem",
    MachineState.UP: "the machine runs a known environment and answers",
    MachineState.LOST: "the machine ran a known environment and does not answer, or has not answered yet",
    MachineState.PARKING: "an operator powers it off; it ran a known environment",
    MachineState.PARKED: "an operator powered it off, and nothing runs there",
}

STAGE_MOVES: dict[str, str] = {
    "onward": "",
    "through the gate": "not_allocated",
    "back": "backward",
}
"""Kind of a step from one stage to another -> the reason that refuses it until the operator or the plan allows it. A step may have two
kinds. Stages and their order come from `stages.yml`."""

_SHORT = dict(zip("dk bo up lo pr pa".split(), MachineState, strict=True))
_DEFAULTS = Node(id="", name="")
_SIGNS = {"+": True, "-": False}
LEGAL: dict[NodeMove, dict[MachineState, MachineState | None]] = {}
"""The table as maps. None: the record is deleted."""
MARKS: dict[NodeMove, tuple[str, ...]] = {}
RESETS: dict[NodeMove, dict[str, object]] = {}


def _read() -> None:
    for line in TABLE.strip("\n").splitlines()[1:]:
        cells, marks, resets = line.split("|")
        word, *row = cells.split()
        kind = NodeMove(word)
        LEGAL[kind] = {at: _SHORT.get(to) for at, to in zip(MachineState, row, strict=True) if to != "-"}
        MARKS[kind] = tuple(marks.split())
        RESETS[kind] = {name.lstrip("+-"): _SIGNS[name[0]] if name[0] in _SIGNS else getattr(_DEFAULTS, name) for name in resets.split()}


_read()


def machine_state(node: Node) -> MachineState:
    if node.off is not None:
        return MachineState.PARKING if node.runs else MachineState.PARKED
    if node.boot is not None:
        return MachineState.BOOTING
    if not node.runs:
        return MachineState.DARK
    return MachineState.UP if node.alive else MachineState.LOST


def marks_of(node: Node) -> tuple[str, ...]:
    """The marks that stop the engine from acting on the node by itself."""
    marks = (("problem", node.problem is not None), ("hold", node.hold), ("unavailable", not node.available))
    return tuple(name for name, there in marks if there)


def move_node(node: Node, kind: NodeMove, given: dict[str, object]) -> Node | Reason:
    """The node after a move, with the fields that `MOVES` names; or a reason if the move is not legal in its state."""
    state = machine_state(node)
    if state not in LEGAL[kind]:
        return reasons.no_such_move(what=node.name, move=kind.value, state=state.value)
    barred = MARKS[kind] and [mark for mark in marks_of(node) if mark in MARKS[kind]]
    if barred:
        return reasons.no_such_move(what=node.name, move=kind.value, state=f"{state.value}, {', '.join(barred)}")
    return replace(node, **{**RESETS[kind], **given})


def stage_moves(here: int, there: int, gate: int) -> list[str]:
    """The kinds of the step between two stages, by their positions; `gate` is the position of the first stage behind the gate. A
    node that is already behind the gate must still be allocated."""
    out = ["through the gate"] if there >= gate else []
    return [*out, "back"] if there < here else out or ["onward"]
