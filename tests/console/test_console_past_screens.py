"""A look back, as plain text, at 80x24 and 160x48: every screen with the bar below it, in the main states of the bar."""

from __future__ import annotations

from typing import Any

import pytest
from driving import APP, SIZES, console, drawn, press, shot, until
from pasts import past, real

from crowbar_tui.console.frame import draw
from crowbar_tui.console.glyphs import CP437
from crowbar_tui.console.look_back import bar
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.styled import plain, width
from engine.views.past import Stretch

SCREENS = {
    "past-nodes": "0 right_square_bracket",
    "past-end": "",
    "past-beginning": "0",
    "past-middle": "0 right_square_bracket left_parenthesis",
    "past-rack": "0 right_square_bracket 2",
    "past-topology": "0 right_square_bracket 3",
    "past-roles": "0 right_square_bracket 4",
    "past-plan": "0 right_square_bracket 5",
    "past-networks": "0 right_square_bracket 6",
    "past-events": "0 right_square_bracket 7",
    "past-health": "0 right_square_bracket 8",
    "past-node": "0 right_square_bracket down down enter",
    "past-why": "0 right_square_bracket down down w",
    "past-refused": "0 right_square_bracket r",
    "past-help": "question_mark",
    "past-time": "T 1 4 colon 0 5",
    "past-palette": "colon p r o b l e m",
}
SEQ = {"past-end": 122, "past-refused": 87, "past-help": 122, "past-time": 122, "past-palette": 122, "past-beginning": 0, "past-middle": 73}


async def shown(app: Any, pilot: Any, seq: int) -> str:
    """The screen at that moment of the past. The picture before may still stand for a while: what costs much is not drawn anew for each key."""
    await until(pilot, lambda: app.session.snapshot.seq == seq)
    await press(pilot, "")
    app.paint()
    await press(pilot, "")
    return shot(app)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
async def test_screen(name: str, size: tuple[int, int], golden) -> None:
    source = past()
    if size in APP:
        async with console(source, real(source), size, SCREENS[name]) as (app, pilot):
            text = await shown(app, pilot, SEQ.get(name, 87))
    else:
        text = drawn(source, real(source), size, SCREENS[name], past=True)
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert all(len(one) <= size[0] for one in lines)
    assert not {c for c in text if not c.isascii()} - CP437
    golden(f"{name}-{size[0]}x{size[1]}", text)


async def test_in_ascii(golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWBAR_ASCII", "1")
    source = past()
    async with console(source, real(source), keys=SCREENS["past-middle"]) as (app, pilot):
        text = await shown(app, pilot, SEQ["past-middle"])
    assert text.isascii()
    golden("past-middle-ascii-80x24", text)


@pytest.mark.parametrize("size", [(60, 12), (61, 13), (80, 16), (100, 30), (200, 60)])
def test_every_screen_fits_every_size(size: tuple[int, int]) -> None:
    """At every eleventh event, whatever lies over it: exactly so many lines of so many cells."""
    source = past()
    session = new_session(source.snapshot(), wall=lambda: 5000.0)
    session.past = source
    for seq in range(0, 123, 11):
        source.do(lambda p, seq=seq: p.to(seq))
        session.take(source.snapshot())
        for digit in "12345678":
            for keys in ("", "tab", "down enter", "w", "?", "escape :", "escape T", "escape /", "escape escape"):
                for key in f"{digit if not keys else ''} {keys}".split():
                    session.press(key)
                lines = draw(session, *size)
                assert len(lines) == size[1]
                assert {width(one) for one in lines} == {size[0]}, plain(lines[-1])


@pytest.mark.parametrize("columns", [8, 20, 57, 140])
def test_the_bar(columns: int) -> None:
    stretch = Stretch(begins=0.0, ends=100.0, problems=(0.0, 50.0, 100.0), bad=((50.0, 75.0),))
    for now, cell in ((0.0, 0), (100.0, columns - 1), (-5.0, 0), (900.0, columns - 1)):
        text = plain(bar(stretch, now, columns))
        assert (len(text), text.index("█"), text.count("█")) == (columns, cell, 1)
    middle = plain(bar(stretch, 25.0, columns))
    assert middle[0] == middle[-1] == "!"
    assert middle.count("!") == 3
    here = middle.index("█")
    assert set(middle[1:here]) <= {"═"}
    assert set(middle[here + 1 : middle.index("!", 1)]) <= {"─"}
    assert "░" in middle
    assert "▒" not in middle
    assert "░" not in plain(bar(stretch, 100.0, columns))
    assert plain(bar(Stretch(begins=5.0, ends=5.0, problems=(), bad=()), 5.0, columns)) == "═" * (columns - 1) + "█"
