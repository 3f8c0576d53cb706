"""Reads `barclamp.yml` of one barclamp's folder into the tables of a catalogue. docs/barclamps.md explains its keys.

Some checks need all barclamps (names of other barclamps' roles and attributes). For these, `Tables` keeps the names with their places in
the file, and `catalog` checks them later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from ..core.plan.network_roles import PREFIX, TEMPLATE, network_of
from ..core.roles.sealed import generated
from ..core.roles.wishes import OF_NODES
from ..definitions import (
    DEVICE_KINDS,
    FAMILIES,
    FLAGS,
    HARDWARE,
    JIGS,
    LINKED_KINDS,
    MAX_BATCH,
    MOST_PACKAGES,
    PACKAGE,
    TOOLS,
    AttributeDef,
    BarclampDef,
    Collect,
    Json,
    On,
    Requirement,
    RoleDef,
    Stage,
    Want,
)
from ..plan import FACTS
from . import barclamp_sources as sources
from .checks import read_checks
from .clamps.content import digest_of_folder
from .conditions import read_conditions
from .element import Element, Fields
from .mistakes import Mistakes, listed, shown
from .role_files import check_files
from .spelling import VERSION
from .yaml_source import load

NEED_A_SCRIPT = tuple("gives collects holds verify reverify watch retry timeout takes tools packages source batch".split())
"""Keys of a role that only its script can use."""
OF_ABSTRACT = ("name", "stage", "jig", "description", "flags", "provides")
"""Keys of an abstract role, which others stand for."""
WHERE_BOUND = {
    "admin": ("the admin node", ("", "admin")),
    "bootstrap": ("the admin node", ("", "admin")),
    "discovery": ("each server", ("", "admin", "memory")),
}
"""Flag that binds a role by itself -> where, and `JigKind.serves` of the jigs that can run there."""
MISSING_FLAGS = {
    "service": "a role with the jig local that fails until the service answers, with retry",
    "powersave": "crowbar node NODE power off",
    "library": "files in the role's own folder",
    "server": "gives and wants",
    "leaverunlog": "nothing: each attempt has its own log",
}
"""Flags of the original that do not exist -> what a barclamp uses instead."""
MISSING_JIGS = {
    "ansible-playbook": "ansible",
    "chef": "chef-solo",
    "puppet-sa": "puppet",
    "salt": "script",
    "role-provided": "local",
    "test": "noop",
}
"""Jigs of the original, and well-known tools, that do not exist -> the jig from which a role can do the same."""
LEAST_WATCH_S = 5.0
MAY_BE_LEFT_OUT = ("hardware",)
"""Shipped stages that a site's `stages.yml` may leave out."""
_PLACES = (*(one.value for one in On if one is not On.LINKED), *(f"linked:{kind}" for kind in LINKED_KINDS))

NETWORKS, MACHINE = "networks", "disks"
"""Keys of `hardware` that no role carries out: the network's role is required, and a machine has its disks or not."""
_MACHINE = {fact.removeprefix(f"{MACHINE}."): kind for fact, kind in FACTS.items() if fact.startswith(f"{MACHINE}.")}

_PATH = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*){0,5}")
ATTRIBUTE_KEYS = ("name", "path", "schema", "default", "description", "secret", "generate", "from", "pointer")
ROLE_KEYS = (
    "name",
    "stage",
    "jig",
    "device",
    "description",
    "requires",
    "precedes",
    "provides",
    "conflicts",
    "hardware",
    "wants",
    "gives",
    "collects",
    "holds",
    "flags",
    "verify",
    "reverify",
    "watch",
    "retry",
    "timeout",
    "validate",
    "takes",
    "tools",
    "checks",
    "batch",
    "packages",
    "source",
)


class Pending(Struct):
    """A role, with the places of the words that can be checked only when all barclamps are read."""

    role: RoleDef
    element: Element
    roles: list[tuple[Element, str]]
    attributes: list[tuple[Element, str]]
    wishes: list[tuple[Element, str]]


class Tables(Struct):
    """The definitions of the barclamps read so far."""

    folders: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, AttributeDef] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    """Attribute -> the place of its path in the file."""
    pending: dict[str, Pending] = field(default_factory=dict)
    barclamps: dict[str, BarclampDef] = field(default_factory=dict)
    needs: list[tuple[Element, str]] = field(default_factory=list)
    """Barclamps that must exist."""
    places: list[tuple[Element, str, str]] = field(default_factory=list)
    """Attributes with JSON pointers into their values."""
    sources: list[tuple[Element, str]] = field(default_factory=list)
    """Where an attribute says from which other one it is taken."""


class BarclampFile:
    """Reads one barclamp.yml into the tables."""

    def __init__(self, folder: Path, stages: tuple[Stage, ...], mistakes: Mistakes, into: Tables, *, sure: bool = False) -> None:
        """`sure`: its schemas are right and its defaults fit them, because it travels with the program, whose tests look at that."""
        self.folder = folder
        self.sure = sure
        self.file = folder / "barclamp.yml"
        self.stages = stages
        self.mistakes = mistakes
        self.into = into
        self.name = folder.name

    def read(self) -> None:
        tree = load(self.file, self.mistakes)
        if tree is None:
            return
        keys = Element(tree, str(self.file), self.mistakes).fields(("barclamp", "attributes", "sources", "roles"), ("barclamp",))
        if "barclamp" in keys:
            self._head(keys["barclamp"])
        for element in keys.each("attributes"):
            self._attribute(element)
        for element in keys.each("sources"):
            self._made(element)
        for element in keys.each("roles"):
            self._role(element)

    def _head(self, element: Element) -> None:
        keys = element.fields(("name", "version", "description", "requires"), ("name", "version"))
        if "name" in keys:
            name = keys["name"].name("a barclamp's name")
            if name != self.folder.name:
                keys["name"].fail(f"expected the name of its folder, {self.folder.name!r}, not {shown(name)}")
            elif name in self.into.folders:
                keys["name"].fail(f"barclamp {shown(name)} already exists, in {self.into.folders[name]}")
        version = keys["version"].name("a version like 1 or 2.0.1", VERSION) if "version" in keys else ""
        keys.describe()
        for need in keys.each("requires", "a list of barclamps"):
            self.into.needs.append((need, need.text("a barclamp's name")))
        self.into.folders[self.name] = str(self.folder)
        self.into.barclamps[self.name] = BarclampDef(version=version, sha256=digest_of_folder(self.folder))

    def _attribute(self, element: Element) -> None:
        keys = element.fields(ATTRIBUTE_KEYS, ("name", "schema"))
        if "name" not in keys:
            return
        name = keys["name"].name("an attribute's name")
        if name in self.into.attributes:
            keys["name"].fail(f"attribute {shown(name)} already exists, in barclamp {self.into.attributes[name].barclamp}")
            return
        schema = self._schema(keys["schema"]) if "schema" in keys else {}
        secret = keys["secret"].truth() if "secret" in keys else False
        if secret and "default" in keys:
            keys["default"].fail("a secret has no default: its value comes from the plan's secrets, or from crowbar set")
        if secret and schema.get("type", "string") != "string":
            keys["schema"].fail("a secret is text: its schema needs type: string")
        generate = keys["generate"].truth() if "generate" in keys else False
        if generate and not secret:
            keys["generate"].fail("only a secret is generated: it needs secret: true")
        default = self._default(keys["default"], schema) if "default" in keys else None
        self.into.elements[name] = keys.get("path", keys["name"])
        self.into.attributes[name] = AttributeDef(
            name=name,
            path=keys["path"].name("a path like a/b/c", _PATH, 200) if "path" in keys else name,
            schema=schema,
            default=generated(name) if generate else default,
            description=keys.describe(),
            barclamp=self.name,
            secret=secret,
            generate=generate,
            source=self._source(keys, secret),
            pointer=keys["pointer"].pointer() if "pointer" in keys else "",
        )

    def _schema(self, element: Element) -> dict[str, Json]:
        value = element.json() if self.sure else None
        return value if isinstance(value, dict) else element.schema()

    def _default(self, element: Element, schema: dict[str, Json]) -> Json:
        return element.json() if self.sure else element.fits(schema)

    def _made(self, element: Element) -> None:
        """A source: the attributes and the role that it makes."""
        keys = element.fields(("name", "description", "requirements"), ("name",))
        if "name" not in keys:
            return
        requirement = re.compile(sources.REQUIREMENT.removeprefix("^").removesuffix("$"))
        source = sources.Source(
            name=keys["name"].name("a source's name", limit=40),
            description=keys.describe(),
            requirements=tuple(one.name("a requirement like alpha or alpha>=2", requirement, 300) for one in keys.each("requirements")),
        )
        made = sources.attributes_of(source, self.name)
        taken = [one.name for one in made if one.name in self.into.attributes]
        if taken or sources.wheels(source.name) in self.into.pending:
            keys["name"].fail(f"{listed(taken or [sources.wheels(source.name)])} exist already: give the source another name")
            return
        self.into.needs.append((keys["name"], sources.BARCLAMP))
        for attribute in made:
            self.into.elements[attribute.name] = keys["name"]
            self.into.attributes[attribute.name] = attribute
        role = sources.role_of(source)
        self.into.pending[role.name] = Pending(role, element, [], [(keys["name"], name) for name in role.reads], [])

    def _source(self, keys: Fields, secret: bool) -> str:
        """The attribute from whose reported value this one is taken."""
        if "from" not in keys:
            if "pointer" in keys:
                keys["pointer"].fail("a pointer needs the key 'from' too: the attribute in whose value it points")
            return ""
        if secret:
            keys["from"].fail("a secret is not taken from what nodes report")
        self.into.sources.append((keys["from"], keys["name"].text()))
        return keys["from"].text("an attribute's name")

    def _role(self, element: Element) -> None:
        keys = element.fields(ROLE_KEYS, ("name", "stage", "jig"))
        if not {"name", "stage", "jig"} <= keys.keys():
            return
        before = len(self.mistakes.found)
        name = keys["name"].name("a role's name")
        if name in self.into.pending:
            keys["name"].fail(f"role {shown(name)} already exists, in barclamp {self.into.pending[name].role.barclamp}")
            return
        if network_of(name) and self.name != TEMPLATE:
            keys["name"].fail("names that begin with network- are reserved for the networks of a plan")
        words: list[tuple[Element, str]] = []
        wanted: list[tuple[Element, str]] = []
        wishes: list[tuple[Element, str]] = []

        def names(key: str, into: list[tuple[Element, str]]) -> tuple[str, ...]:
            found = [(item, item.text()) for item in keys.each(key, "a list of names")]
            into.extend(found)
            return tuple(text for _, text in found)

        retry = keys["retry"].fields(("attempts", "delay")) if "retry" in keys else {}
        hardware = keys["hardware"].fields((*HARDWARE, NETWORKS, MACHINE)) if "hardware" in keys else Fields()
        requires = tuple(self._requirement(item, words) for item in keys.each("requires"))
        wants = tuple(self._want(item, wanted) for item in keys.each("wants"))
        role = RoleDef(
            name=name,
            barclamp=self.name,
            stage=self._stage(keys["stage"]),
            jig=self._jig(keys["jig"]),
            device=keys["device"].choice(DEVICE_KINDS) if "device" in keys else DEVICE_KINDS[0],
            description=keys.describe(),
            requires=(*requires, *self._networks(hardware, requires)),
            precedes=names("precedes", words),
            provides=tuple(item.name("a role's name") for item in keys.each("provides")),
            conflicts=names("conflicts", words),
            wants=wants,
            gives=names("gives", wanted),
            collects=tuple(self._collect(item, words, wanted) for item in keys.each("collects")),
            hardware=dict(self._wishes(hardware, wishes)),
            machine=self._machine(hardware),
            holds=keys.texts("holds", "a resource"),
            flags=frozenset(map(self._flag, keys.each("flags"))),
            verify=keys["verify"].truth() if "verify" in keys else False,
            reverify=keys["reverify"].truth() if "reverify" in keys else False,
            watch_s=keys["watch"].duration(zero=False) if "watch" in keys else 0.0,
            attempts=retry["attempts"].integer(1, 20) if "attempts" in retry else 1,
            delay_s=retry["delay"].duration() if "delay" in retry else 10.0,
            timeout_s=keys["timeout"].duration(zero=False) if "timeout" in keys else 900.0,
            validates=keys["validate"].truth() if "validate" in keys else False,
            seconds=keys["takes"].duration() if "takes" in keys else 10.0,
            tools=tuple(item.known("tool", TOOLS) for item in keys.each("tools")),
            checks=read_checks(keys, [want.name for want in wants]),
            batch=self._batch(keys["batch"]) if "batch" in keys else 1,
            packages=self._packages(keys["packages"]) if "packages" in keys else {},
        )
        role = self._from_source(role, keys, wanted)
        self.into.pending[name] = Pending(role, element, words, wanted, wishes)
        self._sense(role, keys)
        if len(self.mistakes.found) == before:
            self._idle(role, keys)

    def _from_source(self, role: RoleDef, keys: Fields, wanted: list[tuple[Element, str]]) -> RoleDef:
        if "source" not in keys:
            return role
        source = keys["source"].name("a source's name", limit=40)
        wanted.append((keys["source"], f"{source}-source"))
        return sources.from_source(role, source)

    def _wishes(self, keys: Fields, into: list[tuple[Element, str]]) -> Iterator[tuple[str, Json]]:
        """What the role wishes for its node's hardware: attribute and value. `raid: jbod` is short for `raid: {level: jbod}`."""
        for key, item in keys.items():
            if key not in HARDWARE:
                continue
            value = item.json()
            into.append((item, HARDWARE[key]))
            yield HARDWARE[key], {"level": value} if key == "raid" and isinstance(value, str) else value

    def _packages(self, element: Element) -> dict[str, tuple[str, ...]]:
        """The packages that the role's scripts need, for each family of distributions."""
        out = {}
        for family, names in element.fields(FAMILIES).items():
            items = names.items("a list of packages")
            if len(items) > MOST_PACKAGES:
                names.fail(f"expected at most {MOST_PACKAGES} packages, not {len(items)}")
            out[family] = tuple(dict.fromkeys(one.name("the name of a package", PACKAGE, 100) for one in items[:MOST_PACKAGES]))
        if not any(out.values()):
            element.fail(f"expected a list of packages for {' or '.join(FAMILIES)}")
        return out

    def _stage(self, element: Element) -> str:
        """A stage of the site, or one that it leaves out."""
        text = element.text("a stage")
        return text if text in MAY_BE_LEFT_OUT else element.known("stage", [stage.name for stage in self.stages])

    def _networks(self, keys: Fields, requires: tuple[Requirement, ...]) -> Iterator[Requirement]:
        """The networks that the node must have: each network's role is required on the same node."""
        names = dict.fromkeys(item.name("a network's name") for item in keys.each(NETWORKS, "a list of networks"))
        wished = (Requirement(role=PREFIX + name, on=On.SAME) for name in names if name)
        yield from (one for one in wished if one not in requires)

    def _machine(self, keys: Fields) -> dict[str, Json]:
        """What the node's machine must have, fact by fact."""
        if MACHINE not in keys:
            return {}
        found = read_conditions(keys[MACHINE], _MACHINE, f"a map with {listed(_MACHINE)}")
        if keys[MACHINE].json() in ({}, None):
            keys[MACHINE].fail(f"expected at least one of {listed(_MACHINE)}")
        return {f"{MACHINE}.{name}": condition for name, condition in found.items()}

    def _jig(self, element: Element) -> str:
        text = element.text("a jig")
        if text in MISSING_JIGS:
            element.fail(f"jig {text!r} does not exist: use jig {MISSING_JIGS[text]}")
            return text
        return element.known("jig", JIGS)

    def _batch(self, element: Element) -> int:
        """Most nodes of one run. `true`: as many as one run takes."""
        if isinstance(element.json(), bool):
            return MAX_BATCH if element.truth() else 1
        return element.integer(1, MAX_BATCH)

    def _flag(self, element: Element) -> str:
        text = element.text("a flag")
        if text in MISSING_FLAGS:
            element.fail(f"flag {text!r} does not exist: use {MISSING_FLAGS[text]}")
            return text
        return element.known("flag", FLAGS)

    def _requirement(self, element: Element, words: list[tuple[Element, str]]) -> Requirement:
        if isinstance(element.json(), dict):
            keys = element.fields(("role", "on"), ("role",))
            if "role" not in keys:
                return Requirement(role="")
            words.append((keys["role"], role := keys["role"].text("a role's name")))
            on, _, kind = keys["on"].choice(_PLACES).partition(":") if "on" in keys else ("", "", "")
            return Requirement(role=role, on=On(on) if on else None, kind=kind)
        words.append((element, role := element.text("a role's name, or {role: NAME, on: WHERE}")))
        return Requirement(role=role)

    def _want(self, element: Element, wanted: list[tuple[Element, str]]) -> Want:
        if isinstance(element.json(), dict):
            keys = element.fields(("name", "at", "pointer"), ("name",))
            if "name" not in keys:
                return Want(name="")
            wanted.append((keys["name"], name := keys["name"].text("an attribute's name")))
            at = keys["at"].name("a path like a/b/c", _PATH, 200) if "at" in keys else ""
            place = keys["pointer"].pointer() if "pointer" in keys else ""
            if "pointer" in keys:
                self.into.places.append((keys["pointer"], name, place))
                if place and not at and not _PATH.fullmatch(place[1:]):
                    keys["pointer"].fail("expected the key 'at' too: this place has no name that a path in attributes.json can have")
            return Want(name=name, at=at, pointer=place)
        wanted.append((element, name := element.text("an attribute's name, or {name: NAME, at: PATH}")))
        return Want(name=name)

    def _collect(self, element: Element, words: list[tuple[Element, str]], wanted: list[tuple[Element, str]]) -> Collect:
        keys = element.fields(("attribute", "into", "role", "of"), ("attribute", "into"))
        if not {"attribute", "into"} <= keys.keys():
            return Collect(attribute="", into="")
        wanted.append((keys["attribute"], name := keys["attribute"].text("an attribute's name")))
        if "role" in keys:
            words.append((keys["role"], keys["role"].text("a role's name")))
        role = keys["role"].text("a role's name") if "role" in keys else ""
        nodes = "of" in keys and keys["of"].choice(("roles", "nodes")) == "nodes"
        if nodes and name not in OF_NODES:
            keys["attribute"].fail(f"only these can be collected of nodes: {', '.join(sorted(OF_NODES))}")
        if nodes and "role" in keys:
            keys["role"].fail("values of nodes are not of a role: leave out role, or of: nodes")
        into = keys["into"].name("a path like a/b/c", _PATH, 200)
        return Collect(attribute=name, into=into, role=role, of="nodes" if nodes and name in OF_NODES and not role else "roles")

    def _sense(self, role: RoleDef, keys: dict[str, Element]) -> None:
        """Checks that the keys of a role agree with each other and with the files of its folder."""
        if role.reverify and not role.verify:
            keys["reverify"].fail("a role with reverify needs verify: true")
        if role.watch_s:
            self._watched(role, keys["watch"])
        if role.destructive and not role.jig_kind.detached:
            fit = " or ".join(kind.name for kind in JIGS.values() if kind.detached)
            keys["jig"].fail(f"a destructive role needs a jig that keeps attempts apart: {fit}")
        if "discovery" in role.flags and self.stages and role.stage != self.stages[0].name:
            keys["stage"].fail(f"a discovery role belongs in the first stage, {self.stages[0].name!r}")
        if "joined" in role.flags and "discovery" not in role.flags:
            keys["flags"].fail("the flag joined goes with discovery: such a role looks at joined machines too, over SSH")
        if role.packages and "packages" in keys and role.jig_kind.serves == "memory":
            keys["packages"].fail(f"jig {role.jig} serves sledgehammer, which installs nothing: name the package in the image's recipe")
        if role.packages and "packages" in keys and role.jig_kind.batches:
            keys["packages"].fail(f"jig {role.jig} installs nothing on a node: require a role of the jig script that has these packages")
        if role.source and role.jig != "script":
            keys["source"].fail("a role that may come from source needs the jig script, which brings the tool from-source to the node")
        if "milestone" in role.flags and role.jig_kind.scripted:
            keys["flags"].fail("a milestone runs nothing: it needs the jig noop")
        self._environment(role, keys)
        if not role.jig_kind.scripted:
            if (self.folder / "roles" / role.name).exists():
                keys["name"].fail(f"jig {role.jig} runs no script, so the folder roles/{role.name} would do nothing")
            return
        check_files(self.folder / "roles" / role.name, role, keys)

    def _watched(self, role: RoleDef, element: Element) -> None:
        """Only what stays as it is can be watched, on a node that keeps running what the role was made for."""
        if not role.verify:
            element.fail("a role with watch needs verify: true")
        if role.watch_s < LEAST_WATCH_S:
            element.fail(f"expected {LEAST_WATCH_S:.0f}s or more: each look costs the node some work")
        if role.destructive or role.jig_kind.serves == "memory":
            element.fail("a role that destroys data, or that runs in sledgehammer, is not watched")

    def _idle(self, role: RoleDef, keys: dict[str, Element]) -> None:
        """Refuses by name what would be accepted and do nothing."""
        if not role.jig_kind.scripted:
            for key in [one for one in NEED_A_SCRIPT if one in keys]:
                keys[key].fail(f"jig {role.jig} runs no script, so {key} would do nothing")
            if "once" in role.flags:
                keys["flags"].fail(f"jig {role.jig} runs no script, so once would do nothing")
        if "device" in keys and role.jig != "device":
            keys["device"].fail(f"jig {role.jig} acts on no device: only a role with the jig device is for a kind of devices")
        if "retry" in keys and role.attempts == 1:
            keys["retry"].fail("expected attempts of 2 or more: a role with one attempt is not tried again")
        if "abstract" in role.flags and role.name != TEMPLATE:
            for key in [one for one in keys if one not in OF_ABSTRACT]:
                keys[key].fail(f"an abstract role is never bound, so {key} would do nothing")
        if {"once", "destructive"} <= role.flags:
            keys["flags"].fail("a destructive role is never repeated by itself, so once would do nothing")
        if {"admin", "discovery"} <= role.flags:
            keys["flags"].fail("a discovery role looks at servers, so it does not belong on the admin node")
        for flag, (where, serves) in WHERE_BOUND.items():
            if flag in role.flags and role.jig in JIGS and role.jig_kind.serves not in serves:
                use = " or ".join(name for name, jig in JIGS.items() if jig.serves in serves)
                keys["jig"].fail(f"a role with the flag {flag} is bound to {where}, where jig {role.jig} cannot run: use {use}")

    def _environment(self, role: RoleDef, keys: dict[str, Element]) -> None:
        """A jig of the node runs in one kind of environment, and the stage decides which one that is."""
        stage = next((one for one in self.stages if one.name == role.stage), None)
        fit = {"memory": "sledgehammer", "installed": "installed"}.get(role.jig_kind.serves)
        if stage is not None and fit is not None and stage.runs != fit:
            where = "in sledgehammer" if stage.runs == "sledgehammer" else "in the installed system"
            other = "agent" if stage.runs == "sledgehammer" else "script"
            keys["jig"].fail(f"stage {stage.name!r} runs {where}: use jig {other}, or another stage")
