"""The verbs of an operator: one row per verb, with all of its fixed properties. Pure.

Everything else reads this table: the command line (names, values, verbs that need `--yes`), the console (keys, menus, questions), the
attach socket (how long an answer may take), the preview (which roles run, whether the node reboots) and `docs/verbs.md` (`python -m
engine.core.operator.verbs`). `operate` has a function for each row.

To add a verb, add a row here and its function in `operate`. A test finds rows without one.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal

from msgspec import Struct

from ...definitions import Json
from ...model import Node

Sure = Literal["at once", "yes"]
"""Whether the console asks for a yes. If the preview names disks that lose their data, the operator types the node's name."""


class Choice(Struct, frozen=True, kw_only=True):
    """One value of a verb that has its own key in the console."""

    value: str
    key: str
    word: str
    help: str
    sure: Sure = "at once"
    force: bool = False
    """Even while a role runs on the node: the value travels as `{"action": VALUE, "force": true}`."""

    @property
    def sent(self) -> Json:
        return {"action": self.value, "force": True} if self.force else self.value


class Takes(Struct, frozen=True, kw_only=True):
    """The value of a verb."""

    kind: Literal["choice", "seconds", "system", "node", "identity", "fingerprint", "note"]
    """`seconds` travels as a number, the others as text. The console shows each node's fingerprint and sends that."""
    what: str
    """Description for the command line."""
    required: bool = False
    ask: str = ""
    """The console's prompt. Empty: the console sends no value, or offers a menu (`choice`, `system`)."""
    joined: str = ""
    """The word between node and value in a question: `and`, `by`, `with`."""
    choices: tuple[Choice, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the choices, each once."""
        return tuple(dict.fromkeys(choice.value for choice in self.choices))


Runs = Literal["", "unapproved", "first stage", "after first stage", "from install", "itself"]
"""The node's roles that a verb runs: none; those that wait for an approval; those of the named stages; the named role."""

OFFERED: dict[str, Callable[[Node], bool]] = {
    "every node": lambda _node: True,
    "not allocated": lambda node: not node.allocated,
    "allocated": lambda node: node.allocated,
    "not on hold": lambda node: not node.hold,
    "on hold": lambda node: node.hold,
    "available": lambda node: node.available,
    "not available": lambda node: not node.available,
    "not confirmed": lambda node: bool(node.fingerprint) and not node.confirmed,
}
"""The nodes for which the console offers a verb. The engine decides by itself, and gives the reason for a refusal."""


class Verb(Struct, frozen=True, kw_only=True):
    """`crowbar node NODE NAME [VALUE]`, or with the target `role`: `crowbar role NODE ROLE NAME`."""

    name: str
    help: str
    """What it does, in a few words. The console shows it beside the key."""
    does: str
    """The same in whole sentences, for the docs."""
    target: Literal["node", "role"] = "node"
    takes: Takes | None = None
    one: bool = False
    """True if it takes only one node at a time."""
    runs: Runs = ""
    destroys: bool = False
    """True if disks may lose their data: the command line shows them, and needs `--yes`."""
    reboots: bool = False
    """True if the node boots again before anything runs."""
    previewed: bool = False
    """True if the console shows a preview before it asks."""
    slow: bool = False
    """True if the answer comes from the BMC and may take half a minute. `power` carries these verbs out."""
    cuts: bool = False
    """True if it ends what the node runs or knows: refused for what the engine's own path to the rack needs (`own_path`). Of a role: only
    if the role destroys data."""
    strangers: bool = False
    """True if it also takes the MAC of a machine that is not a node."""
    key: str = ""
    """Key in the console. Empty: none of its own."""
    word: str = ""
    """Name in the console. Empty: the verb's name."""
    past: str = ""
    """What somebody did who gave it: `root held compute-14`. Empty: the name with `ed`."""
    sure: Sure = "at once"
    offered: str = "every node"
    """A key of OFFERED."""

    @property
    def shown(self) -> str:
        return self.word or self.name

    @property
    def done(self) -> str:
        """The verb in the past tense."""
        return self.past or (f"{self.name}d" if self.name.endswith("e") else f"{self.name}ed")

    def offered_for(self, node: Node) -> bool:
        return OFFERED[self.offered](node)


_ROWS: list[Verb] = []


def _verb(name: str, help: str, does: str, **more: Json) -> Verb:
    _ROWS.append(Verb(name=name, help=help, does=does, **more))
    return _ROWS[-1]


# A row has lines of three kinds: name and hint; what it does; how it is given and offered.
# fmt: off

# -- on nodes --------------------------------------------------------------------------------------------------------
RETRY = _verb(
    "retry", "clear its problem and errors, and try again",
    "Clears the node's problem, and runs its roles with errors or findings again.",
    key="r", past="retried",
)
ALLOCATE = _verb(
    "allocate", "give it the roles of the plan's rules",
    "Gives the node the roles that the plan's rules choose for it.",
    key="a", offered="not allocated",
)
APPROVE = _verb(
    "approve", "approve what waits for approval; shows the disks first",
    "Approves every role of the node that waits because it destroys data on disks. Also approves a step back to an earlier stage.",
    runs="unapproved", cuts=True, previewed=True, key="a", sure="yes", offered="allocated",
)
CONFIRM = _verb(
    "confirm", "its own screen shows this fingerprint: it may receive secrets",
    "Confirms that what the node runs is its own machine, which shows this fingerprint on its screen. Secrets wait for that. "
    "It counts until the next boot.",
    takes=Takes(kind="fingerprint", what="the fingerprint on the machine's own screen", required=True),
    key="f", sure="yes", offered="not confirmed",
)
HOLD = _verb(
    "hold", "start nothing new on this node",
    "The engine starts nothing new on the node. Running attempts end normally.",
    key="h", offered="not on hold", past="held",
)
RELEASE = _verb(
    "release", "end the hold",
    "Ends the hold.",
    key="h", offered="on hold",
)
IDENTIFY = _verb(
    "identify", "blink its light for a minute; again: off",
    "Blinks the node's identify light, then turns it off. 0 turns it off at once. Without a value, a light that is on goes off.",
    takes=Takes(kind="seconds", what="seconds up to 255 (60)"), slow=True, key="i", past="identified",
)
UNAVAILABLE = _verb(
    "unavailable", "make the engine leave it alone",
    "The engine leaves the node alone: it starts no role, no boot and no power order.",
    key="v", word="leave alone", sure="yes", offered="available", past="left alone",
)
AVAILABLE = _verb(
    "available", "give it back to the engine",
    "Gives the node back to the engine.",
    key="v", word="take back", offered="not available", past="took back",
)
RESET = _verb(
    "reset", "reboot it and run the discovery again",
    "Boots sledgehammer and runs all roles of the first stage again.",
    runs="first stage", cuts=True, destroys=True, reboots=True, previewed=True, key="e", word="rediscover", sure="yes", past="rediscovered",
)
REINSTALL = _verb(
    "reinstall", "write the system again, then all later roles",
    "Runs the roles of the install stage and of all later stages again. The order approves what they destroy.",
    runs="from install", cuts=True, destroys=True, reboots=True, previewed=True, key="I", sure="yes",
)
REDEPLOY = _verb(
    "redeploy", "run all roles again except the discovery",
    "Runs all roles again except those of the first stage. The order approves what they destroy.",
    runs="after first stage", cuts=True, destroys=True, reboots=True, previewed=True, key="X", sure="yes",
)
INSTALL = _verb(
    "install", "choose a system, allocate, approve and install",
    "Allocates a discovered node, approves what its roles destroy, and installs the system. A node with an installed system is refused.",
    takes=Takes(kind="system", what="name of a system image (default: the plan's)", joined="with"),
    runs="from install", cuts=True, destroys=True, previewed=True, key="t", word="install ...", sure="yes",
)
ACKNOWLEDGE = _verb(
    "acknowledge", "you have seen its problems: say what happens about them",
    "Marks what of the node needs a person as seen, with your note. A problem comes back when it changes. "
    "The engine goes on as before. An empty note takes it back.",
    takes=Takes(kind="note", what="your note", required=True, ask="what happens about it"),
    key="K",
)
MERGE = _verb(
    "merge", "join it with another record of this machine",
    "Joins two records of one machine, and deletes the record that the value names.",
    takes=Takes(kind="node", what="the other record of this machine", required=True, ask="name of the record to delete", joined="and"),
    one=True, key="M", word="merge ...", sure="yes",
)
REPLACE = _verb(
    "replace", "let another machine take its place",
    "Gives the node's name, group, addresses and settings to another discovered machine, and deletes the old record.",
    takes=Takes(kind="node", what="the new node", required=True, ask="name of the new machine", joined="by"),
    one=True, cuts=True, key="O", word="replace ...", sure="yes",
)
SPLIT = _verb(
    "split", "two machines look like this node: tell them apart",
    "The engine stops using a UUID, serial number or MAC that two machines share.",
    takes=Takes(kind="identity", what="the shared UUID, serial or MAC (default: all of the node's)"),
    one=True, key="Z", sure="yes", past="split",
)
BAN = _verb(
    "ban", "ignore its MACs until the ban is lifted",
    "The engine ignores all MACs of the node until you lift the ban.",
    strangers=True, key="b", sure="yes", past="banned",
)
UNBAN = _verb(
    "unban", "lift the ban",
    "Lifts the ban.",
    strangers=True, past="unbanned",
)
DELETE = _verb(
    "delete", "delete the node; its next boot discovers it again",
    "Deletes the node. If the machine boots again, the engine discovers it as a new node. A joined machine loses the engine's key.",
    cuts=True, previewed=True, key="D", sure="yes",
)
POWER = _verb(
    "power", "power it on or off, or ask its BMC",
    "Sets the node's power through its BMC and checks the result, or reads it.",
    slow=True, cuts=True, past="switched the power of",
    takes=Takes(
        kind="choice", what="on, off, cycle, soft or status", required=True,
        choices=(
            Choice(value="on", key="o", word="on", help="power on"),
            Choice(value="off", key="f", word="off", help="power off at once", sure="yes"),
            Choice(value="cycle", key="c", word="cycle", help="power off, then on: a fresh boot", sure="yes"),
            Choice(value="soft", key="s", word="soft off", help="ask the system to shut down", sure="yes"),
            Choice(value="off", key="F", word="off, forced", help="power off even while a role runs", sure="yes", force=True),
            Choice(value="cycle", key="C", word="cycle, forced", help="power-cycle even while a role runs", sure="yes", force=True),
            Choice(value="status", key="?", word="status", help="ask the BMC"),
        ),
    ),
)

# -- on node roles ---------------------------------------------------------------------------------------------------
RETRY_ROLE = _verb(
    "retry", "try the role again",
    "Clears the role's error or findings, and runs the role again.",
    target="role", key="r", past="retried",
)
APPROVE_ROLE = _verb(
    "approve", "approve what it destroys; shows the disks first",
    "Approves what this role destroys.",
    target="role", runs="unapproved", cuts=True, previewed=True, key="a", sure="yes",
)
SKIP_ROLE = _verb(
    "skip", "count it as done; roles that need it continue",
    "Counts the role as done. Roles that require it continue.",
    target="role", key="x", sure="yes", past="skipped",
)
VALIDATE_ROLE = _verb(
    "validate", "run the proof again; nothing boots",
    "Runs a role that proves that the deployment works (`validate: true`) again. The node does not boot.",
    target="role",
)
REDEPLOY_ROLE = _verb(
    "redeploy", "run the role again from the start",
    "Runs this role again from the start. The order approves what it destroys.",
    target="role", runs="itself", cuts=True, destroys=True, reboots=True, previewed=True, key="X", sure="yes",
)

# fmt: on
VERBS = tuple(_ROWS)
"""All rows, in the order in which the console offers them."""
HARMLESS = ("on", "status")
"""Values of `power` that cut nothing."""
OF_NODES = {verb.name: verb for verb in VERBS if verb.target == "node"}
OF_ROLES = {verb.name: verb for verb in VERBS if verb.target == "role"}


def find(name: str, role: str = "") -> Verb | None:
    """The verb with that name for nodes, or for roles if a role is named. None: there is none."""
    return (OF_ROLES if role else OF_NODES).get(name)


def is_slow(name: str, role: str = "") -> bool:
    """True if the answer comes from the BMC."""
    verb = find(name, role)
    return verb is not None and verb.slow


def nearest(name: str) -> str:
    """The verb for nodes that was probably meant. Empty: none is near."""
    return next(iter(get_close_matches(name, OF_NODES, 1)), "")


def as_markdown() -> str:
    """The whole text of `docs/verbs.md`."""
    head = (
        "# Verbs\n\nEverything that an operator can do to nodes and to their roles. Made by `python -m engine.core.operator.verbs`.\n\n"
        "* *Key*: its key in the console; a verb marked *asks* is confirmed there first.\n"
        "* *Destroys*: disks may lose their data. `crowbar` shows which disks, and does nothing without `--yes`.\n"
        "* *Reboots*: the node boots again before its roles run.\n"
        "* *Offered for*: the nodes for which the console offers the verb. The engine checks every order, and says why if it refuses one.\n"
    )
    parts = [head, "\n## On nodes: `crowbar node NODE[,NODE...] VERB [VALUE]`\n\n", *_rows("node")]
    parts += ["\n## On a role of a node: `crowbar role NODE ROLE VERB`\n\n", *_rows("role")]
    for verb in VERBS:
        if verb.takes is not None and verb.takes.choices:
            parts.append(f"\n## Values of `{verb.name}`\n\n| value | what it does | key |\n|---|---|---|\n")
            parts += [
                f"| `{c.value}{' --force' if c.force else ''}` | {c.help} | `p` `{c.key}`{', asks' if c.sure == 'yes' else ''} |\n"
                for c in verb.takes.choices
            ]
    return "".join(parts)


def _rows(target: str) -> list[str]:
    out = ["| verb | value | what it does | key | destroys | reboots | offered for |\n|---|---|---|---|---|---|---|\n"]
    for verb in sorted((v for v in VERBS if v.target == target), key=lambda v: v.name):
        takes = verb.takes
        value = "" if takes is None else takes.what if takes.required else f"[{takes.what}]"
        key = f"`{verb.key}`{', asks' if verb.sure == 'yes' else ''}" if verb.key else "`p`" if takes and takes.choices else ""
        offered = "one node" if verb.one else f"nodes that are {verb.offered}" if verb.offered != "every node" else "every node"
        if verb.strangers:
            offered += ", a MAC"
        yes = {True: "yes", False: ""}
        who = offered if target == "node" else "every role"
        out.append(f"| `{verb.name}` | {value} | {verb.does} | {key} | {yes[verb.destroys]} | {yes[verb.reboots]} | {who} |\n")
    return out


if __name__ == "__main__":
    print(as_markdown(), end="")
