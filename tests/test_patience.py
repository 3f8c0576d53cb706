"""A wait of a test is generous: a loaded machine with two processors is no mistake of the code. One that is quick costs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
GENEROUS_S = 60
MEANT_S = 5
"""Up to here a limit is what the test is about, such as a call that ends after a second; or it is one round of a wait."""
NAMES = ("PATIENCE_S", "DEADLINE_S")
WAITS = ("until", "wait_until", "wait_for", "wait")
"""Functions that wait for a state; their parameter for the limit has a default."""
LIMITS = ("seconds", "patience_s", "timeout_s")
CALLS = ("run", "communicate", "check_output", "join", "create_connection", "HTTPConnection", "HTTPSConnection", "settimeout")


def number(node: ast.expr | None) -> float | None:
    return float(node.value) if isinstance(node, ast.Constant) and type(node.value) in (int, float) else None


def limits(tree: ast.AST) -> Iterator[tuple[int, float]]:
    """Line and seconds of what limits a wait for a state."""
    for node in ast.walk(tree):
        found: list[ast.expr | None] = []
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in NAMES:
                found = [value]
            case ast.FunctionDef(name=name, args=arguments) | ast.AsyncFunctionDef(name=name, args=arguments) if name in WAITS:
                named = [*arguments.posonlyargs, *arguments.args][-len(arguments.defaults) :] if arguments.defaults else []
                pairs = [*zip(named, arguments.defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
                found = [default for argument, default in pairs if argument.arg in LIMITS]
            case ast.BinOp(left=ast.Call(func=ast.Attribute(attr="monotonic")), op=ast.Add(), right=right):
                found = [right]
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=given, keywords=keywords) if name in CALLS:
                found = [keyword.value for keyword in keywords if keyword.arg == "timeout"]
                found += given[:1] if name in ("join", "settimeout") else []
        for seconds in map(number, found):
            if seconds is not None:
                yield node.lineno, seconds  # type: ignore[attr-defined]


def test_limits_are_found() -> None:
    code = """
PATIENCE_S = 20.0
def until(true, seconds: float = 10.0): ...
async def wait(seen, *, patience_s=7): ...
end = time.monotonic() + 30
subprocess.run(["x"], timeout=11)
sock.settimeout(12)
thread.join(13)
", ".join(words)
other(timeout=14)
"""
    assert sorted(limits(ast.parse(code))) == [(2, 20), (3, 10), (4, 7), (5, 30), (6, 11), (7, 12), (8, 13)]


@pytest.mark.parametrize("folder", sorted({file.parent for file in TESTS.rglob("*.py")}), ids=lambda path: path.name)
def test_a_wait_is_generous(folder: Path) -> None:
    hasty = [
        f"{file.relative_to(TESTS)}:{line}: {seconds:g} s"
        for file in sorted(folder.glob("*.py"))
        if not file.name.startswith("bench_")
        for line, seconds in limits(ast.parse(file.read_text(encoding="utf-8")))
        if MEANT_S < seconds < GENEROUS_S
    ]
    assert not hasty, f"a loaded machine needs longer: give these waits {GENEROUS_S} s or more"
