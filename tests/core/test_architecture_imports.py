"""Imports point downward only: no module leads back to itself, no folder to one above it. Imports within functions and for types count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = (
    (
        "reasons",
        "checks",
        "definitions",
        "here",
        "jig_kinds",
        "lights",
        "model",
        "parts",
        "last_values",
        "plan",
        "requests",
        "events",
        "effects",
        "quirks",
        "validation",
        "vitals",
        "wire",
        "readers",
    ),
    ("core",),
    ("process",),
    ("store", "attach", "packets"),
    ("files", "views"),
    ("trust", "power", "jigs", "racks", "switches", "chassis"),
    ("serve",),
    ("netboot", "images", "rest", "sources"),
    ("doctor", "bundles"),
    ("runtime",),
    ("rehearsal",),
    ("api",),
)
"""What lies right below `engine`, from the bottom up. A layer imports those under it; parts of one layer may import each other."""
ADAPTERS = ("serve", "jigs", "power", "racks", "packets")
"""Folders that do I/O and decide nothing."""
DECIDES = ("api", "runtime", "core", "store", "views", "rehearsal")

Graph = Mapping[str, frozenset[str]]


def modules(*tops: str) -> dict[str, Path]:
    """Module name -> file."""
    out = {}
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            out[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return out


def imported(name: str, text: str, is_package: bool, known: frozenset[str]) -> Iterator[str]:
    """Which of the known modules this one imports, wherever in the file."""
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                single = f"{whole}.{alias.name}"
                if single in known or whole in known:
                    yield single if single in known else whole


@cache
def graph() -> Graph:
    found = modules("engine", "crowbar_tui")
    known = frozenset(found)
    return {
        name: frozenset(imported(name, path.read_text(encoding="utf-8"), path.name == "__init__.py", known)) - {name}
        for name, path in found.items()
    }


def reached(of: Graph, start: str) -> frozenset[str]:
    """All that is imported from here on, directly or not."""
    seen: set[str] = set()
    todo = list(of[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += of[name]
    return frozenset(seen)


def cycles(of: Graph) -> list[list[str]]:
    """Groups of modules each of which leads to each other one."""
    leads = {name: reached(of, name) for name in of}
    groups = {frozenset({other for other in leads[name] if name in leads[other]} | {name}) for name in of if name in leads[name]}
    return sorted(sorted(group) for group in groups)


def part(name: str) -> str:
    """The part right below `engine`; `crowbar_tui` for the console; empty for `engine` itself."""
    top, _, rest = name.partition(".")
    return rest.partition(".")[0] if top == "engine" else top


# -- the finder itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "from . import b",
        "from .b import thing",
        "from engine.b import thing",
        "import engine.b",
        "def f():\n    from .b import thing",
        "if TYPE_CHECKING:\n    from .b import Thing",
    ],
)
def test_every_form_of_an_import_is_found(text: str) -> None:
    assert list(imported("engine.a", text, False, frozenset({"engine", "engine.a", "engine.b"}))) == ["engine.b"]


def test_a_cycle_is_found() -> None:
    of = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a"), "d": frozenset("a"), "e": frozenset()}
    assert cycles(of) == [["a", "b", "c"]]


# -- the project ---------------------------------------------------------------------------------------------------


def test_no_module_leads_back_to_itself() -> None:
    assert len(graph()) > 200
    assert not cycles(graph())


def test_folders_import_downward_only() -> None:
    level = {folder: i for i, layer in enumerate(LAYERS) for folder in layer}
    bad = [
        (name, other)
        for name, others in graph().items()
        for other in others
        if name.startswith("engine.") and other.startswith("engine.") and level[part(name)] < level[part(other)]
    ]
    assert not bad


def test_every_part_of_the_engine_has_a_layer() -> None:
    assert {part(name) for name in graph() if name.startswith("engine.")} == {folder for layer in LAYERS for folder in layer}


def test_the_console_and_the_command_line_import_the_engine_by_its_api_only() -> None:
    bad = [
        (name, other)
        for name, others in graph().items()
        for other in others
        if part(name) == "crowbar_tui" and part(other) not in ("crowbar_tui", "api")
    ]
    assert not bad


def test_nothing_of_the_engine_imports_its_api() -> None:
    assert {part(name) for name, others in graph().items() if any(part(other) == "api" for other in others)} <= {"crowbar_tui", "api"}


@pytest.mark.parametrize("folder", ADAPTERS)
def test_adapters_import_nothing_that_decides(folder: str) -> None:
    bad = [(name, other) for name, others in graph().items() for other in others if part(name) == folder and part(other) in DECIDES]
    assert not bad


# -- the console ---------------------------------------------------------------------------------------------------

CONSOLE = "crowbar_tui.console."


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("screen", ("session", "page", "overlays", "pages", "keys", "actions", "look_back", "screens", "setup", "app")),
        ("session", ("page", "overlays", "pages", "keys", "actions", "look_back", "screens", "setup", "app")),
        ("page", ("pages", "keys", "screens", "setup", "app")),
        ("overlays", ("page", "pages", "keys", "actions", "screens", "setup", "app")),
        ("keys", ("screens", "app")),
        ("frame", ("pages", "keys", "screens", "setup", "app")),
    ],
)
def test_the_session_knows_no_page_and_a_page_no_key(module: str, never: tuple[str, ...]) -> None:
    """Directly or not: the app knows the pages and the keys, and hands them to the session."""
    bad = [name for name in reached(graph(), CONSOLE + module) if name.removeprefix(CONSOLE).split(".")[0] in never]
    assert not bad


def test_no_page_knows_the_keys() -> None:
    pages = [name for name in graph() if name.startswith(f"{CONSOLE}pages.")]
    assert len(pages) > 10
    assert not [name for name in pages if {f"{CONSOLE}keys", f"{CONSOLE}screens", f"{CONSOLE}app"} & reached(graph(), name)]
