"""Reads the file of stages: the shipped one, or the `stages.yml` of a site. docs/barclamps.md explains the keys.

A site may add stages, put them in another order, and leave out `hardware`. What the engine relies on is refused by name if it is missing:
* `install` and `system`: nothing else writes a system, and the admin node's roles run in `system`.
* `discovery` is first, runs sledgehammer and has no gate: every server is discovered in it.
* One gate, at the latest at `install`: a server that nobody allocated is not installed. No destructive role runs before it.
* The last stage runs in the installed system, and its done state is `ready`. No other state has that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..definitions import RoleDef, Stage
from .element import Element
from .mistakes import Mistakes, shown
from .yaml_source import load

FIRST, INSTALL, READY = "discovery", "install", "ready"
NEEDED = {
    FIRST: "every server is discovered in it",
    INSTALL: "nothing else brings a server to a system of its own",
    "system": "the roles of the admin node and of installed servers run in it",
}
"""Stages that no site can leave out, and why."""
MOST = 20
_TAKEN = ("problem", "hold", "joined")
"""States of a node that the engine itself sets."""
_WORD_OF_STATE = re.compile(r"[a-z]+(-[a-z]+)*")
_KEYS = ("name", "doing", "done", "runs", "gate", "power-cycle")
_NEEDS = _KEYS[:4]

Places = dict[str, dict[str, Element]]
"""Stage -> key -> its place in the file."""


def read_stages(file: Path, mistakes: Mistakes) -> tuple[tuple[Stage, ...], Places]:
    """The stages in the order of a server's life, and their places."""
    before = len(mistakes.found)
    tree = load(file, mistakes)
    if tree is None:
        return (), {}
    top = Element(tree, str(file), mistakes)
    out: list[Stage] = []
    places: Places = {}
    for element in top.fields(("stages",), ("stages",)).each("stages"):
        keys = element.fields(_KEYS, _NEEDS)
        if not keys.keys() >= set(_NEEDS):
            continue
        stage = Stage(
            name=keys["name"].name("a stage's name"),
            doing=keys["doing"].name("the name of a node's state", _WORD_OF_STATE, 30),
            done=keys["done"].name("the name of a node's state", _WORD_OF_STATE, 30),
            runs="installed" if keys["runs"].choice(("sledgehammer", "installed")) == "installed" else "sledgehammer",
            gate=keys["gate"].truth() if "gate" in keys else False,
            power_cycle=keys["power-cycle"].truth() if "power-cycle" in keys else True,
        )
        if any(stage.name == other.name for other in out):
            keys["name"].fail(f"stage {shown(stage.name)} already exists")
        elif stage.runs == "sledgehammer" and any(other.runs == "installed" for other in out):
            keys["runs"].fail("a stage in sledgehammer cannot follow a stage in the installed system")
        out.append(stage)
        places[stage.name] = dict(keys) | {"": element}
    if not out and len(mistakes.found) == before:
        top.fail("expected at least one stage")
    elif len(mistakes.found) == before:
        _relied_on(out, places, top)
    return tuple(out), places


def _relied_on(stages: list[Stage], places: Places, top: Element) -> None:
    names = [stage.name for stage in stages]
    if missing := [name for name in NEEDED if name not in names]:
        for name in missing:
            top.fail(f"expected the stage {name!r}, which is missing: {NEEDED[name]}")
        return
    if len(stages) > MOST:
        top.fail(f"expected at most {MOST} stages, not {len(stages)}")
    first, last = stages[0], stages[-1]
    if first.name != FIRST:
        places[first.name]["name"].fail(f"expected {FIRST!r} as the first stage, not {shown(first.name)}: every server is discovered first")
    elif first.runs != "sledgehammer":
        places[FIRST]["runs"].fail("expected sledgehammer: a server is discovered before it has a system")
    if stages[names.index(INSTALL)].runs != "sledgehammer":
        places[INSTALL]["runs"].fail("expected sledgehammer: a system is installed from it")
    _gate(stages, places, top)
    if last.runs != "installed":
        places[last.name]["runs"].fail("expected installed: the last stage of a server is in its own system")
    _words(stages, places)


def _gate(stages: list[Stage], places: Places, top: Element) -> None:
    gates = [stage.name for stage in stages if stage.gate]
    names = [stage.name for stage in stages]
    if not gates:
        top.fail(f"expected gate: true at one stage from the second to {INSTALL!r}: without it nobody has to allocate a server")
        return
    for name in gates[1:]:
        places[name]["gate"].fail(f"stage {gates[0]!r} already is the gate, and there is one")
    if names.index(gates[0]) == 0:
        places[gates[0]]["gate"].fail("the first stage cannot be the gate: a server is allocated after it was discovered")
    elif names.index(gates[0]) > names.index(INSTALL):
        places[gates[0]]["gate"].fail(f"the gate cannot be behind {INSTALL!r}: a server would be installed before anybody allocated it")


def _words(stages: list[Stage], places: Places) -> None:
    """Each state has one name."""
    owner: dict[str, str] = {}
    for stage in stages:
        for key, word in (("doing", stage.doing), ("done", stage.done)):
            if word in _TAKEN:
                places[stage.name][key].fail(f"the engine itself uses the state {word!r}")
            elif word in owner:
                places[stage.name][key].fail(f"state {word!r} already belongs to stage {owner[word]!r}")
            elif word == READY and (stage is not stages[-1] or key == "doing"):
                places[stage.name][key].fail(f"only the last stage, {stages[-1].name!r}, ends in the state {READY!r}")
            owner.setdefault(word, stage.name)
    last = stages[-1]
    if last.done != READY and READY not in owner:
        places[last.name]["done"].fail(f"expected {READY!r}: a server whose last stage is done is ready")


def check_roles(stages: Iterable[Stage], places: Places, roles: Mapping[str, RoleDef]) -> None:
    """Refuses a stage before the gate in which roles destroy data."""
    for stage in stages:
        if stage.gate:
            return
        if found := sorted(role.name for role in roles.values() if role.destructive and role.stage == stage.name):
            places[stage.name][""].fail(f"stage {stage.name!r} comes before the gate, and its role {found[0]!r} destroys data")
