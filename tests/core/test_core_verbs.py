"""The table of verbs: every row has an effect, all readers use the table, and no other list of verbs exists."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from world_rig import WorldRig

from crowbar_tui.console import actions
from engine.core.operator import operate, verbs
from engine.definitions import JIGS, PowerAction
from engine.events import Operate
from engine.model import State
from engine.views.preview import preview

ROOT = Path(__file__).parents[2]
SHOWN = ("engine", "crowbar_tui", "barclamps", "images")
NAMES = {verb.name for verb in verbs.VERBS}


def files(words: Iterable[str]) -> Iterator[tuple[str, ast.Module]]:
    """Name and syntax of each file in which three of these words are."""
    for folder in SHOWN:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if sum(word in text for word in words) >= 3:
                yield str(path.relative_to(ROOT)), ast.parse(text)


def lists(tree: ast.Module) -> Iterator[tuple[int, set[str]]]:
    """Line and words of each list of words: a literal, the keys of a dictionary, the cases of a `match`, and `"a b c".split()`."""
    for node in ast.walk(tree):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            parts = list(node.elts)
        elif isinstance(node, ast.Dict):
            parts = list(node.keys)
        elif isinstance(node, ast.Match):
            found = [one for case in node.cases for one in ast.walk(case.pattern) if isinstance(one, ast.MatchValue)]
            parts = [one.value for one in found]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            text = node.func.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield node.lineno, set(text.value.split())
        if parts:
            yield node.lineno, {one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def test_no_second_list_of_verbs() -> None:
    assert [
        f"{where}:{line} {sorted(words & NAMES)}" for where, tree in files(NAMES) for line, words in lists(tree) if len(words & NAMES) >= 3
    ] == []


def test_no_second_list_of_jigs() -> None:
    """The engine makes the adapters, so it names them; each of them is a jig of the table."""
    found = {where: words for where, tree in files(JIGS) for _, words in lists(tree) if len(words & JIGS.keys()) >= 3}
    assert list(found) == ["engine/runtime/adapters.py"]
    assert found["engine/runtime/adapters.py"] <= JIGS.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('X = ("hold", "retry", "ban")', {"hold", "retry", "ban"}),
        ('X = {"hold": 1, "retry": 2}', {"hold", "retry"}),
        ('X = "hold retry ban".split()', {"hold", "retry", "ban"}),
        ('match x:\n    case "hold" | "ban":\n        pass\n    case "retry":\n        pass', {"hold", "retry", "ban"}),
    ],
)
def test_the_search_finds_each_shape(text: str, words: set[str]) -> None:
    assert [found for _, found in lists(ast.parse(text))] == [words]


def test_every_verb_is_carried_out() -> None:
    """By its function, or by `power` where the BMC answers."""
    assert set(operate.ON_ROLES) == set(verbs.OF_ROLES.values())
    assert set(operate.ON_NODES) == {verb for verb in verbs.OF_NODES.values() if not verb.slow}
    assert len(verbs.OF_NODES) + len(verbs.OF_ROLES) == len(verbs.VERBS), "a name is there twice"


def test_the_power_actions_are_those_of_the_vocabulary() -> None:
    assert verbs.POWER.takes is not None
    assert set(verbs.POWER.takes.values) == set(get_args(PowerAction))
    assert all(action in verbs.POWER.takes.what for action in get_args(PowerAction))


def test_keys_of_the_console_are_told_apart() -> None:
    """Two verbs share a key only where no node can be offered both."""
    opposites = {("not allocated", "allocated"), ("not on hold", "on hold"), ("available", "not available")}
    for rows in (actions.NODE, actions.ROLE, actions.POWER):
        for number, one in enumerate(rows):
            for other in rows[:number]:
                pair = (other.row.offered, one.row.offered)
                assert one.key != other.key or pair in opposites or pair[::-1] in opposites, (one.verb, other.verb)
    assert "p" not in {action.key for action in (*actions.NODE, *actions.ROLE)}, "it opens the power menu"


def test_what_destroys_is_previewed_and_asked() -> None:
    for verb in verbs.VERBS:
        assert not verb.destroys or (verb.previewed and verb.sure == "yes"), verb.name
        assert not verb.runs or verb.previewed, verb.name
        assert verb.offered in verbs.OFFERED


@pytest.mark.parametrize("verb", [verb for verb in verbs.OF_NODES.values() if verb.reboots], ids=lambda verb: verb.name)
def test_what_the_table_says_of_reboots_and_roles_is_what_happens(verb: verbs.Verb) -> None:
    """The preview reads the row, the engine its own function: both run the same roles again, and boot."""
    d = WorldRig()
    d.server("n1", stage="system", allocated=True, runs="debian-12")
    names = ("inventory", "lldp", "bmc-discover", "bios-configure", "raid-configure", "os-install", "network-admin", "ntp-client")
    for name in names:
        d.role(name, state=State.ACTIVE, succeeded=True)
    shown = preview(d.world, verb.name, [d.node()]).nodes[0]
    d.feed(Operate(who="ann", verb=verb.name, node="n1"))
    assert set(shown.runs) == {name for name in names if not d.at(name).succeeded}
    assert shown.reboots
    assert d.node().boot is not None


def test_docs_tell_all_verbs() -> None:
    """docs/verbs.md is made by `python -m engine.core.operator.verbs > docs/verbs.md`."""
    assert (ROOT / "docs" / "verbs.md").read_text(encoding="utf-8") == verbs.as_markdown()


def test_docs_tell_all_jigs() -> None:
    text = (ROOT / "docs" / "barclamps.md").read_text(encoding="utf-8")
    assert [kind.name for kind in JIGS.values() if f"| `{kind.name}` | {kind.does} |" not in text] == []
