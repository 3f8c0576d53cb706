"""Reads a file of BIOS sets: families of machines, and for each the settings by name of a set. docs/bios.md explains the keys."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.hardware.bios_sets import BiosFamily, BiosSet, Value, inherited
from .element import Element
from .mistakes import Mistakes, shown
from .yaml_source import load

SETTING = re.compile(r"[A-Za-z0-9*][A-Za-z0-9 .,_()|/&+*'\"-]{0,199}")
"""Also Supermicro's paths of menus, with spaces and bars."""
PRODUCT = re.compile(r"[A-Za-z0-9* ().,/_-]{1,100}")
_MOST = 200


def read_families(file: Path, mistakes: Mistakes) -> tuple[BiosFamily, ...]:
    """The families of a file. What is wrong is added to `mistakes`."""
    tree = load(file, mistakes)
    if tree is None:
        return ()
    top = Element(tree, str(file), mistakes).fields(("families",), ("families",))
    found = []
    for name, element in top["families"].entries().items() if "families" in top else ():
        fields = element.fields(("product", "sets"), ("product", "sets"))
        if not {"product", "sets"} <= fields.keys():
            continue
        products = tuple(one.name("a pattern of maker and model", PRODUCT, 100) for one in fields.each("product"))
        sets = {name: _set(name, one) for name, one in fields["sets"].entries().items()}
        family = BiosFamily(name=name, products=products, sets=sets)
        _inherits(family, fields["sets"])
        found.append(family)
    return tuple(found)


def _set(name: str, element: Element) -> BiosSet:
    fields = element.fields(("inherits", "settings", "where-offered"))
    inherits = fields["inherits"].text("the name of a set", 63) if "inherits" in fields else ""
    settings = _settings(fields["settings"]) if "settings" in fields else {}
    offered = _settings(fields["where-offered"]) if "where-offered" in fields else {}
    for both in sorted(settings.keys() & offered.keys()):
        element.fail(f"expected the setting {shown(both)} only once, in settings or in where-offered")
    return BiosSet(name=name, inherits=inherits, settings=settings, offered=offered)


def _settings(element: Element) -> dict[str, Value]:
    entries = element.entries()
    if len(entries) > _MOST:
        element.fail(f"expected at most {_MOST} settings")
    out: dict[str, Value] = {}
    for name, one in entries.items():
        value = one.json()
        if not SETTING.fullmatch(name):
            one.fail(f"expected the name of a BIOS setting as the key, not {shown(name)}")
        elif not isinstance(value, str | int) or (isinstance(value, str) and len(value) > 200):
            one.fail("expected a word, a whole number, true or false")
        else:
            out[name] = value
    return out


def _inherits(family: BiosFamily, element: Element) -> None:
    for name, one in family.sets.items():
        if one.inherits and one.inherits not in family.sets:
            element.unknown("set to inherit from", one.inherits, family.sets)
        chain = inherited(family, name)
        if chain and chain[0].inherits:
            element.fail(f"expected sets that inherit without a circle; {shown(name)} comes back to {shown(chain[0].inherits)}")
