"""The definitions that barclamps, images and stages make: the fixed part of the vocabulary. `catalog` reads them once, at the start.

Nothing here changes while an engine runs. The state of nodes and node roles is in `model`.
"""

from __future__ import annotations

import enum
import re
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from .checks import Check
from .jig_kinds import JIGS as JIGS
from .jig_kinds import JigKind as JigKind

PowerAction = Literal["on", "off", "cycle", "soft", "status"]
"""Power orders that an operator can give."""
Json = Any  # a value that JSON can hold; it is checked against the attribute's schema where it enters


class Stage(Struct, frozen=True, kw_only=True):
    """A phase of a server's life. `Catalog.stages` lists the stages in the order of that life."""

    name: str
    doing: str
    """Name of the node's state while roles of this stage are not done, e.g. `hardware-installing`."""
    done: str
    """Name of the node's state when they are, e.g. `hardware-installed`."""
    runs: Literal["sledgehammer", "installed"]
    """The kind of environment that its roles need. `installed` is the image that the attribute `target-os` names."""
    gate: bool = False
    """True if only an allocated node may enter it (late binding)."""
    power_cycle: bool = True
    """Whether the engine may power-cycle a node that it lost in this stage."""


class On(enum.Enum):
    """Where the engine looks for the parent of a node role, and creates it if it is missing."""

    SAME = "same"
    PEERS = "peers"
    DEPLOYMENT = "deployment"
    ADMIN = "admin"
    LINKED = "linked"
    DELEGATE = "delegate"


LINKED_KINDS = ("switch", "san")
"""Kinds of devices that a server can be linked to (`on: linked:KIND`)."""
DEVICE_KINDS = ("switch", "san", "chassis")


UNKNOWN_JIG = JigKind(name="", runs="nowhere", does="", alive=True)


class Requirement(Struct, frozen=True, kw_only=True):
    role: str
    on: On | None = None
    """None: the same node first, then the deployment, then up the tree; otherwise it is created on the same node."""
    kind: str = ""
    """With LINKED: the role is needed on each device of this kind that the node is linked to."""


class Want(Struct, frozen=True, kw_only=True):
    """An attribute that a role reads."""

    name: str
    at: str = ""
    """Path in the role's attributes.json, `a/b/c`. Empty: the attribute's own path."""
    pointer: str = ""
    """JSON pointer to the one place in the value that it reads. Empty: the whole value."""

    @property
    def key(self) -> str:
        """`NAME`, or `NAME#/a/b`."""
        return f"{self.name}#{self.pointer}" if self.pointer else self.name


class Collect(Struct, frozen=True, kw_only=True):
    """A role that reads the committed values of an attribute from all node roles that want it (wishes), or from all nodes."""

    attribute: str
    into: str
    role: str = ""
    """Only the wishes of this role's node roles. Empty: those of all roles."""
    of: Literal["roles", "nodes"] = "roles"
    """`nodes`: the values that the engine computes for every node, whatever roles it has."""

    @property
    def key(self) -> str:
        """The key under which values are collected: `attribute`, `role/attribute`, or `nodes:attribute`."""
        if self.of == "nodes":
            return f"nodes:{self.attribute}"
        return f"{self.role}/{self.attribute}" if self.role else self.attribute


class BarclampDef(Struct, frozen=True, kw_only=True):
    """What is known of a barclamp as a whole."""

    version: str
    """Numbers joined by dots, like `1.2`."""
    sha256: str
    """Of the names and contents of its files (`files.clamps.content.digest`), in hexadecimal."""
    origin: str = ""
    """`shipped`, or the folder, archive or git revision from which it was imported."""


class AttributeDef(Struct, frozen=True, kw_only=True):
    name: str
    path: str
    schema: dict[str, Json] = {}
    default: Json = None
    description: str = ""
    barclamp: str = ""
    role: str = ""
    """The role that gives it. Empty: an attribute of the node or the site."""
    secret: bool = False
    """True if its value is a handle of a sealed secret, which only the runner opens."""
    generate: bool = False
    """True if the engine makes this secret when it is first needed. Its default is the handle (`generated`)."""
    source: str = ""
    """Attribute that a discovery role gives, from whose value this one is taken at `pointer`. Empty: nodes do not report it so."""
    pointer: str = ""


class RoleDef(Struct, frozen=True, kw_only=True, dict=True):
    name: str
    barclamp: str
    stage: str
    jig: str
    device: str = "switch"
    description: str = ""
    requires: tuple[Requirement, ...] = ()
    precedes: tuple[str, ...] = ()
    """Roles of the same node that run after this one if both are bound. It binds nothing."""
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()
    gives: tuple[str, ...] = ()
    collects: tuple[Collect, ...] = ()
    hardware: dict[str, Json] = {}
    """Attribute of an earlier role, such as `raid-wanted` -> the value that this role wishes for its node. The roles that read the
    attribute are required, and carry the wish out."""
    machine: dict[str, Json] = {}
    """Fact (`plan.FACTS`) -> the condition that the role's machine must meet, as in the `match` of a rule."""
    holds: tuple[str, ...] = ()
    """Resources that it holds while it runs, besides `node:NAME` and `jobs`: for example `admin`."""
    flags: frozenset[str] = frozenset()
    """From FLAGS."""
    verify: bool = False
    """True if the role has a `verify` script, which checks whether the role is applied. It reports the same gives."""
    reverify: bool = False
    """True if `verify` also runs after each successful run, so that a wrong result fails."""
    watch_s: float = 0.0
    """Seconds between two looks at the active role by its `verify`. 0: none."""
    attempts: int = 1
    delay_s: float = 10.0
    """Seconds before the second attempt. Doubles with each further one."""
    timeout_s: float = 900.0
    validates: bool = False
    seconds: float = 10.0
    """Expected duration in seconds, until the engine has measured one."""
    scripts: str = ""
    """Folder of its scripts in the barclamp's `roles/`, if that is not its own name (generated roles)."""
    checks: tuple[Check, ...] = ()
    """What proves that the role is healthy, for `monitor-server`."""
    batch: int = 1
    """Most nodes that one run of a jig with `batches` may serve."""
    tools: tuple[str, ...] = ()
    """From TOOLS: programs of `images/node` that travel with each of its tasks."""
    packages: dict[str, tuple[str, ...]] = {}
    """Family of distributions (FAMILIES) -> packages that its scripts need. A node installs them before `run`."""
    source: str = ""
    """Name of the source from which its service may come, or whose wheels it builds."""

    @cached_property
    def jig_kind(self) -> JigKind:
        return JIGS.get(self.jig, UNKNOWN_JIG)

    @cached_property
    def destructive(self) -> bool:
        return "destructive" in self.flags

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Names of the attributes that it wants."""
        return tuple(want.name for want in self.wants)

    @cached_property
    def admin_only(self) -> bool:
        """True if it can run only on the admin node."""
        return "admin" in self.flags

    @property
    def idempotent(self) -> bool:
        return "once" not in self.flags and "destructive" not in self.flags

    @property
    def installs_packages(self) -> bool:
        """True if its node installs packages before each run."""
        return bool(self.packages) and self.jig_kind.runs == "installed node"


FLAGS = frozenset(
    ["discovery", "bootstrap", "implicit", "cluster", "destructive", "abstract", "milestone", "once", "joined", "admin", "quarantine"]
)
MAX_BATCH = 50
"""Most nodes of one run (`batch`)."""
TOOLS = ("cloud", "disks", "from-source", "fwupd", "raid", "results", "san", "service")
FAMILIES = ("debian", "redhat")
"""Families of distributions, by their package manager: apt (Debian, Ubuntu), and dnf (AlmaLinux, Rocky Linux, Fedora)."""
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")
"""The name of a package, without architecture or version."""
MOST_PACKAGES = 200
"""Packages that one role may name for a family."""
SOURCES = "package-sources"
"""The role that tells a node where packages come from. Roles that install some require it."""
HARDWARE = {"raid": "raid-wanted", "bios": "bios-wanted", "disk": "root-disk"}
"""Key of a role's `hardware` -> the attribute that carries the wish."""
BOOT_WORD = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:=,@+%~-]{0,511}")
"""One word of a boot script. It has no character that iPXE or GRUB gives a meaning."""


class ImageDef(Struct, frozen=True, kw_only=True):
    """What a node can load or run: a discovery image, a system to install, an installer of a distribution, or a loader."""

    name: str
    kind: Literal["discovery", "system", "installer", "loader"]
    version: str = ""
    arch: str = "x86_64"
    description: str = ""
    files: dict[str, str] = {}
    """Use (`kernel`, `initrd`, `root`, `bios`, `efi`) -> file name in the image's folder."""
    arguments: tuple[str, ...] = ()
    """Kernel arguments. Each is a BOOT_WORD."""
    synthetic: dict[str, int] = {}
    """File name -> size in bytes of a stand-in that is generated, for simulated machines only."""
    installs: str = ""
    """For an installer: the system (`target-os`) that it installs."""
    method: str = ""
    """For an installer: the value of `install-method` that selects it."""
    answers: dict[str, str] = {}
    """For an installer: served name of an answers file -> its template in the image's folder, or in `images/answers`."""
    mirror: str = ""
    """For an installer: the mirror for packages, unless `package-mirror` names another."""


class Catalog(Struct, frozen=True, kw_only=True, dict=True):
    roles: dict[str, RoleDef]
    attributes: dict[str, AttributeDef]
    stages: tuple[Stage, ...]
    images: dict[str, ImageDef] = {}
    folders: dict[str, str] = {}
    """Barclamp or `image:NAME` -> its folder on this machine."""
    barclamps: dict[str, BarclampDef] = {}
    """Name -> version, digest and origin."""

    @cached_property
    def places(self) -> dict[str, int]:
        """Stage -> its position in the order of the stages, from 0."""
        return {stage.name: i for i, stage in reversed(tuple(enumerate(self.stages)))}

    @cached_property
    def stage_named(self) -> dict[str, Stage]:
        """Name -> stage."""
        return {stage.name: stage for stage in reversed(self.stages)}

    @cached_property
    def gate(self) -> int:
        """Position of the first stage that only allocated nodes enter. Without one: the number of stages."""
        return next((i for i, stage in enumerate(self.stages) if stage.gate), len(self.stages))

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Role -> position of its stage. Leaves out roles of an unknown stage."""
        return {name: self.places[role.stage] for name, role in self.roles.items() if role.stage in self.places}

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Role -> its stage, for roles of a stage that the site leaves out. They are known, and never bound; whoever requires them does
        not wait for them."""
        return {name: role.stage for name, role in self.roles.items() if role.stage not in self.places}

    def unfulfilled(self, role: RoleDef) -> tuple[str, str] | None:
        """A wish of the role that only roles of left-out stages carry out: its key, and the stage. None: there is none."""
        for key, attribute in HARDWARE.items():
            carry = self.readers.get(attribute, ()) if attribute in role.hardware else ()
            if carry and all(name in self.left_out for name in carry):
                return key, self.left_out[carry[0]]
        return None

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Attribute -> the roles that want it, sorted by name."""
        out: dict[str, list[str]] = {}
        for name in sorted(self.roles):
            for attribute in dict.fromkeys(want.name for want in self.roles[name].wants):
                out.setdefault(attribute, []).append(name)
        return {attribute: tuple(names) for attribute, names in out.items()}

    @cached_property
    def taken_from(self) -> dict[str, tuple[AttributeDef, ...]]:
        """Discovery role -> the attributes whose values are taken from what it gives."""
        out: dict[str, list[AttributeDef]] = {}
        for attribute in self.attributes.values():
            if attribute.source in self.attributes:
                out.setdefault(self.attributes[attribute.source].role, []).append(attribute)
        return {role: tuple(some) for role, some in out.items()}

    @cached_property
    def credentialed(self) -> frozenset[str]:
        """Roles that install a system: they read the credential that the system will show."""
        return frozenset(self.readers.get("credential", ()))

    @cached_property
    def needs_claim(self) -> frozenset[str]:
        """Roles that read or give a secret, destroy data, or whose result the engine trusts later: an installed system's host key."""
        secret = {name for name, attribute in self.attributes.items() if attribute.secret}
        return frozenset(
            role.name
            for role in self.roles.values()
            if role.destructive or "ssh-host-key" in role.gives or not secret.isdisjoint((*role.reads, *role.gives))
        )

    @cached_property
    def checked(self) -> tuple[str, ...]:
        """Roles with checks, sorted."""
        return tuple(name for name in sorted(self.roles) if self.roles[name].checks)

    @cached_property
    def providers(self) -> dict[str, tuple[str, ...]]:
        """Name -> the roles that provide it, sorted."""
        out: dict[str, tuple[str, ...]] = {}
        for name in sorted(self.roles):
            for provided in dict.fromkeys(self.roles[name].provides):
                out[provided] = (*out.get(provided, ()), name)
        return out

    @cached_property
    def wishing(self) -> frozenset[str]:
        """Roles that wish something of their node's hardware or machine."""
        return frozenset(role.name for role in self.roles.values() if role.hardware or role.machine)

    @cached_property
    def linkers(self) -> frozenset[str]:
        """Roles that require a role of the devices that their node is linked to."""
        return frozenset(role.name for role in self.roles.values() if any(one.on is On.LINKED for one in role.requires))

    @cached_property
    def collectors(self) -> dict[str, tuple[str, ...]]:
        """Key of values collected from node roles -> the roles that collect them."""
        return self._collectors("roles")

    @cached_property
    def node_collectors(self) -> dict[str, tuple[str, ...]]:
        """Key of values collected from nodes -> the roles that collect them."""
        return self._collectors("nodes")

    def _collectors(self, of: str) -> dict[str, tuple[str, ...]]:
        out: dict[str, tuple[str, ...]] = {}
        for role in self.roles.values():
            for collect in role.collects:
                if collect.of == of:
                    out[collect.key] = (*out.get(collect.key, ()), role.name)
        return out

    def in_system(self, stage: str) -> bool:
        """True for a stage in the installed system. What a role there does may serve other nodes of its deployment."""
        return stage in self.stage_named and self.stage_named[stage].runs == "installed"

    def owner(self, attribute: str) -> str:
        """The role that gives an attribute. Empty for an attribute of the node, the site or the engine. KeyError if unknown."""
        return self.attributes[attribute].role

    def requirements(self, role: str) -> tuple[Requirement, ...]:
        """All requirements of a role: the declared ones, and the givers of the attributes that it wants. An abstract giver stands for the
        roles that are made from it, and is not required."""
        return self._requirements[role]

    @cached_property
    def _requirements(self) -> dict[str, tuple[Requirement, ...]]:
        return {name: self._required_by(role) for name, role in self.roles.items()}

    def _required_by(self, definition: RoleDef) -> tuple[Requirement, ...]:
        named = {requirement.role for requirement in definition.requires} | {definition.name}
        owners = dict.fromkeys(self.attributes[want.name].role for want in definition.wants if want.name in self.attributes)
        implied = [name for name in owners if name in self.roles and "abstract" not in self.roles[name].flags]
        wished = dict.fromkeys(name for attribute in definition.hardware for name in self.readers.get(attribute, ()))
        sources = (SOURCES,) if definition.installs_packages and SOURCES in self.roles else ()
        declared = (
            *definition.requires,
            *(Requirement(role=name) for name in implied if name not in named),
            *(Requirement(role=name, on=On.SAME) for name in sources if name not in named),
            *(Requirement(role=name, on=On.SAME) for name in wished if name not in named),
        )
        return tuple(replace(one, on=On.ADMIN) if one.on is None and self._admin_only(one.role) else one for one in declared)

    def _admin_only(self, role: str) -> bool:
        return role in self.roles and self.roles[role].admin_only

    def stage_index(self, name: str) -> int:
        return self.places[name]


def versions(catalog: Catalog) -> dict[str, tuple[str, str]]:
    """Barclamp -> its version and the SHA-256 of its files: what a plan, a revision or an export can name."""
    return {name: (one.version, one.sha256) for name, one in sorted(catalog.barclamps.items())}
