"""The user's own set-up of the console: `console.yml` in the user's configuration folder.

A mistake in it never stops the console. What is right counts, and each mistake is one sentence with its line and what is allowed there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from .choosable import CHOOSABLE, STARTS
from .keymap import KEYS, PRESSABLE, pressable
from .theme import NAMES

if TYPE_CHECKING:
    from engine.api.documents import Element, Mistakes

FILE = "console.yml"
MOST_COLUMNS = 32


class Preferences(Struct, frozen=True, kw_only=True):
    """The keys of the file. Each is optional."""

    keys: dict[str, str] = {}
    """The console's own key -> the key that the user presses instead."""
    columns: dict[str, tuple[str, ...]] = {}
    """Name of a page -> the columns of its list, in their order."""
    theme: str = ""
    """Empty: what fits the terminal."""
    start: str = "nodes"
    """The page that opens first."""
    mouse: bool = True


class Taken(Struct, frozen=True, kw_only=True):
    """What was read. `mistakes`: one sentence for each thing that does not count."""

    preferences: Preferences = Preferences()
    mistakes: tuple[str, ...] = ()


def place(environment: Mapping[str, str]) -> Path | None:
    """The file of this user (XDG Base Directory Specification). None: the user has no home."""
    folder, home = environment.get("XDG_CONFIG_HOME", ""), environment.get("HOME", "")
    if folder.startswith("/"):  # a relative one counts as none
        return Path(folder) / "crowbar" / FILE
    return Path(home) / ".config" / "crowbar" / FILE if home.startswith("/") else None


def of_user(environment: Mapping[str, str] | None = None) -> Taken:
    """Reads the user's file. Never raises. Without a file, everything has its default."""
    file = place(os.environ if environment is None else environment)
    if file is None:
        return Taken()
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return Taken(mistakes=(f"{file}: expected a file",))
    except FileNotFoundError:
        return Taken()
    except (OSError, ValueError) as error:
        return Taken(mistakes=(f"{file}: cannot be read: {getattr(error, 'strerror', '') or error}",))
    from engine.api.documents import Element, Mistakes, load  # YAML: most users have no such file

    mistakes = Mistakes()
    tree = load(file, mistakes, str(file))
    return _taken(Element(tree, str(file), mistakes) if tree is not None else None, mistakes)


def of_text(text: str, name: str = FILE) -> Taken:
    """The same from a text."""
    from engine.api.documents import Element, Mistakes, parse

    mistakes = Mistakes()
    tree = parse(text, name, mistakes)
    return _taken(Element(tree, name, mistakes) if tree is not None else None, mistakes)


def _taken(root: Element | None, mistakes: Mistakes) -> Taken:
    found = _read(root, mistakes) if root is not None else Preferences()
    said = tuple(str(one) for one in sorted(mistakes.found, key=lambda one: one.line))
    more = (f"{mistakes.left_out} more mistakes",) if mistakes.left_out else ()
    return Taken(preferences=found, mistakes=said + more)


def _read(root: Element, mistakes: Mistakes) -> Preferences:
    fields = root.fields(Preferences.__struct_fields__)
    usual = Preferences()

    def choice(key: str, names: tuple[str, ...], otherwise: str) -> str:
        if key not in fields:
            return otherwise
        before = len(mistakes.found) + mistakes.left_out
        found = fields[key].choice(names)
        return found if len(mistakes.found) + mistakes.left_out == before else otherwise

    mouse = usual.mouse
    if "mouse" in fields:
        before = len(mistakes.found) + mistakes.left_out
        given = fields["mouse"].truth()
        mouse = given if len(mistakes.found) + mistakes.left_out == before else mouse
    return Preferences(
        keys=_keys(fields["keys"]) if "keys" in fields else {},
        columns=_columns(fields["columns"]) if "columns" in fields else {},
        theme=choice("theme", NAMES, usual.theme),
        start=choice("start", STARTS, usual.start),
        mouse=mouse,
    )


def _keys(element: Element) -> dict[str, str]:
    """Own key -> key to press."""
    from engine.api.documents import shown

    out: dict[str, str] = {}
    givers: dict[str, str] = {}
    for name, key in element.fields(KEYS).items():
        pressed = key.text("a key", limit=20)
        if not pressed:
            continue
        if not pressable(pressed):
            key.fail(f"expected {PRESSABLE}, not {shown(pressed)}")
        elif pressed in givers:
            key.fail(f"the key {shown(pressed)} is already that of {givers[pressed]}")
        else:
            out[KEYS[name].key] = pressed
            givers[pressed] = name
    return out


def _columns(element: Element) -> dict[str, tuple[str, ...]]:

    out: dict[str, tuple[str, ...]] = {}
    for page, listed in element.fields(CHOOSABLE).items():
        names: list[str] = []
        for item in listed.items("a list of columns")[:MOST_COLUMNS]:
            name = item.known("column", CHOOSABLE[page])
            if name in names:
                item.fail(f"the column {name} is already in the list")
            elif name in CHOOSABLE[page]:
                names.append(name)
        if names:
            out[page] = tuple(names)
    return out
