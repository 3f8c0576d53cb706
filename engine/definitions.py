"""What barclamps, images and stages say: the fixed part of the vocabulary, read once at start by `catalog`.

Nothing here changes while an engine runs. The state of nodes and node roles is in `model`.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

from msgspec import Struct

Json = Any  # a value that JSON can hold; it is checked against the attribute's schema where it enters


class Stage(Struct, frozen=True, kw_only=True):
    """A span of a server's life. The order of the stages in `Catalog.stages` is the order of that life."""

    name: str
    doing: str
    """Name of the node's state while roles of this stage are not done, e.g. `hardware-installing`."""
    done: str
    """Name of the node's state when they are, e.g. `hardware-installed`."""
    runs: Literal["sledgehammer", "installed"]
    """Which kind of environment its roles need; `installed` is the image named by attribute `target-os`."""
    gate: bool = False
    """Entered only when the node is allocated (late binding)."""
    power_cycle: bool = True
    """May the engine power-cycle a node that it lost in this stage?"""


class On(enum.Enum):
    """Where the parent of a node role is looked for, and made when it is not there."""

    SAME = "same"
    PEERS = "peers"
    DEPLOYMENT = "deployment"
    ADMIN = "admin"
    LINKED = "linked"


LINKED_KINDS = ("switch",)
"""Kinds of devices that a server can be known to be linked to (`on: linked:KIND`)."""
HERE = frozenset({"noop", "local", "device"})
"""Jigs that work on the admin node: they need neither an environment nor life of the node that they are for."""


class Requirement(Struct, frozen=True, kw_only=True):
    role: str
    on: On | None = None
    """None: the same node first, then the deployment, then up the tree; else it is created on the same node."""
    kind: str = ""
    """With LINKED: the role is wanted on each device of this kind that the node is linked to."""


class Want(Struct, frozen=True, kw_only=True):
    """An attribute that a role reads."""

    name: str
    at: str = ""
    """Path in the role's attributes.json, `a/b/c`; empty: the attribute's own path."""


class Collect(Struct, frozen=True, kw_only=True):
    """A role that reads the committed values of an attribute of all node roles that want it (wishes)."""

    attribute: str
    into: str
    role: str = ""
    """Only the wishes of this role's node roles; empty: of all."""

    @property
    def key(self) -> str:
        """What is summed under one name: `attribute`, or `role/attribute`."""
        return f"{self.role}/{self.attribute}" if self.role else self.attribute


class AttributeDef(Struct, frozen=True, kw_only=True):
    name: str
    path: str
    schema: dict[str, Json] = {}
    default: Json = None
    description: str = ""
    barclamp: str = ""
    role: str = ""
    """The role that gives it; empty: an attribute of the node or the site."""
    secret: bool = False
    """Its value is a handle of a sealed secret, opened only by the runner."""


class RoleDef(Struct, frozen=True, kw_only=True):
    name: str
    barclamp: str
    stage: str
    jig: str
    description: str = ""
    requires: tuple[Requirement, ...] = ()
    precedes: tuple[str, ...] = ()
    """Roles of the same node that run after this one where both are bound; pulls nothing in."""
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()
    gives: tuple[str, ...] = ()
    collects: tuple[Collect, ...] = ()
    holds: tuple[str, ...] = ()
    """Resources held while it runs, besides `node:NAME` and `jobs`: e.g. `admin`."""
    flags: frozenset[str] = frozenset()
    """Of FLAGS."""
    verify: bool = False
    """It has a second look (`verify` script) that tells whether what it does is so, with the same gives."""
    reverify: bool = False
    """The second look also follows each successful run, so that a wrong claim fails."""
    attempts: int = 1
    delay_s: float = 10.0
    """Before the second attempt; doubles with each further one."""
    timeout_s: float = 900.0
    validates: bool = False
    seconds: float = 10.0
    """Expected duration, until a measured one is there."""
    scripts: str = ""
    """Folder of its scripts in the barclamp's `roles/`, where that is not its own name (generated roles)."""

    @property
    def destructive(self) -> bool:
        return "destructive" in self.flags

    @property
    def idempotent(self) -> bool:
        return "once" not in self.flags and "destructive" not in self.flags


FLAGS = frozenset(
    ["discovery", "bootstrap", "implicit", "cluster", "destructive", "abstract", "milestone", "service", "powersave", "library", "once"]
)


class ImageDef(Struct, frozen=True, kw_only=True):
    """What a node can run: a discovery image, an installable system, the installer of a distribution, or a loader."""

    name: str
    kind: Literal["discovery", "system", "installer", "loader"]
    version: str = ""
    arch: str = "x86_64"
    description: str = ""
    files: dict[str, str] = {}
    """Use (`kernel`, `initrd`, `root`, `bios`, `efi`) -> file name in the image's folder."""
    arguments: tuple[str, ...] = ()
    """Kernel arguments, each one typed word."""
    synthetic: dict[str, int] = {}
    """File name -> size in bytes of a file that is made, not shipped: for simulated machines only."""
    installs: str = ""
    """Of an installer: the system (`target-os`) that it puts on the disk."""
    method: str = ""
    """Of an installer: the value of `install-method` that chooses it."""
    answers: dict[str, str] = {}
    """Of an installer: name under which a file of answers is served -> its template in the image's folder, or in `images/answers`."""
    mirror: str = ""
    """Of an installer: where packages come from, unless `package-mirror` says otherwise."""


class Catalog(Struct, frozen=True, kw_only=True):
    roles: dict[str, RoleDef]
    attributes: dict[str, AttributeDef]
    stages: tuple[Stage, ...]
    images: dict[str, ImageDef] = {}
    folders: dict[str, str] = {}
    """Barclamp or `image:NAME` -> its folder on this machine."""

    def owner(self, attribute: str) -> str:
        """The role that gives an attribute; empty for one of the node, the site or the engine. KeyError if unknown."""
        return self.attributes[attribute].role

    def requirements(self, role: str) -> tuple[Requirement, ...]:
        """What a role requires: what it says, and the owners of the attributes that it wants."""
        definition = self.roles[role]
        named = {requirement.role for requirement in definition.requires} | {role}
        implied = dict.fromkeys(self.attributes[want.name].role for want in definition.wants)
        return definition.requires + tuple(Requirement(role=name) for name in implied if name and name not in named)

    def stage_index(self, name: str) -> int:
        for i, stage in enumerate(self.stages):
            if stage.name == name:
                return i
        raise KeyError(name)
