"""The colours: what a terminal gets, and that the states stay apart for people who see red and green alike, on dark and light terminals."""

from __future__ import annotations

from itertools import combinations

import pytest
from colour_vision import VISIONS, contrast, difference, seen
from driving import console, still

from crowbar_tui.console.theme import NAMES, fitting, light, styles

STATES = ("good", "busy", "ask", "bad")
GROUNDS = {"default": ["#000000", "#1e1e1e"], "light": ["#ffffff", "#fdf6e3"]}
"""Usual backgrounds of dark and of light terminals."""
APART, READABLE = 30.0, 4.5
"""Least difference of two states, and least contrast of text (WCAG 2.1, AA)."""
UTF8 = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}


def rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def colour(theme: str, style: str) -> tuple[int, int, int]:
    found = styles(theme)[style].color
    assert found is not None
    return tuple(found.get_truecolor())  # type: ignore[return-value]


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["colour-blind", "colour-blind-light"])
def test_states_stay_apart_for_everybody(theme: str, vision: str) -> None:
    near = {(a, b): difference(seen(colour(theme, a), vision), seen(colour(theme, b), vision)) for a, b in combinations(STATES, 2)}
    assert {pair: round(much) for pair, much in near.items() if much < APART} == {}


def test_the_usual_theme_would_not_pass() -> None:
    """So the test above can fail."""
    near = [difference(*(seen(colour("default", state), "protanopia") for state in pair)) for pair in combinations(STATES, 2)]
    assert min(near) < APART


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("theme", "ground"), [("colour-blind", "default"), ("colour-blind-light", "light"), ("light", "light")])
def test_states_are_readable(theme: str, ground: str, vision: str) -> None:
    if theme == "light" and vision != "normal":
        pytest.skip("its users see all colours")
    for background in GROUNDS[ground]:
        behind = seen(rgb(background), vision)
        least = READABLE if background in ("#1e1e1e", "#000000", "#ffffff") else 4.0
        poor = {state: round(c, 1) for state in (*STATES, "key") if (c := contrast(seen(colour(theme, state), vision), behind)) < least}
        assert poor == {}


@pytest.mark.parametrize("theme", ["default", "light", "colour-blind", "colour-blind-light"])
def test_states_are_readable_under_the_cursor(theme: str) -> None:
    for state in STATES:
        style = styles(theme)[f"{state}+"]
        assert style.color is not None
        assert style.bgcolor is not None
        on = contrast(seen(style.color.get_truecolor(), "normal"), seen(style.bgcolor.get_truecolor(), "normal"))
        assert on >= 3.0, state


@pytest.mark.parametrize(
    ("environment", "asked", "theme"),
    [
        ({}, "", "default"),
        ({"COLORFGBG": "15;0"}, "", "default"),
        ({"COLORFGBG": "0;15"}, "", "light"),
        ({"COLORFGBG": "0;default;15"}, "", "light"),
        ({"COLORFGBG": "0;7"}, "colour-blind", "colour-blind-light"),
        ({"COLORFGBG": "0;15"}, "default", "default"),
        ({"COLORFGBG": "0;15"}, "contrast", "contrast"),
        ({"COLORFGBG": "0;15", "TERM": "rxvt"}, "", "ansi16-light"),
        ({}, "light", "light"),
        ({"TERM": "linux"}, "light", "ansi16-light"),
        ({"TERM": "linux"}, "default", "ansi16"),
        ({"TERM": "linux"}, "colour-blind", "colour-blind-16"),
        ({"TERM": "linux"}, "contrast", "contrast"),
        ({"CROWBAR_THEME": "light"}, "colour-blind", "light"),
        ({"CROWBAR_THEME": "pink"}, "colour-blind", "colour-blind"),
        ({"NO_COLOR": "1"}, "colour-blind", "mono"),
        ({"NO_COLOR": "1", "CROWBAR_THEME": "contrast"}, "", "contrast"),
        ({"TERM": "vt100"}, "light", "mono"),
        ({"TERM": "vt100", "CROWBAR_THEME": "ansi16"}, "", "ansi16"),
    ],
)
def test_what_a_terminal_and_its_user_get(environment: dict[str, str], asked: str, theme: str) -> None:
    assert fitting({**UTF8, **environment}, asked) == theme


@pytest.mark.parametrize("text", ["", ";", "15", "0;16", "0;-1", "0;999999999999999999999", "0;\u0661", "0;8", "x;y"])
def test_no_text_of_colorfgbg_harms(text: str) -> None:
    assert light({"COLORFGBG": text}) is (text == "15")


def test_16_colours_are_the_terminals_own() -> None:
    for name in ("ansi16", "ansi16-light", "colour-blind-16"):
        for style in styles(name).values():
            for one in (style.color, style.bgcolor):
                assert one is None or one.number is None or one.number < 16
                assert one is None or one.triplet is None


async def test_every_theme_can_be_chosen_by_name() -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        for name in NAMES:
            await pilot.press("colon", *("space" if c == " " else "minus" if c == "-" else c for c in f"theme {name}"), "enter")
            await pilot.pause()
            assert app.session.theme == name
