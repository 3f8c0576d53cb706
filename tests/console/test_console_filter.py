"""Filters, marks, and what the console keeps between two starts: expressions that cannot hang it, ranges, a file that may be damaged."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from driving import console, drawn, press, shot, still, until
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.console import kept, kept_file
from crowbar_tui.console.kept import DamagedKept, Kept, PageKept
from crowbar_tui.console.needle import LONGEST, WrongNeedle, needle
from crowbar_tui.console.page import Listing
from engine.api.views import short

# -- the filter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "text", "finds"),
    [
        ("prob", "node-14 hardware problem", True),
        ("PROB 14", "node-14 hardware problem", True),
        ("14 zzz", "node-14 hardware problem", False),
        ("!prob", "node-14 hardware problem", False),
        ("!ready", "node-14 hardware problem", True),
        ("node-1[46]", "node-14", True),
        ("node-1[46]", "node-15", False),
        ("^node", "node-14", True),
        ("^14", "node-14", False),
        ("/hard.*lem/", "node-14 hardware problem", True),
        ("/ware prob/", "node-14 hardware problem", True),
        ("!/ware prob/", "node-14 hardware problem", False),
        (r"10\.0\.0\.1$", "10.0.0.1", True),
        (".*lem", "problem", True),
        ("", "anything", True),
        ("!", "anything", True),
        ("/", "a/b", True),
    ],
)
def test_words_expressions_and_the_inverse(typed: str, text: str, finds: bool) -> None:
    assert needle(typed).finds(text) is finds


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("(a", "missing )"),
        ("[", "unterminated character set"),
        ("*", "nothing to repeat"),
        ("a{9999999999}", "too large"),
        ("x" * (LONGEST + 1), "more than 200 letters"),
        ("(a+)+$", "too slow"),
        ("(a|a)*b", "too slow"),
        ("(?:x*)*", "too slow"),
        ("(?P<x>a?){20}", "too slow"),
        ("((a{100}){100}){100}", "too slow"),
        ("a*a*a*a*b", "too slow"),
        ("a?" * 40, "too slow"),
        ("(a|b)" * 20, "too slow"),
    ],
)
def test_what_is_no_expression_or_too_slow_says_why(typed: str, why: str) -> None:
    with pytest.raises(WrongNeedle, match=why.replace(")", r"\)")):
        needle(typed)


@given(st.text(alphabet="ab(|)*+?{}[]\\.^$,12!/ ", max_size=30))
def test_whatever_is_typed_is_refused_or_fast(typed: str) -> None:
    try:
        found = needle(typed)
    except WrongNeedle:
        return
    begun = time.process_time()
    found.finds("ab" * 12 + "1")
    assert time.process_time() - begun < 1.0


def test_a_wrong_expression_says_why_while_it_is_typed_and_changes_nothing() -> None:
    source, at = still("faulty")
    text = drawn(source, at, (80, 24), "/ 1 4")
    wrong = drawn(source, at, (80, 24), "/ 1 4 (")
    assert text.splitlines()[:-1] == wrong.splitlines()[:-1]
    assert "14( is no regular expression: missing )" in wrong.splitlines()[-1]
    assert "/14(" in drawn(source, at, (80, 24), "/ 1 4 ( enter").splitlines()[-1], "enter does not keep it"
    assert drawn(source, at, (80, 24), "/ 1 4 ( escape") == drawn(source, at, (80, 24), "/ 1 4 escape")


async def test_a_filter_finds_what_only_the_label_says_and_an_expression() -> None:
    source, at = still("faulty")
    async with console(source, at, keys="slash S N 0 0 0 4") as (app, pilot):
        assert [short(row.name) for row in app.session.page.shown()] == ["node-16"]
        await press(pilot, "ctrl+u")
        await press(pilot, "1 left_square_bracket 4 6 right_square_bracket")
        assert [short(row.name) for row in app.session.page.shown()] == ["node-14", "node-16"]
        await press(pilot, "ctrl+u exclamation_mark n o d e")
        assert "no line fits the filter !node: esc shows all" in shot(app)


def test_a_filter_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from crowbar_tui.console import page

    monkeypatch.setattr(page, "SLOW_S", -1.0)
    source, at = still("faulty")
    assert "too slow: it looked at 1 of 6 lines" in drawn(source, at, (80, 24), "/ n o d e")


# -- marks ------------------------------------------------------------------------------------------------------------


async def marked(keys: str, world: str = "working") -> list[str]:
    source, at = still(world)
    async with console(source, at, keys=keys) as (app, _):
        return [short(app.session.rows[n].name) for n in app.session.order if n in app.session.marks]


@pytest.mark.parametrize("key", ["V", "ctrl+@"])
async def test_a_range_reaches_from_the_last_mark_to_the_cursor(key: str) -> None:
    assert await marked(f"down space down down {key}") == ["node-12", "node-14", "node-16"]
    assert await marked(f"end space home {key} u") == []
    assert await marked(f"end space up up {key}") == ["node-16", "node-18", "node-20"]


async def test_without_a_mark_a_range_begins_where_it_is_asked_for() -> None:
    assert await marked("down V down V") == ["node-12", "node-14"]
    assert await marked("down space space down down V") == ["node-16"], "the mark was taken away"


async def test_shift_with_arrows_marks_what_the_cursor_passes() -> None:
    assert await marked("shift+down shift+down") == ["node-10", "node-12", "node-14"]


async def test_marks_are_the_same_on_other_screens() -> None:
    assert await marked("2 space down down V 1") == ["node-16", "node-18", "node-20"], "the rack begins at the top"
    assert await marked("4 down space down V 1") == ["node-10", "node-12"]


async def test_a_range_reaches_only_what_the_filter_shows() -> None:
    assert await marked("slash ! 1 4 enter space end V".replace("!", "exclamation_mark")) == [
        "node-10",
        "node-12",
        "node-16",
        "node-18",
        "node-20",
    ]


# -- kept between two starts --------------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "crowbar" / "console.json"


def octets(path: Path) -> bytes:
    return path.read_bytes()


def damage(state: Path, text: bytes) -> None:
    state.parent.mkdir(parents=True)
    state.write_bytes(text)


def hinder(kind: str, state: Path) -> None:
    state.parent.mkdir(parents=True)
    if kind == "folder":
        state.mkdir()
    elif kind == "pipe":
        os.mkfifo(state)
    elif kind == "link":
        (state.parent / "secret").write_text("{}")
        state.symlink_to(state.parent / "secret")
    elif kind == "forbidden":
        state.parent.chmod(0o500)


async def leave_and_come_back(keys: str, then: str = "", world: str = "working") -> tuple[str, Any]:
    source, at = still(world)
    for some in (keys, then):
        async with console(source, at) as (app, pilot):
            app.keep(kept_file.KeptFile(source.where))
            await press(pilot, some)
            if some:
                await until(pilot, lambda app=app: not app.session.waiting)
            app.paint()
            await pilot.pause()
            text = shot(app)
    return text, app


async def test_filter_and_sort_are_there_at_the_next_start(state: Path) -> None:
    text, app = await leave_and_come_back("slash 1 4 enter s s S 6 s 1")
    assert "/14" in text.splitlines()[1]
    assert "the filter 14 of the last start still counts: esc shows all" in text
    assert "by name, reversed" in text.splitlines()[1]
    networks = app.session.screens[5]
    assert isinstance(networks, Listing)
    assert networks.kept() == PageKept("", "node", False)
    assert os.stat(state).st_mode & 0o777 == 0o600


async def test_what_is_taken_back_is_forgotten(state: Path) -> None:
    await leave_and_come_back("slash 1 4 enter", "escape")
    assert json.loads(octets(state))["stores"] == {}


async def test_the_history_of_commands_outlives_the_console(state: Path) -> None:
    text, _ = await leave_and_come_back("colon r a c k enter colon h e a l t h enter", "colon up up")
    assert ": rack" in text
    text, _ = await leave_and_come_back("", "colon up up down")
    assert ": health" in text
    text, _ = await leave_and_come_back("", "colon up up down down")
    assert "1 of " in text, "at last the empty line again"


async def test_another_store_has_its_own_filters_and_the_same_history(state: Path) -> None:
    await leave_and_come_back("slash 1 4 enter colon r a c k enter")
    other = kept_file.KeptFile("/another/store")
    assert other.kept.pages("/another/store") == {}
    assert other.kept.history == ("rack",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "version"),
        (b'{"version": 2}', "version"),
        (b'{"version": 1, "stores": 3}', "stores"),
        (b'{"version": 1, "stores": {"/s": 3}}', "object"),
        (b'{"version": 1, "stores": {"/s": {"nodes": {"filter": 3}}}}', "`filter`"),
        (b'{"version": 1, "stores": {"/s": {"nodes": {"reverse": "yes"}}}}', "`reverse`"),
        (b'{"version": 1, "stores": {"/s": {"nodes": {"filter": "\\u001b[2J"}}}}', "`filter`"),
        (b" " * (kept.SIZE + 1), "larger"),
    ],
)
async def test_a_damaged_file_is_ignored_with_a_line(text: bytes, why: str, state: Path) -> None:
    with pytest.raises(DamagedKept, match=why):
        kept.read(text)
    damage(state, text)
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        app.keep(kept_file.KeptFile(source.where))
        app.paint()
        await pilot.pause()
        seen = " ".join(shot(app).split())
        assert "console.json is ignored:" in seen
        await press(pilot, "slash 1 4 enter")
    assert kept.read(octets(state)).pages(str(source.where))["nodes"].filter == "14", "the next one is sound again"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "forbidden", "no home"])
async def test_what_is_no_file_of_this_user_keeps_nothing_and_stops_nobody(kind: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hinder(kind, state)
    if kind == "no home":
        monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        app.keep(kept_file.KeptFile(source.where))
        await press(pilot, "slash 1 4 enter")
    os.chmod(state.parent, 0o700)
    if kind == "link":
        assert octets(state.parent / "secret") == b"{}"


def test_two_consoles_keep_what_both_did(state: Path) -> None:
    one, other = kept_file.KeptFile("/s"), kept_file.KeptFile("/s")
    one.write({"nodes": PageKept("14")}, ["rack"])
    other.write({"roles": PageKept("raid")}, ["health", "rack"])
    there = kept_file.KeptFile("/s").kept
    assert there.pages("/s") == {"nodes": PageKept("14"), "roles": PageKept("raid")}
    assert there.history == ("health", "rack")


@given(st.lists(st.text(max_size=300), max_size=300), st.dictionaries(st.text(max_size=8), st.text(max_size=300), max_size=60))
def test_whatever_was_typed_the_file_is_read_again(history: list[str], filters: dict[str, str]) -> None:
    pages = {name: PageKept(text) for name, text in filters.items()}
    found = kept.joined(Kept(), "/s", pages, history)
    try:
        again = kept.read(kept.written(found))
    except DamagedKept:
        assert any(not text.isprintable() or len(text) > kept.LETTERS for text in filters.values())
        return
    assert len(again.history) <= kept.HISTORY
    assert len(again.pages("/s")) <= kept.PAGES
