"""The shape of the code: what the core may not touch, the size of files and functions, and complete sentences for all reasons."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from engine import reasons

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"

VOCABULARY = (
    "model last_values here lights events effects requests reasons checks definitions jig_kinds plan quirks validation parts vitals".split()
)
"""What every part may speak of."""
CORE = sorted(path for name in VOCABULARY for path in (ENGINE / f"{name}.py", *(ENGINE / name).glob("*.py")) if path.exists())
CORE += sorted((ENGINE / "core").rglob("*.py"))
"""The pure core: values in, values out."""
IMPURE = (
    "socket time random threading asyncio sqlite3 subprocess os pathlib logging io shutil secrets uuid multiprocessing concurrent select selectors "
    "signal tempfile sys datetime sqlite_utils paramiko aiohttp pyghmi"
).split()
ADAPTERS = ("serve", "jigs", "power", "packets", "racks")
ADAPTERS_MAY = {*VOCABULARY, "wire", "trust", "files", "readers"}
FOLDERS = ("engine", "crowbar_tui", "barclamps", "images", "packaging", "tests")
FILE, MEDIAN, FUNCTION = 500, 120, 60
"""Most lines there: of a file, of the median file, of a function."""
CONSOLE = ("crowbar_tui", "textual", "rich", "click", "argparse")


def sources(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


class Shape(NamedTuple):
    """What the tests below look at in one file. All of it comes from one walk over its syntax tree."""

    imports: tuple[tuple[str, int], ...]
    """Full dotted names, with lines; those for types only are counted too."""
    functions: tuple[tuple[str, int, int], ...]
    """Name, first line, number of lines."""
    calls: tuple[tuple[str, int], ...]
    """Bare names that are called, with lines."""
    classes: frozenset[str]
    """Names of classes, and of aliases of a type (`State = Literal[...]`)."""
    says_what_it_is: bool


@cache
def shape(path: Path) -> Shape:
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found, functions, calls, classes = [], [], [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += _imports(node, package)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append((node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.append((node.func.id, node.lineno))
        elif isinstance(node, ast.ClassDef):
            classes.add(node.name)
        elif isinstance(node, ast.Assign):
            classes |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return Shape(tuple(found), tuple(functions), tuple(calls), frozenset(classes), ast.get_docstring(tree) is not None)


def _imports(node: ast.Import | ast.ImportFrom, package: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
        return
    base = list(package[: len(package) - node.level + 1]) if node.level else []
    whole = [*base, *([node.module] if node.module else [])]
    if node.module and not (not node.level and node.module == "engine"):
        yield ".".join(whole), node.lineno
    else:
        yield from ((".".join([*whole, alias.name]), node.lineno) for alias in node.names)


def imports(path: Path) -> tuple[tuple[str, int], ...]:
    return shape(path).imports


def imported_modules(path: Path) -> Iterator[tuple[str, int]]:
    """Of the engine: the part right below `engine`."""
    for name, line in imports(path):
        if name.startswith("engine."):
            yield name.split(".")[1], line


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ENGINE).with_suffix("")))
def test_the_pure_core_is_pure(path: Path) -> None:
    bad = [f"{path.name}:{line} imports {what}" for what, line in imports(path) if what.split(".")[0] in IMPURE]
    assert not bad


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ENGINE).with_suffix("")))
def test_the_pure_core_imports_nothing_of_the_shell(path: Path) -> None:
    bad = [
        f"{path.name}:{line} imports {what}"
        for what, line in imported_modules(path)
        if what not in {*VOCABULARY, "core", "wire", "readers"}
    ]
    assert not bad


def test_the_vocabulary_knows_no_decision() -> None:
    bad = [
        f"{path.name}:{line} imports {what}"
        for path in CORE
        if "core" not in path.parts
        for what, line in imported_modules(path)
        if what == "core"
    ]
    assert not bad


def test_the_pure_core_opens_and_prints_nothing() -> None:
    bad = []
    for path in CORE:
        if path.stem in ("__main__", "verbs", "transitions"):  # print their tables as programs
            continue
        bad += [
            f"{path.name}:{line} calls {name}" for name, line in shape(path).calls if name in ("open", "print", "input", "exec", "eval")
        ]
    assert not bad


def test_the_engine_knows_no_console() -> None:
    bad = [
        f"{path.relative_to(ROOT)}:{line} imports {what}"
        for path in sources(ENGINE)
        for what, line in imports(path)
        if what.split(".")[0] in CONSOLE
    ]
    assert not bad


@pytest.mark.parametrize("package", ADAPTERS)
def test_adapters_know_the_vocabulary_only(package: str) -> None:
    """Never the loop, the store, or anything that decides."""
    bad = []
    for path in sources(ENGINE / package):
        for what, line in imported_modules(path):
            if what not in {*ADAPTERS_MAY, package} and not (package == "racks" and what == "power"):
                bad.append(f"{path.relative_to(ROOT)}:{line} imports engine.{what}")
    assert not bad


def whole_tree() -> list[Path]:
    return [path for folder in FOLDERS for path in sources(ROOT / folder)]


def lines_of(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_files_are_short() -> None:
    bad = [f"{path.relative_to(ROOT)} has {lines_of(path)} lines" for path in whole_tree() if lines_of(path) > FILE]
    assert not bad


def test_the_median_file_is_short() -> None:
    for name, paths in (("the whole tree", whole_tree()), ("engine", sources(ENGINE))):
        assert median(map(lines_of, paths)) <= MEDIAN, name


def test_functions_are_short() -> None:
    bad = [
        f"{path.relative_to(ROOT)}:{line} {name} has {lines} lines"
        for path in whole_tree()
        for name, line, lines in shape(path).functions
        if lines > FUNCTION
    ]
    assert not bad


def test_who_is_complex_says_why() -> None:
    """ruff holds the limit (C901); a `noqa` of it is followed by its reason."""
    bad = []
    for path in whole_tree():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = re.search(r":  # noqa: [A-Z0-9, ]*C901(.*)", line)
            if found and not re.match(r"  - \w+ \w+ ", found[1]):
                bad.append(f"{path.relative_to(ROOT)}:{number} has no reason")
    assert not bad


WORDS = {
    "Agent": {"engine/racks/simulated/agent.py"},
    "Description": set(),
    "Life": set(),
    "Machine": {"engine/racks/simulated/machine.py", "engine/racks/qemu/guest.py"},
    "Rack": set(),
    "State": {"engine/model.py"},
}
"""Bare words of the glossary -> the files that may define a class of that name. Any other class needs a second word: `MachineState`."""


@pytest.mark.parametrize("word", WORDS)
def test_a_bare_word_names_one_thing(word: str) -> None:
    files = [path for folder in (ENGINE, ROOT / "crowbar_tui") for path in sources(folder)]
    assert {str(path.relative_to(ROOT)) for path in files if word in shape(path).classes} == WORDS[word]


def test_every_file_says_what_it_is() -> None:
    bad = [str(path.relative_to(ROOT)) for path in sources(ENGINE) if path.name != "__init__.py" and not shape(path).says_what_it_is]
    assert not bad


# -- reasons -------------------------------------------------------------------------------------------------------


def reason_calls() -> Iterator[tuple[str, str, frozenset[str] | None]]:
    """(where, code, fields) of each reason that is made anywhere in the engine or the console; fields None: by **."""
    for folder in ("engine", "crowbar_tui", "barclamps"):
        for path in sources(ROOT / folder):
            if path.parent == ENGINE / "reasons":
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            direct = {
                alias.asname or alias.name: alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "reasons"
                for alias in node.names
                if alias.name in reasons.KINDS
            }
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                fields = None if any(k.arg is None for k in node.keywords) else frozenset(k.arg or "" for k in node.keywords)
                function = node.func
                if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "reasons":
                    if function.attr not in ("sentence", "advice", "as_markdown", "Reason"):
                        assert not node.args, f"{where} gives a reason's field without its name"
                        yield where, function.attr, fields
                elif isinstance(function, ast.Name) and function.id in direct:
                    yield where, direct[function.id], fields


def test_every_reason_that_is_given_exists_with_these_fields() -> None:
    bad, seen = [], 0
    for where, code, fields in reason_calls():
        seen += 1
        kind = reasons.KINDS.get(code)
        if kind is None:
            bad.append(f"{where} gives {code}, which is no reason")
        elif fields is not None and fields != kind.names:
            bad.append(f"{where} {code} takes {sorted(kind.names)}, not {sorted(fields)}")
    assert seen > 60
    assert not bad


def test_reasons_are_named_by_their_code() -> None:
    for code, kind in reasons.KINDS.items():
        assert getattr(reasons, code) is kind
        assert re.fullmatch(r"[a-z][a-z_]*", code)


def test_docs_tell_all_reasons() -> None:
    """docs/reasons.md is made by `python -m engine.reasons > docs/reasons.md`."""
    assert (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8") == reasons.as_markdown()
