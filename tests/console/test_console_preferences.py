"""The user's own set-up: what the file may hold, what becomes of its mistakes, and that the screens speak of the keys that the user has."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from driving import still

from crowbar_tui.console import actions
from crowbar_tui.console.choosable import CHOOSABLE, STARTS
from crowbar_tui.console.frame import draw
from crowbar_tui.console.keymap import KEYS, Keymap, pressable
from crowbar_tui.console.keys import COMMON, EVERYWHERE
from crowbar_tui.console.manner import Manner
from crowbar_tui.console.pages import attributes, events, networks, nodes, topology
from crowbar_tui.console.preferences import Preferences, of_text, of_user, place
from crowbar_tui.console.screens import SCREENS, new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.set_up import prepare
from crowbar_tui.console.styled import plain

CONSOLE = Path(actions.__file__).parent
WHOLE = """
keys: {why: y, retry: f5, hold: ctrl+g, leave: ö}
columns:
  nodes: [node, state, age]
theme: colour-blind
start: problems
mouse: false
"""


def session_of(text: str, world: str = "faulty") -> Session:
    source, at = still(world)
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    session.source = source
    session.send = lambda orders: [session.answered(one, source.ask(one.verb, one.node, one.role, one.value)) for one in orders] and None
    session.work = lambda _job, _done: None
    prepare(session, Manner(of_text(text)))
    return session


def screen(session: Session, size: tuple[int, int] = (80, 24)) -> str:
    return "\n".join(plain(one).rstrip() for one in draw(session, *size))


def test_a_whole_file_is_read() -> None:
    taken = of_text(WHOLE)
    assert taken.mistakes == ()
    assert taken.preferences == Preferences(
        keys={"w": "y", "r": "f5", "h": "ctrl+g", "q": "ö"},
        columns={"nodes": ("node", "state", "age")},
        theme="colour-blind",
        start="problems",
        mouse=False,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("them: light", "1: them: unknown key; did you mean 'theme'?"),
        ("theme: pink", "1: theme: expected one of default, light, "),
        ("mouse: 1", "1: mouse: expected true or false, not 1"),
        ("start: shell", "1: start: expected one of nodes, rack, "),
        ("keys:\n  whyy: y", "2: keys.whyy: unknown key; did you mean 'why'?"),
        ("keys:\n  why: '5'", "2: keys.why: expected one character (no digit, no blank), f1"),
        ("keys:\n  why: enter", "2: keys.why: expected one character"),
        ("keys:\n  why: ctrl+c", "2: keys.why: expected one character"),
        ("keys:\n  why: [w]", "2: keys.why: expected a key, not a list"),
        ("keys: {why: y, log: y}", "1: keys.log: the key 'y' is already that of why"),
        ("columns: {nodes: [node, serial]}", "1: columns.nodes.1: unknown column 'serial'"),
        ("columns: {nodes: [node, node]}", "1: columns.nodes.1: the column node is already in the list"),
        ("columns: {racks: [node]}", "1: columns.racks: unknown key"),
        ("columns: nodes", "1: columns: expected a map"),
        ("keys: &a {why: y}", "1: anchors and aliases"),
        ("just a text", "1: expected a map"),
        ("keys: {why: y", "this is not YAML"),
        ("", "1: expected a document; the file is empty"),
    ],
)
def test_a_mistake_names_its_line_and_what_is_allowed(text: str, told: str) -> None:
    found = of_text(f"{text}\n").mistakes
    assert len(found) == 1
    assert found[0].startswith("console.yml:")
    assert told in found[0]


def test_what_is_right_counts_beside_mistakes() -> None:
    taken = of_text("keys: {why: y, log: 7}\ncolumns: {nodes: [node, x], events: [text]}\ntheme: 4\nmouse: no\nstart: rack\n")
    assert taken.preferences == Preferences(keys={"w": "y"}, columns={"nodes": ("node",), "events": ("text",)}, start="rack")
    assert len(taken.mistakes) == 4


def test_no_file_stops_the_console(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert place(home) == tmp_path / ".config/crowbar/console.yml"
    assert place({**home, "XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/crowbar/console.yml")
    assert place({**home, "XDG_CONFIG_HOME": "here"}) == place(home), "a relative one counts as none"
    assert place({}) is None
    assert of_user({}) == of_user(home) == of_text("mouse: true")
    file = tmp_path / ".config/crowbar/console.yml"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe\x00theme")
    assert "UTF-8" in of_user(home).mistakes[0]
    file.write_text("theme: light\n" + "# a\n" * (1 << 19))
    assert "at most" in of_user(home).mistakes[0]
    file.write_text("\n".join(f"key{i}: x" for i in range(100)))
    taken = of_user(home)
    assert len(taken.mistakes) == 21
    assert taken.mistakes[-1] == "80 more mistakes"
    file.unlink()
    os.mkfifo(file)
    assert of_user(home).mistakes == (f"{file}: expected a file",), "nobody waits for a writer"
    file.unlink()
    file.symlink_to(file)
    assert "cannot be read" in of_user(home).mistakes[0]
    assert of_user({"HOME": "/\0"}).mistakes


def test_a_mistake_is_a_line_on_the_screen() -> None:
    session = session_of("theme: pink\nmous: true\n")
    assert "not taken: console.yml:1: theme: expected one of default" in " ".join(screen(session).split())
    assert "(and 1 more: n)" in " ".join(screen(session).split())
    session.press("n")
    assert "console.yml:2: mous: unknown key" in " ".join(screen(session).split())


# -- keys ----------------------------------------------------------------------------------------------------------


def test_keys_that_are_taken_change_places() -> None:
    keymap = Keymap({"w": "y", "y": "z"})
    assert [keymap.own(key) for key in "yzw"] == ["w", "y", "z"]
    assert keymap.shown("w z") == "y w"
    assert keymap.shown("<>") == "<>"
    assert Keymap({"[": "ü", "]": "ä"}).shown("[]") == "üä"
    assert Keymap({"[": "f5"}).shown("[]") == "f5 ]"
    assert not Keymap()
    assert Keymap({"w": "w"}).own("w") == "w"


@pytest.mark.parametrize(
    ("own", "mine"),
    [
        ("then press r to retry", "then press f5 to retry"),
        ("w shows why it waits", "y shows why it waits"),
        ("the node is off; r tries again", "the node is off; f5 tries again"),
        ("show what it changes; then y", "show what it changes; then w"),
        ("a wrong r in a sentence and then a word", "a wrong r in a sentence and then a word"),
        ("1-3 of 6   w follows", "1-3 of 6   y follows"),
        ("see 3, then press r", "see 3, then press f5"),
    ],
)
def test_sentences_name_the_users_keys(own: str, mine: str) -> None:
    assert Keymap({"w": "y", "r": "f5"}).words(own) == mine
    assert Keymap().words(own) == own


def test_a_moved_key_does_it_and_is_shown_everywhere() -> None:
    session = session_of("keys: {why: y, retry: f5, help: ctrl+r, menu: ','}", "working")
    assert "ctrl+r help" in screen(session).splitlines()[-1]
    session.press("y")
    assert session.page.name == "why"
    assert "f5 retry" in screen(session).splitlines()[-1]
    session.press("escape")
    session.press("w")
    assert session.page.name == "nodes", "w is y now, and y does nothing here"
    session.press("ctrl+r")
    seen = screen(session, (120, 60))
    assert re.search(r"│ y +why does it wait", seen)
    assert re.search(r"│ f5 +retry", seen)
    session.press("escape")
    session.press(",")
    assert re.search(r"│ +f5 +retry", screen(session, (120, 40)))
    session.press("f5")
    assert session.notes[-1].ok
    assert session.source is not None
    assert session.source.asked[-1][0] == "retry"  # type: ignore[attr-defined]


def test_texts_and_answers_keep_their_letters() -> None:
    session = session_of("keys: {why: y, retry: n}", "working")
    session.press("/")
    for letter in "wyn":
        session.press(letter)
    assert session.page.needle == "wyn"
    session.press("escape")
    session.press("Q")
    assert session.overlay is not None
    session.press("n")
    assert session.overlay is None, "no means no"


def test_the_next_line_names_the_users_keys() -> None:
    before, after = screen(session_of("mouse: true")), screen(session_of("keys: {retry: f5, why: y}"))
    told = [one for one in before.splitlines() if one.startswith(" next")][0]
    assert [one for one in after.splitlines() if one.startswith(" next")][0] == Keymap({"r": "f5", "w": "y"}).words(told)


FIXED = {"enter", "esc", "escape", "up", "down", "left", "right", "tab", "shift+tab", "space", "backspace", "home", "end", "pageup"}
FIXED |= {
    "pagedown",
    "ctrl+c",
    "ctrl+q",
    "ctrl+p",
    "ctrl+n",
    "ctrl+u",
    "ctrl+w",
    "f1",
    "=",
    "ctrl+d",
    "ctrl+s",
    "ctrl+z",
    "shift+up",
    "shift+down",
}
"""Keys that stay where they are."""


def test_each_key_of_the_console_has_its_name_in_the_table() -> None:
    """A new key of a page or a verb needs a row in `keymap.KEYS`."""
    used = {one.key for one in (*actions.NODE, *actions.ROLE, *actions.POWER)} | {*COMMON}
    used |= {key for keys, _ in EVERYWHERE for key in keys.split()}
    for file in CONSOLE.rglob("*.py"):
        if file.parent.name == "setup":
            continue  # the wizard keeps its keys
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Hint" and node.args:
                said = getattr(node.args[0], "value", "")
                used |= set(said) if len(said) == 2 and not said.isalnum() else set(str(said).split())
            if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "key":
                values = [one for right in node.comparators for one in getattr(right, "elts", [right])]
                used |= {one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    known = {one.key for one in KEYS.values()}
    assert {key for key in used - FIXED - known if not key.isdecimal() and len(key) < 9 and key != "N"} == set()
    assert len(known) == len(KEYS), "each key has one name"
    assert all(pressable(one.key) for one in KEYS.values())


# -- columns and the first page --------------------------------------------------------------------------------------


def test_the_tables_name_the_pages_columns() -> None:
    pages = {
        "nodes": nodes._COLUMNS,
        "topology": topology._COLUMNS,
        "networks": networks._COLUMNS,
        "events": events._COLUMNS,
        "settings": attributes._COLS,
    }
    assert {page: tuple(c.key for c in columns if c.key != "mark") for page, columns in pages.items()} == CHOOSABLE
    source, at = still("ready")
    digits = [make(new_session(source.snapshot(), wall=lambda: at)).name for make in SCREENS]
    assert [*digits, "problems", "timeline", "results"] == list(STARTS)


@pytest.mark.parametrize("start", STARTS)
def test_the_page_that_opens_first(start: str) -> None:
    session = session_of(f"start: {start}")
    assert session.page.name == start
    assert screen(session)


ON = {"nodes": "1", "topology": "3", "networks": "6", "events": "7", "settings": "A"}


@pytest.mark.parametrize("page", CHOOSABLE)
@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_each_column_alone_can_be_drawn(page: str, size: tuple[int, int]) -> None:
    for column in CHOOSABLE[page]:
        session = session_of(f"columns: {{{page}: [{column}]}}")
        session.press(ON[page])
        assert session.page.name == page
        screen(session, size)
        assert not session.defects.found, column


def test_columns_stand_in_the_users_order() -> None:
    session = session_of("columns: {nodes: [age, address, node]}", "working")
    head = screen(session).splitlines()[2]
    assert head.split() == ["age", "address", "node"]
    assert "last signal" not in screen(session)
