"""What fails while the console runs: a part that cannot be drawn costs that part, a key that fails costs the key, and a console that ends
leaves one line and a clean terminal."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import storms
from driving import console, press, shot, still
from still import Still
from terminal import ROOT, Terminal, needs_tmux, until

from crowbar_tui.console import defects as kept
from crowbar_tui.console.frame import draw
from crowbar_tui.console.glyphs import as_started, ascii_only, to_ascii
from crowbar_tui.console.overlays import Menu
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.styled import Line, plain
from engine.api.views import Attached, AttachError, Store

GOLDEN = Path(__file__).parents[1] / "golden" / "console" / "past.jsonl.gz"


def failing(*_: Any) -> Any:
    password = "hunter2"
    raise KeyError(f"n23{password[:0]}")


def drawn(session: Session) -> list[str]:
    return [plain(one) for one in draw(session, 80, 24)]


def a_session() -> Session:
    source, at = still("faulty")
    return new_session(source.snapshot(), wall=lambda: at, where=source.where)


# -- parts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "row", "what"),
    [
        ("body", 2, "the screen nodes"),
        ("middle", 0, "the title"),
        ("rule", 1, "the line below the title"),
        ("step", -2, "the next line"),
    ],
)
def test_a_part_that_cannot_be_drawn_is_one_line(part: str, row: int, what: str, defects: list[str]) -> None:
    session = a_session()
    before = drawn(session)
    setattr(session.page, part, failing)
    drawn(session)  # what fails below the answer line is noted by the next screen
    lines = drawn(session)
    assert lines[row].rstrip() == f" ! {what} failed: KeyError: 'n23'"
    noted = next(y for y in range(15, 24) if "a defect of Crowbar" in lines[y])
    there = {y for y in range(24) if lines[y] != before[y]}
    assert there <= {row % 24, *range(2 if part == "body" else noted - 1, 22)}, "all other parts are there"
    assert f"{what} failed: KeyError: 'n23': a defect of Crowbar" in lines[noted]
    assert len(defects) == 1
    assert "Traceback" in defects[0]
    assert "hunter2" not in defects[0]
    defects.clear()


def test_a_line_that_cannot_be_drawn_costs_that_line(defects: list[str]) -> None:
    session = a_session()
    page: Any = session.page
    real, third = page.draw, page.shown()[2]

    def draw_(thing: Any, columns: int, chosen: bool) -> list[Line]:
        return failing() if thing is third else real(thing, columns, chosen)

    page.draw = draw_
    lines = drawn(session)
    assert sum("a line of nodes failed: KeyError: 'n23'" in one for one in lines[2:-3]) == 1
    assert sum(one.strip(" ?!").startswith(("10", "12", "16")) for one in lines[2:-3]) == 3, "the others are there"
    defects.clear()


def test_a_state_that_cannot_be_computed_costs_its_row(monkeypatch: pytest.MonkeyPatch, defects: list[str]) -> None:
    from crowbar_tui.console import session as module

    real = module.node_row
    monkeypatch.setattr(module, "node_row", lambda world, node: failing() if node.id == "n2" else real(world, node))
    session = a_session()
    assert session.row("n2").state == "unknown"
    assert sum("unknown" in one for one in drawn(session)) == 1
    assert set(session.rows) == set(session.world.nodes)
    defects.clear()


def test_the_same_defect_is_logged_once_and_noted_once(defects: list[str]) -> None:
    session = a_session()
    session.page.body = failing  # type: ignore[method-assign]
    for _ in range(20):
        drawn(session)
    assert len(defects) == len(session.notes) == len(session.defects.found) == 1
    defects.clear()


def test_defects_are_bounded(defects: list[str]) -> None:
    found = kept.Defects()
    for number in range(4 * kept.KEPT):
        found.record("a part", ValueError("x" * number))
    assert len(found.found) == len(found._logged) == kept.KEPT
    assert max(len(one.error) for one in found.found) <= 200
    assert "\n" not in str(found.record("a part", ValueError("two\nlines")))
    defects.clear()


# -- keys ---------------------------------------------------------------------------------------------------------------


async def test_a_key_that_fails_changes_nothing_else(defects: list[str]) -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        app.session.page.press = failing  # type: ignore[method-assign]
        await press(pilot, "down")
        assert "the key down failed: KeyError: 'n23'" in shot(app)
        await press(pilot, "question_mark")
        app.session.overlay = Menu(app.session, "a menu", [])
        app.session.overlay.press = failing  # type: ignore[method-assign]
        await press(pilot, "x")
        assert app.session.overlay is None, "a question that fails does not take the next key"
        app.session.show(1)
        await press(pilot, "down")
        assert " > rack" in shot(app)
    assert not app.ended_by
    assert len(defects) == 3
    defects.clear()


async def test_news_that_cannot_be_taken_in_are_taken_in_as_a_whole_later(defects: list[str]) -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        session, real = app.session, app.session._put
        session._put = failing  # type: ignore[method-assign]
        source.move(source.world, frozenset({"n1"}))
        source.told = [{"seq": 9, "at": at, "type": "hello", "node": "n1", "text": "x"}]
        while not session.defects.found:
            await pilot.pause()
        session._put = real  # type: ignore[method-assign]
        rows = set(session.world.nodes)
        session.rows.clear()
        source.move(source.world, frozenset())
        while set(session.rows) != rows:
            await pilot.pause()
    assert "taking in news failed" in defects[0]
    defects.clear()


# -- one snapshot -------------------------------------------------------------------------------------------------------


def test_a_world_that_is_newer_than_the_rows_that_name_its_nodes(tmp_path: Path) -> None:
    """An engine in the same process: its world already has nodes that no journal row has named to the console, and lacks others."""
    moments = storms.storm(60, 1500)
    first = next(i for i, moment in enumerate(moments) if len(moment.world.nodes) > 20)
    old, new = moments[first].world, moments[first + 400].world
    session = new_session(Still(old, tmp_path).snapshot(), wall=lambda: 1.0)
    came = set(new.nodes) - set(old.nodes)
    assert came
    for world in (new, old, new):
        one = next(iter(set(world.nodes) & set(old.nodes) - {"admin"}))
        source = Still(world, tmp_path, [{"seq": 2, "at": 1.0, "type": "hello", "node": one, "text": "x"}])
        source.touched = frozenset({one})
        session.take(source.snapshot())
        assert set(session.rows) == set(world.nodes)
        assert set(session.order) <= set(world.nodes)
        assert sum(session.counts.values()) == len(session.order)
        for node in world.nodes:
            assert session.node(node) is world.nodes[node]
        drawn(session)


# -- the terminal -------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from crowbar_tui.console import app, lifecycle

class Failing(app.Console):
    def on_took(self, message):
        password = "hunter2"
        raise KeyError("n23")

class Broken(app.Console):
    def __init__(self, *words, **more):
        password = "hunter2"
        raise KeyError("n23")

app.Console = {"failing": Failing, "broken": Broken}[sys.argv[1]]
where = Path(sys.argv[2])
lifecycle.wizard = lambda app: None
raise SystemExit(lifecycle.open_look_back(where) if sys.argv[3] == "past" else lifecycle.open_console(where, lambda words: 0))
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path, columns=120)
    yield one
    one.close()


def ended(terminal: Terminal, words: str) -> str:
    terminal.type(words, "Enter")
    text = terminal.wait(lambda text: "code 1" in text, 180.0)
    assert terminal.flag("alternate_on") == terminal.flag("mouse_any_flag") == "0"
    assert terminal.flag("cursor_flag") == terminal.flag("wrap_flag") == "1"
    assert "hunter2" not in text
    assert "Traceback" not in text
    return text


@needs_tmux
@pytest.mark.parametrize("how", ["failing", "broken"])
def test_a_console_that_ends_says_so_in_one_line(terminal: Terminal, tmp_path: Path, how: str) -> None:
    store, program = tmp_path / "store", tmp_path / "program.py"
    program.write_text(PROGRAM)
    Store.open(store).close()
    text = ended(terminal, f"PYTHONPATH={ROOT} {sys.executable} {program} {how} {store} past; echo code $?")
    assert "the console failed: KeyError: 'n23'; a defect of Crowbar: report it with" in text
    logged = (store / "console.log").read_text()
    assert "Traceback" in logged
    assert "hunter2" not in logged.replace('password = "hunter2"', "")


@needs_tmux
def test_a_console_that_ends_leaves_the_engine_inside_at_work(terminal: Terminal, tmp_path: Path) -> None:
    store, program = tmp_path / "store", tmp_path / "program.py"
    program.write_text(PROGRAM)
    terminal.type(f"PYTHONPATH={ROOT} {sys.executable} {program} failing {store} now", "Enter")
    try:
        text = terminal.wait("the engine keeps running", 180.0)
        assert "the console failed: KeyError: 'n23'" in text
        assert "hunter2" not in text
        assert "KeyError" in (store / "engine.log").read_text()
    finally:
        with Attached(store) as engine:
            engine.stop()

    def gone() -> bool:
        try:
            Attached(store).close()
        except AttachError:
            return True
        return False

    until(gone)


# -- ASCII --------------------------------------------------------------------------------------------------------------


def sent(seconds: float = 180.0, **environment: str) -> bytes:
    """What `crowbar look-back` sends to a terminal until its screen is complete."""
    pid, fd = pty.fork()
    if pid == 0:
        for name in ("LC_ALL", "LC_CTYPE", "LANG", "CROWBAR_ASCII"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm-256color", PYTHONPATH=str(ROOT), **environment)
        os.execv(sys.executable, [sys.executable, "-m", "crowbar_tui.cli", "look-back", str(GOLDEN)])
    out, end = b"", time.monotonic() + seconds
    try:
        while b"? help" not in out.replace(b"\x1b[", b"") and b"help" not in out:
            assert time.monotonic() < end, out[-300:]
            if select.select([fd], [], [], 1.0)[0]:
                out += os.read(fd, 65536)
        os.write(fd, b"q")
        while select.select([fd], [], [], 5.0)[0]:
            try:
                out += os.read(fd, 65536)
            except OSError:
                break
    finally:
        os.close(fd)
        os.waitpid(pid, 0)
    return out


@pytest.mark.parametrize(
    "environment", [{"LC_ALL": "C"}, {"LANG": "C"}, {}, {"LANG": "de_DE.ISO-8859-1"}, {"LC_ALL": "POSIX", "LANG": "C.UTF-8"}]
)
def test_without_a_utf8_locale_the_terminal_gets_ascii(environment: dict[str, str]) -> None:
    out = sent(**environment)
    assert out.isascii(), out.decode("utf-8", "replace")


def test_with_a_utf8_locale_the_terminal_gets_lines() -> None:
    assert "─".encode() in sent(LANG="C.UTF-8")


def test_python_does_not_choose_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the locale C, Python sets LC_CTYPE by itself. What counts is what the user's shell gave."""
    assert ascii_only({"LC_CTYPE": "", "LANG": "C"})
    assert ascii_only({})
    assert not ascii_only({"LC_CTYPE": "UTF-8"}), "as ssh passes it from a Mac"
    for name in ("LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    given = Path("/proc/self/environ").read_text().split("\0")
    assert as_started()["LC_CTYPE"] == next((one.removeprefix("LC_CTYPE=") for one in given if one.startswith("LC_CTYPE=")), "")


def test_text_from_outside_in_ascii_has_as_many_cells() -> None:
    assert to_ascii("Köln ─█ š ½ ☃") == "Koln -# s 1 ?"
    for text in ("Ærø", "─│┌", "…“”", "naïve"):
        assert to_ascii(text).isascii()
        assert len(to_ascii(text)) == len(text)
