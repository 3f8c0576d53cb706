"""The mouse: a click selects, a second one opens, the wheel moves, dragging does nothing, and a key leaves the mouse to the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from driving import console, press, shot, still
from textual import events

from crowbar_tui.console import pointer
from crowbar_tui.console.app import Console
from crowbar_tui.console.frame import draw
from crowbar_tui.console.mouse import OFF, ON, PIXELS_OFF, PIXELS_ON, MouseDriver, has_mouse
from crowbar_tui.console.pointer import key_at
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.styled import line
from engine.api.views import short


def row_of(app: Console, text: str) -> int:
    return next(y for y, one in enumerate(shot(app).splitlines()) if text in one[:60] and y > 1)


async def click(app: Console, pilot: Any, x: int, y: int, to: tuple[int, int] | None = None) -> None:
    end = to or (x, y)
    for kind, at in ((events.MouseDown, (x, y)), (events.MouseUp, end)):
        await app.on_event(kind(None, *at, 0, 0, 1, False, False, False, *at))
    await pilot.pause()


async def turn(app: Console, pilot: Any, kind: type[events.MouseEvent]) -> None:
    await app.on_event(kind(None, 5, 5, 0, 0, 0, False, False, False, 5, 5))
    await pilot.pause()


def under(app: Console) -> str:
    return short(app.session.rows[app.session.page.machine()].name)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_click_selects_and_a_second_one_opens(size: tuple[int, int]) -> None:
    source, at = still("working")
    async with console(source, at, size) as (app, pilot):
        for name in ("node-14", "node-16", "node-12"):
            await click(app, pilot, 10, row_of(app, name))
            assert under(app) == name
            assert app.session.page.name == "nodes"
        await click(app, pilot, 10, row_of(app, "node-12"))
        assert app.session.page.name == "node"
        assert under(app) == "node-12"


async def test_a_click_on_the_reason_of_a_row_is_one_on_the_row() -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        lines = shot(app).splitlines()
        y = next(y for y, one in enumerate(lines) if y > 3 and one.startswith("      ") and one.strip())
        name = lines[y - 1].split()[2 if lines[y - 1].startswith(("!", "?")) else 1]
        await press(pilot, "G")
        await click(app, pilot, 20, y)
        assert under(app) == name


async def test_a_click_beside_things_does_nothing() -> None:
    source, at = still("working")
    async with console(source, at, (160, 48)) as (app, pilot):
        before = shot(app)
        for x, y in ((10, 0), (10, 1), (10, 2), (10, 40), (150, 5)):
            await click(app, pilot, x, y)
            assert shot(app) == before


async def test_dragging_does_nothing() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        before = shot(app)
        await click(app, pilot, 10, 5, to=(30, 7))
        await app.on_event(events.MouseMove(None, 3, 3, 0, 0, 1, False, False, False, 3, 3))
        await app.on_event(events.MouseUp(None, 3, 5, 0, 0, 1, False, False, False, 3, 5))
        assert shot(app) == before


async def test_the_wheel_moves_and_scrolls() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        await turn(app, pilot, events.MouseScrollDown)
        assert under(app) == "node-16"
        await turn(app, pilot, events.MouseScrollUp)
        assert under(app) == "node-10"
        await press(pilot, "5 tab")
        before = shot(app)
        await turn(app, pilot, events.MouseScrollDown)
        assert shot(app) != before
        await press(pilot, "question_mark")
        before = shot(app)
        await turn(app, pilot, events.MouseScrollDown)
        assert shot(app) != before
        assert app.session.overlay is not None


async def test_the_key_line_can_be_clicked() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        line_ = shot(app).splitlines()[-1]
        await click(app, pilot, line_.index("topology") + 2, 23)
        assert app.session.page.name == "topology"
        await click(app, pilot, line_.index("1"), 23)
        assert app.session.page.name == "nodes"
        await click(app, pilot, line_.index("help"), 23)
        assert app.session.overlay is not None
        before = shot(app)
        await click(app, pilot, 10, 5)
        assert shot(app) == before, "a question is answered by keys"


async def test_a_click_orders_nothing() -> None:
    """It may only have been meant to bring the window to the front."""
    source, at = still("working")
    async with console(source, at, keys="down enter") as (app, pilot):
        last = shot(app).splitlines()[-1]
        for word in ("power", "retry", "approve", "hold", "identify"):
            if word in last:
                await click(app, pilot, last.index(word), 23)
        assert "retry" in last
        assert source.asked == []
        assert app.session.overlay is None
        await click(app, pilot, last.index("log"), 23)
        assert app.session.page.name == "log"


async def test_the_next_line_is_a_link() -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        before = app.session.step()
        await click(app, pilot, 20, row_of(app, " next "))
        assert before.node
        assert len(app.session.stack) > 1 or app.session.page.name != "nodes"


async def test_machines_of_a_rack_can_be_clicked() -> None:
    source, at = still("working")
    async with console(source, at, (160, 48), "2") as (app, pilot):
        y = row_of(app, "node-16")
        await click(app, pilot, shot(app).splitlines()[y].index("node-16") + 1, y)
        assert under(app) == "node-16"
        await click(app, pilot, shot(app).splitlines()[y].index("node-16") + 1, y)
        assert app.session.page.name == "node"


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 48)])
def test_every_cell_of_every_screen_can_be_clicked(size: tuple[int, int]) -> None:
    columns, rows = size
    source, at = still("faulty")
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    for key in "12345678":
        for y in range(rows):
            for x in (0, columns // 4, columns // 2, columns - 1):
                session.press(key)
                pointer.click(session, draw(session, columns, rows), x, y)
                draw(session, columns, rows)
                session.overlay = None
    assert not session.defects.found


def test_a_key_of_several_is_not_guessed() -> None:
    of = line((" ", ""), ("up down", "key"), (" read ", "dim"), ("esc", "key"), (" back ", "dim"), ("f5", "key"), (" retry ", "dim"))
    words = "".join(text for text, _ in of)
    assert [key_at(of, words.index(one)) for one in ("read", "back", "retry", "esc")] == ["", "escape", "f5", "escape"]
    assert key_at(of, 500) == ""


async def test_a_key_leaves_the_mouse_to_the_terminal() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        switched: list[bool] = []
        app.session.manner.switch_mouse = lambda on: not switched.append(on)  # type: ignore[func-returns-value]
        await press(pilot, "f2")
        assert "mouse off: the terminal selects text; f2 switches it on" in shot(app)
        await press(pilot, "f2")
        assert "mouse on" in shot(app)
        assert switched == [False, True]
        app.session.manner.switch_mouse = lambda _on: False
        await press(pilot, "f2")
        assert "reports no mouse" in shot(app)
        assert app.session.manner.mouse


class Written(MouseDriver):
    """Keeps what would go to the terminal."""

    def __init__(self, mouse: bool, wanted: bool) -> None:
        self._mouse, self.wanted, self._mouse_pixels = mouse, wanted, False
        self.out = io.StringIO()

    def write(self, data: str) -> None:
        self.out.write(data)

    def flush(self) -> None:
        """Nothing is kept back."""


def test_what_the_terminal_is_told() -> None:
    usual = Written(True, True)
    usual._enable_mouse_support()
    assert usual.switch(False)
    assert usual.switch(True)
    assert usual.out.getvalue() == ON + OFF + ON
    assert "1003" not in ON + OFF, "movements are not reported"
    pixels = Written(True, False)
    pixels._enable_mouse_support()
    pixels._enable_mouse_pixels()
    assert pixels.out.getvalue() == ""
    pixels.switch(True)
    pixels.switch(False)
    assert pixels.out.getvalue() == ON + PIXELS_ON + PIXELS_OFF + OFF
    none = Written(False, True)
    assert not none.switch(True)
    none._disable_mouse_support()
    assert none.out.getvalue() == ""


@pytest.mark.parametrize(("term", "has"), [("linux", False), ("vt220", False), ("dumb", False), ("", False), ("xterm-256color", True)])
def test_which_terminals_have_one(term: str, has: bool) -> None:
    assert has_mouse(term) is has
