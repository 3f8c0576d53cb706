"""What the console keeps of a user between two starts: filter and sort of each page, by store, and the history of `:`. Pure.

It is a file of JSON in the user's state folder (`kept_file`). Whatever stands in it is bounded and typed; what is wrong is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

STORES, PAGES, HISTORY = 20, 40, 100
"""Most stores, pages of a store, and commands."""
LETTERS = 200
SIZE = 256 * 1024
"""Octets of the file."""
_VERSION = 1


class PageKept(NamedTuple):
    filter: str = ""
    sort: str = ""
    """Name of the sort."""
    reverse: bool = False


class Kept(NamedTuple):
    stores: Mapping[str, Mapping[str, PageKept]] = {}
    """Path of a store -> name of a page -> what it shows. The store that was used last stands last."""
    history: tuple[str, ...] = ()
    """Names of commands of the palette, the newest last."""

    def pages(self, store: str) -> Mapping[str, PageKept]:
        return self.stores.get(store, {})


class DamagedKept(ValueError):
    """The text is a sentence: what is wrong with the file."""


def read(text: bytes) -> Kept:
    """Raises DamagedKept."""
    if len(text) > SIZE:
        raise DamagedKept(f"it is larger than {SIZE // 1024} kB")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedKept("it is no JSON") from error
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise DamagedKept(f"its version is not {_VERSION}")
    stores, history = found.get("stores", {}), found.get("history", [])
    if not isinstance(stores, dict) or not isinstance(history, list):
        raise DamagedKept("`stores` must be an object and `history` a list")
    return Kept(
        {store: _pages(pages) for store, pages in list(stores.items())[-STORES:]},
        tuple(one for one in history if _word(one) and one)[-HISTORY:],
    )


def _pages(found: Any) -> dict[str, PageKept]:
    if not isinstance(found, dict):
        raise DamagedKept("each store must be an object")
    out = {}
    for name, page in list(found.items())[:PAGES]:
        if not isinstance(page, dict):
            raise DamagedKept(f"page {name[:40]!r} must be an object")
        values = page.get("filter", ""), page.get("sort", ""), page.get("reverse", False)
        if not _word(values[0]) or not _word(values[1]) or not isinstance(values[2], bool):
            raise DamagedKept(f"page {name[:40]!r}: `filter` and `sort` are texts up to {LETTERS} letters, `reverse` is a boolean")
        out[name] = PageKept(*values)
    return out


def _word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LETTERS and (value.isprintable() or not value)


def written(kept: Kept) -> bytes:
    """The file's text. Pages that show everything in their usual order are left out."""
    last = list(kept.stores.items())[-STORES:]
    stores = {store: {name: page._asdict() for name, page in changed(pages).items()} for store, pages in last}
    found = {"version": _VERSION, "history": list(kept.history[-HISTORY:]), "stores": {s: p for s, p in stores.items() if p}}
    return json.dumps(found, ensure_ascii=False, indent=1).encode()


def changed(pages: Mapping[str, PageKept]) -> dict[str, PageKept]:
    """The pages that do not show everything in its usual order."""
    return {name: page for name, page in pages.items() if page != PageKept()}


def joined(there: Kept, store: str, pages: Mapping[str, PageKept], typed: Sequence[str]) -> Kept:
    """What is in the file, with this console's pages and the commands that it ran: another console may have written meanwhile."""
    stores = {name: found for name, found in there.stores.items() if name != store}
    stores[store] = changed({**there.pages(store), **pages})
    history = there.history
    for one in typed:
        history = remembered(history, one)
    return Kept(stores, history)


def remembered(history: Sequence[str], command: str) -> tuple[str, ...]:
    """The history with this command as its newest, once."""
    return (*(one for one in history if one != command), command[:LETTERS])[-HISTORY:]
