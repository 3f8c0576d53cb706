"""The way back: `crowbar` without a command opens the one Crowbar of this machine, or asks which. Rehearsals count like sites.

runs                         attach to it
a rehearsal without engine   start it again, on the same virtual rack
nothing is there             the usual store: with its plan, or with the wizard
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.api.rehearsals import Crowbar, find, is_rehearsal, plan_of
from engine.api.views import held

from ..api_option import ApiOption
from . import curtain
from .formats import cut_path
from .lifecycle import open_console, open_rehearsal

INSIDE = "CROWBAR_REHEARSAL_INSIDE"
"""Set for the process inside the rack's network namespace, so that it does not start itself there again."""


def open_any(usual: Path, then: Callable[[list[str]], int], api: ApiOption | None, read_only: bool = False) -> int:
    """`crowbar`: finds what is here, and opens it. Raises StoreError, CatalogError."""
    found = find(usual)
    if not found:
        return open_store(usual, then, api, read_only)
    if len(found) == 1:
        return open_store(found[0].store, then, api, read_only)
    chosen = choose(found, usual)
    return open_store(chosen, then, api, read_only) if chosen is not None else 0


def open_store(store: Path, then: Callable[[list[str]], int], api: ApiOption | None, read_only: bool = False) -> int:
    """Opens this store: attaches, continues its rehearsal, or starts an engine (nothing of that if `read_only`). Raises StoreError,
    CatalogError."""
    if not read_only and not held(store) and is_rehearsal(store):
        return resume(store)
    return open_console(store, then, api, read_only)


def resume(store: Path) -> int:
    """Continues a rehearsal without an engine: same rack, same plan."""
    from engine.api.control import RackError
    from engine.api.process import REHEARSAL, keep_root
    from engine.api.running import Rehearsal, rack_spec

    try:
        plan, spec = plan_of(store), rack_spec(store)
        if plan is None:
            text = f"the rehearsal on {store} ended before its plan was committed: start it again with crowbar rehearse"
            raise RackError(text)
        run = Rehearsal(store, plan, spec.nodes, spec.seed, "max", getpass.getuser(), kind=spec.kind)
        if INSIDE not in os.environ:
            curtain.say(f"continuing the rehearsal of {spec.nodes} {spec.kind} machine{'s' if spec.nodes != 1 else ''}")
        command = run.way_in([sys.executable, "-m", "crowbar_tui.cli", "--store", str(store)])
    except RackError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    if command:
        sys.stdout.flush()
        os.execve(command[0], command, {**os.environ, INSIDE: "1"})
    keep_root(REHEARSAL)
    curtain.say("starting the engine of the rehearsal")
    return open_rehearsal(lambda: run, store)


def described(one: Crowbar) -> str:
    if not one.machines:
        return f"site {one.site or '?'}: {'runs' if one.runs else 'does not run; opening it starts its engine'}"
    many = f"{one.machines} {one.kind} machine{'s' if one.machines != 1 else ''}"
    return f"rehearsal of {many}: {'runs' if one.runs else 'does not run; opening it continues it'}"


def choose(found: Sequence[Crowbar], usual: Path, ask: Callable[[str], str] = input) -> Path | None:
    """Asks which one to open. None: none of them."""
    print("crowbar: which one?\n")
    for number, one in enumerate(found, 1):
        print(f" {number:>2}  {described(one)}\n     {cut_path(str(one.store), 74)}")
    fresh = all(one.store != usual for one in found)
    if fresh:
        print(f"  n  a new site, on {cut_path(str(usual), 60)}")
    print("  q  none of them\n")
    while True:
        try:
            said = ask("number: ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            print()
            return None
        if said in ("q", "quit"):
            return None
        if said == "n" and fresh:
            return usual
        if said.isascii() and said.isdecimal() and 1 <= int(said[:4]) <= len(found):
            return found[int(said[:4]) - 1].store
        print(f"expected a number from 1 to {len(found)}{', n' if fresh else ''} or q")
