"""A few screens as Textual draws them, with colours: `tests/golden/console/svg/NAME.svg`, to be looked at in a browser.

Compared is what can be seen: of each row its texts, with colour, background and weight. Ids, class numbers, fonts, window frame and the order
of attributes are Rich's own and may change. `CROWBAR_GOLDEN=write` writes the files anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from driving import SIZES, console, press, still, until
from pasts import past, real

FOLDER = Path(__file__).parents[1] / "golden" / "console" / "svg"
SVG = "{http://www.w3.org/2000/svg}"
PAGES = {
    "nodes": ("faulty", "down down"),
    "rack": ("faulty", "2 down"),
    "topology": ("faulty", "3"),
    "roles": ("faulty", "4 down down down right right right right"),
    "plan": ("working", "5"),
    "networks": ("working", "6"),
    "events": ("working", "7"),
    "health": ("working", "8"),
}
SCREENS = {
    **{f"{name}-{size[0]}x{size[1]}": (*page, size, "default") for name, page in PAGES.items() for size in SIZES},
    "nodes-faulty": ("faulty", "", (80, 24), "default"),
    "nodes-faulty-ansi16": ("faulty", "", (80, 24), "ansi16"),
    "nodes-faulty-contrast": ("faulty", "", (80, 24), "contrast"),
    "nodes-faulty-light": ("faulty", "", (80, 24), "light"),
    "nodes-faulty-colour-blind": ("faulty", "", (80, 24), "colour-blind"),
    "nodes-faulty-colour-blind-16": ("faulty", "", (80, 24), "colour-blind-16"),
    "node-faulty": ("faulty", "down down enter", (80, 24), "default"),
    "rack-faulty": ("faulty", "2", (80, 24), "default"),
    "roles-working": ("working", "4", (160, 48), "default"),
    "why-faulty": ("faulty", "down down w", (80, 24), "default"),
    "reinstall-ready": ("ready", "I", (80, 24), "ansi16"),
    "look-back": ("", "0 right_square_bracket", (80, 24), "default"),
    "look-back-ansi16": ("", "0 right_square_bracket", (80, 24), "ansi16"),
}

Cell = tuple[float, float, str, str]


def seen(svg: str) -> tuple[list[Cell], list[Any]]:
    """Texts with row, column and style, and coloured backgrounds: both in the order of the screen."""
    rules = {
        name: ";".join(sorted(part.strip() for part in body.split(";") if part.strip()))
        for name, body in re.findall(r"\.terminal-\d+-(r\d+)\s*\{([^}]*)\}", svg)
    }
    root = ElementTree.fromstring(svg)
    group = next(g for g in root.iter(f"{SVG}g") if g.get("class", "").endswith("-matrix"))
    texts = []
    for text in group.iter(f"{SVG}text"):
        words = (text.text or "").replace("\xa0", " ")
        if words.strip():
            style = rules.get(text.get("class", "").rpartition("-")[2], "")
            texts.append((round(float(text.get("y", 0)), 1), round(float(text.get("x", 0)), 1), words.rstrip(), style))
    backs = [
        (*(round(float(r.get(k, 0)), 1) for k in ("y", "x", "width", "height")), r.get("fill", ""))
        for r in root.iter(f"{SVG}rect")
        if r.get("shape-rendering") == "crispEdges"
    ]
    return sorted(texts), sorted(backs)


@pytest.mark.parametrize("name", SCREENS)
async def test_screen(name: str) -> None:
    world, keys, size, theme = SCREENS[name]
    if world:
        source, at = still(world)
    else:
        source = past()
        at = real(source)
    async with console(source, at, size, keys, theme) as (app, pilot):
        if not world:
            await until(pilot, lambda: app.session.snapshot.seq == 87)
        app.paint()
        await press(pilot, "")
        svg = app.export_screenshot(title="crowbar")
    path = FOLDER / f"{name}.svg"
    if os.environ.get("CROWBAR_GOLDEN") == "write":
        FOLDER.mkdir(parents=True, exist_ok=True)
        local = re.sub(r"@font-face\s*\{[^}]*\}\s*", "", svg)  # a file that is looked at asks nobody for a font
        path.write_text(re.sub(r"terminal-\d+", "terminal-1", local), encoding="utf-8")
    assert path.exists(), f"{path} is missing: run with CROWBAR_GOLDEN=write, and look at it"
    texts, backs = seen(svg)
    old_texts, old_backs = seen(path.read_text(encoding="utf-8"))
    assert texts == old_texts
    assert backs == old_backs
    assert len(texts) > 20


def test_colours_are_seen() -> None:
    """The comparison itself: another colour, word or place is another screen; another id is not."""
    svg = (FOLDER / "nodes-faulty.svg").read_text(encoding="utf-8")
    assert seen(svg) == seen(svg.replace("terminal-1-", "terminal-77-"))
    for old, new in (("#e5604d", "#00ff00"), ("node-14", "node-15"), ("problems", "problem ")):
        assert old in svg
        assert seen(svg) != seen(svg.replace(old, new))
    assert seen(svg)[0] != seen((FOLDER / "nodes-faulty-ansi16.svg").read_text(encoding="utf-8"))[0]
