"""The habits that people bring from k9s, lazygit, btop and their like: each with the test that shows it, or with the reason why it is missing."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from driving import console, drawn, press, shot, still, until
from msgspec.structs import replace

from crowbar_tui.console.app import PACE_S, SLOWEST_S, pace_of
from crowbar_tui.console.keys import COMMON, commands
from crowbar_tui.console.screens import new_session
from engine.api.views import short
from engine.core.world.work import Work

TESTS = Path(__file__).parents[1]
MOST_MISSING = 8


class Habit(NamedTuple):
    number: int
    what: str
    shown_by: tuple[str, ...] = ()
    """`file::test`, below `tests`; without a file: a test of this file."""
    missing: str = ""
    """Why the console does not have it."""


def has(number: int, what: str, *tests: str) -> Habit:
    return Habit(number, what, tests)


def lacks(number: int, what: str, why: str) -> Habit:
    return Habit(number, what, missing=why)


PURE, WAYS, DOING, PAST = (f"console/test_console_{name}.py::" for name in ("pure", "ways", "doing", "past"))
FILTER, COPYING, SEARCH, ASIDE = (f"console/test_console_{name}.py::" for name in ("filter", "copying", "search", "aside"))
SCREENS, TERMINAL, WIDE, PLAN = (f"console/test_console_{name}.py::" for name in ("screens", "terminal", "wide", "plan"))
PROBLEMS, LOG, CUTS, DEFECTS = (f"console/test_console_{name}.py::" for name in ("problems", "log", "cuts", "defects"))
TIMELINE, MOUSE, READ_ONLY, PREFERENCES = (
    f"console/test_console_{name}.py::" for name in ("timeline", "mouse", "read_only", "preferences")
)

HABITS = (
    # -- where to go, and what can be done
    has(1, "command palette with fuzzy search", PURE + "test_the_palette_finds"),
    has(2, "`:` with aliases and completion", COPYING + "test_tab_completes_in_questions_and_commands_that_take_files"),
    has(3, "`?` with the keys of this place", "test_help_says_what_can_be_done_here"),
    has(4, "the key line changes with the screen", "test_the_key_line_changes_with_the_screen"),
    lacks(5, "jump mode with letters over widgets", "a screen has one list and one detail; five keys go to any row"),
    has(6, "crumbs, esc goes up, `-` last view", "test_crumbs_grow_esc_goes_up_and_minus_goes_to_the_last_view"),
    has(7, "numbered screens", "test_a_digit_is_a_screen"),
    has(8, "vim keys", "test_the_keys_of_vi_move"),
    has(9, "tabs within a screen", "test_tab_turns_the_screen"),
    has(10, "fuzzy go to object", SEARCH + "test_five_keys_lead_from_a_label_to_the_row"),
    has(11, "jump to a related object", "test_enter_goes_to_the_thing_that_a_line_is_about", SEARCH + "test_a_result_leads_to_its_row"),
    lacks(12, "hotkeys for own commands, read again live", "an order is a verb of the engine; a key for each verb exists"),
    has(13, "user keymap", PREFERENCES + "test_a_moved_key_does_it_and_is_shown_everywhere"),
    lacks(
        14, "own commands and plugins", "what runs on machines is a barclamp, which the engine checks; the console runs no code of users"
    ),
    # -- lists
    has(
        15,
        "filter: regex, inverse, labels",
        FILTER + "test_words_expressions_and_the_inverse",
        FILTER + "test_a_wrong_expression_says_why_while_it_is_typed_and_changes_nothing",
        FILTER + "test_what_is_no_expression_or_too_slow_says_why",
    ),
    has(16, "search, next and previous match", COPYING + "test_a_log_is_searched"),
    has(17, "sort by a key, marker, reverse", "test_the_order_is_named_and_reversed"),
    has(18, "wide and narrow columns, own columns", PREFERENCES + "test_columns_stand_in_the_users_order"),
    has(
        19,
        "marks: one, range, all, none",
        WAYS + "test_space_marks_and_does_not_move",
        FILTER + "test_a_range_reaches_from_the_last_mark_to_the_cursor",
        FILTER + "test_shift_with_arrows_marks_what_the_cursor_passes",
    ),
    has(20, "only faults", PROBLEMS + "test_the_queue_of_problems"),
    has(21, "own columns in a file", PREFERENCES + "test_a_whole_file_is_read", PREFERENCES + "test_the_tables_name_the_pages_columns"),
    lacks(22, "changed values highlighted", "200 changes a second would light all rows; ages and events say what changed"),
    has(
        23,
        "the cursor stays on its thing",
        WAYS + "test_the_cursor_stays_on_its_node_when_the_filter_goes",
        "test_the_cursor_stays_on_its_node_when_the_order_changes",
    ),
    has(24, "counts and the filter in the title", WAYS + "test_under_a_filter_the_count_says_of_how_many"),
    has(25, "truthful truncation", CUTS + "test_no_shown_text_that_matters_ends_in_a_cut"),
    has(26, "the whole row in a pane", WIDE + "test_the_detail_follows_the_cursor"),
    has(27, "groups that fold and open", "test_identical_cables_fold_and_open_under_the_cursor"),
    # -- orders
    has(
        28, "what destroys is confirmed, default no", DOING + "test_what_destroys_is_typed", DOING + "test_no_is_what_enter_and_escape_mean"
    ),
    has(
        29,
        "read-only mode",
        READ_ONLY + "test_each_ordering_key_says_so_in_one_line",
        READ_ONLY + "test_every_order_of_a_source_has_its_wall",
    ),
    has(30, "undo", PLAN + "test_an_earlier_revision_is_read_and_gone_back_to", PLAN + "test_settings_are_set_and_taken_back"),
    has(31, "a log of the commands", "test_notes_list_every_answer"),
    has(32, "dry run", PLAN + "test_a_commit_is_previewed_and_then_done"),
    has(33, "progress of long tasks, and their end", "cli/test_cli_long_task.py::test_a_bundle_that_is_cancelled_leaves_nothing"),
    has(34, "retry", DOING + "test_a_key_gives_the_order"),
    has(35, "save the table", COPYING + "test_a_table_is_saved_as_csv_and_as_text_and_nothing_is_overwritten_unasked"),
    has(
        36,
        "copy by OSC 52, with a bound",
        COPYING + "test_a_field_and_a_line_are_copied",
        COPYING + "test_a_text_has_a_bound_and_cannot_end_the_sequence",
    ),
    has(37, "a log in $PAGER", ASIDE + "test_a_pager_has_the_terminal_and_gives_it_back"),
    has(38, "the same flow without a screen", "e2e/test_e2e_rehearse.py::test_one_node_becomes_ready"),
    has(39, "record and replay", PAST + "test_steps_visit_every_event_there_and_back"),
    has(40, "health at a glance", PROBLEMS + "test_who_comes_and_who_goes_is_told_and_who_is_there_stands_on_the_health_page"),
    # -- what moves
    has(
        41,
        "pause and go on",
        PAST + "test_space_plays_and_pauses_and_speeds_are_told",
        PAST + "test_one_key_looks_back_and_the_same_returns",
    ),
    has(42, "logs: follow, earlier ones", LOG + "test_the_log_of_what_failed_is_shown_first_and_followed"),
    has(
        43,
        "age of what is shown, `disconnected`",
        "test_a_row_says_how_old_its_signal_is",
        DOING + "test_an_engine_that_goes_and_comes_back",
    ),
    has(44, "refresh interval with a floor", "test_the_pace_can_be_slower_and_has_a_floor"),
    has(45, "sparklines in any terminal", TIMELINE + "test_every_sign_of_the_picture_is_in_the_code_page_of_a_console"),
    has(46, "reconnects by itself", DOING + "test_an_engine_that_goes_and_comes_back"),
    has(47, "several consoles at one engine", TERMINAL + "test_two_consoles_see_what_each_other_does"),
    has(48, "toasts that go", "test_an_answer_goes_after_some_seconds_and_stays_in_the_notes"),
    has(
        49,
        "bell and notification",
        PROBLEMS + "test_the_bell_rings_once_when_something_new_needs_a_person_and_the_line_goes_with_the_next_key",
    ),
    # -- looks
    has(50, "themes", SCREENS + "test_a_theme_changes_colours_and_no_word", PURE + "test_every_theme_has_every_ink"),
    has(51, "NO_COLOR", PURE + "test_what_a_terminal_gets"),
    has(52, "16 colours, by themselves", PURE + "test_on_16_colours_only_named_colours_are_used"),
    has(53, "ASCII for frames and signs", SCREENS + "test_ascii_says_the_same_in_ascii"),
    has(
        54, "mouse on and off", MOUSE + "test_a_click_selects_and_a_second_one_opens", MOUSE + "test_a_key_leaves_the_mouse_to_the_terminal"
    ),
    has(55, "80x24 is enough, `too small` below", SCREENS + "test_it_says_when_it_is_too_small_and_comes_back"),
    has(56, "a pane as the whole screen", "test_the_pane_of_a_node_becomes_the_screen"),
    lacks(57, "hide the header", "title and rule are two lines and hold what the next key depends on"),
    has(
        58,
        "filters, order, history outlive the console",
        FILTER + "test_filter_and_sort_are_there_at_the_next_start",
        FILTER + "test_the_history_of_commands_outlives_the_console",
        FILTER + "test_a_damaged_file_is_ignored_with_a_line",
    ),
    lacks(59, "compact or airy spacing", "a list has no empty lines that could go"),
    has(60, "no animations", "test_nothing_is_animated"),
    has(61, "no meaning in colour only", SCREENS + "test_a_theme_changes_colours_and_no_word"),
    has(62, "plain lines for a screen reader", "e2e/test_e2e_rehearse.py::test_status", "e2e/test_e2e_rehearse.py::test_events"),
    has(63, "little to send over a slow line", PURE + "test_no_more_is_repainted_than_that", DOING + "test_only_what_changed_is_painted"),
    has(64, "ctrl+z and fg", ASIDE + "test_ctrl_z_gives_the_terminal_back_and_fg_comes_back"),
    lacks(65, "other languages", "each word is also in the docs, the journal and reasons, and its meaning is tested in one language"),
    has(66, "configuration file with errors that name the key", PREFERENCES + "test_a_mistake_names_its_line_and_what_is_allowed"),
    has(67, "where the log is", DEFECTS + "test_a_console_that_ends_says_so_in_one_line"),
    has(68, "resize", TERMINAL + "test_resize", DOING + "test_a_resize_is_taken_up_where_timers_skip_what_they_are_late_for"),
)


@cache
def functions(path: Path) -> frozenset[str]:
    return frozenset(one.name for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_habit_is_listed_once() -> None:
    assert [habit.number for habit in HABITS] == list(range(1, 69))


def test_each_is_shown_by_a_test_or_missing_for_a_reason() -> None:
    for habit in HABITS:
        assert bool(habit.missing) != bool(habit.shown_by), habit.what
        for one in habit.shown_by:
            file, _, name = one.rpartition("::")
            assert name in functions(TESTS / file if file else Path(__file__)), f"{habit.number}: {one}"
    assert sum(bool(habit.missing) for habit in HABITS) <= MOST_MISSING


def test_sixty_are_true() -> None:
    assert sum(bool(habit.shown_by) for habit in HABITS) >= 60


# -- those that no other file shows -----------------------------------------------------------------------------------


def test_help_says_what_can_be_done_here() -> None:
    source, at = still("faulty")
    here = {keys: drawn(source, at, (80, 60), f"{keys} ?") for keys in ("1", "5", "enter l")}
    assert "on this screen: nodes" in here["1"]
    assert "on this screen: plan" in here["5"]
    assert "read a plan from a file" in here["5"]
    assert "read a plan from a file" not in here["1"]
    assert "the whole log in $PAGER" in here["enter l"]
    session = new_session(source.snapshot(), wall=lambda: at)
    session.press("?")
    assert session.overlay is not None
    whole = " ".join("".join(text for text, _ in one) for one in session.overlay.box(100, 200))
    for key in set(COMMON) - {"f1", "ctrl+p", "ctrl+c", "ctrl+q", "u", "n", "Q", "]", "?", "q"}:
        assert re.search(rf"(^|\s){re.escape(key)}\s", whole), f"the help is silent about {key}"


def test_the_key_line_changes_with_the_screen() -> None:
    source, at = still("faulty")
    last = {drawn(source, at, (80, 24), keys).splitlines()[-1] for keys in ("1", "enter", "enter l", "enter w", "L", "!")}
    assert len(last) == 6


async def test_crumbs_grow_esc_goes_up_and_minus_goes_to_the_last_view() -> None:
    source, at = still("faulty")
    async with console(source, at, keys="down enter l") as (app, pilot):
        assert "nodes > node-12 > log" in shot(app).splitlines()[0]
        await press(pilot, "escape")
        assert "nodes > node-12 " in shot(app).splitlines()[0]
        await press(pilot, "3")
        assert "> topology" in shot(app).splitlines()[0]
        await press(pilot, "minus")
        assert "nodes > node-12 " in shot(app).splitlines()[0]
        await press(pilot, "minus")
        assert "> topology" in shot(app).splitlines()[0]
        await press(pilot, "1 minus")
        assert "> topology" in shot(app).splitlines()[0]


def test_a_digit_is_a_screen() -> None:
    source, at = still("faulty")
    titles = [drawn(source, at, (80, 24), str(i)).splitlines()[0].split()[2] for i in range(1, 9)]
    assert titles == "nodes rack topology roles plan networks events health".split()


async def test_the_keys_of_vi_move() -> None:
    source, at = still("faulty")
    async with console(source, at) as (app, pilot):
        for key, name in (("j", 12), ("j", 14), ("k", 12), ("G", 20), ("g", 10), ("ctrl+d", 20), ("ctrl+u", 10)):
            await press(pilot, key)
            assert short(app.session.rows[app.session.page.machine()].name) == f"node-{name}", key


def test_tab_turns_the_screen() -> None:
    source, at = still("faulty")
    for screen in ("4", "5", "enter"):
        assert drawn(source, at, (80, 24), screen) != drawn(source, at, (80, 24), f"{screen} tab")


async def test_enter_goes_to_the_thing_that_a_line_is_about() -> None:
    source, at = still("faulty")
    for keys, name in (("3 enter", "node-12"), ("6 down enter", "node-"), ("2 enter", "node-20"), ("4 down enter", "node-10")):
        async with console(source, at, keys=keys) as (app, _):
            assert app.session.page.crumb().startswith(name), keys


def test_the_order_is_named_and_reversed() -> None:
    source, at = still("faulty")
    for keys, told in (("s", "by state"), ("s s", "by name"), ("s s S", "by name, reversed"), ("s s s s s", "")):
        assert (f" {told} ─" if told else "──────") in drawn(source, at, (80, 24), keys).splitlines()[1]
    by_name = re.findall(r"^.{5}(node-\d+)", drawn(source, at, (80, 24), "s s S"), re.MULTILINE)
    assert by_name == sorted(by_name, reverse=True)


async def test_the_cursor_stays_on_its_node_when_the_order_changes() -> None:
    source, at = still("faulty")
    async with console(source, at, keys="down down") as (app, pilot):
        for key in ("s", "s", "S", "s", "s"):
            await press(pilot, key)
            assert short(app.session.rows[app.session.page.machine()].name) == "node-14", key
        world = Work(source.world)
        moved = world.nodes["n4"]
        assert moved.place is not None
        world.put_node(replace(moved, place=replace(moved.place, unit=2)))
        source.move(world.finish())
        await until(pilot, lambda: app.session.order[0] == "n4")
        assert short(app.session.rows[app.session.page.machine()].name) == "node-14"


def test_identical_cables_fold_and_open_under_the_cursor() -> None:
    source, at = still("faulty")
    work = Work(source.world)
    for role in list(source.world.node_roles.values()):
        if role.role == "lldp":
            work.put_role(replace(role, gave={**role.gave, "neighbours": []}))
    source.world = work.finish()
    first, second, all_ = (drawn(source, at, (80, 24), keys) for keys in ("3", "3 down", "3 s"))
    assert all("6 10g0 cables" in text and "6 10g1 cables" in text for text in (first, second))
    assert "node-12 tor1:swp2" in first
    assert "node-12 tor2:swp2" not in first
    assert "node-12 tor2:swp2" in second
    assert "node-12 tor1:swp2" not in second
    assert "cables" not in all_
    found = drawn(source, at, (80, 24), ": / t o r 2 : s w p 5 enter")
    assert "tor2    swp5 ─ (node-18)" in found, "the search shows a folded cable by itself"


async def test_notes_list_every_answer() -> None:
    source, at = still("faulty")
    async with console(source, at, keys="down down r") as (app, pilot):
        await until(pilot, lambda: app.session.waiting == 0)
        await press(pilot, "h")
        await until(pilot, lambda: app.session.waiting == 0)
        assert [verb for verb, *_ in source.asked] == ["retry", "hold"]
        await press(pilot, "n")
        assert "node-14: done" in shot(app)
        assert [note.text for note in app.session.notes] == ["node-14: done", "node-14: done"]


def test_a_row_says_how_old_its_signal_is() -> None:
    source, at = still("faulty")
    assert re.search(r"node-10 .* 1h54m ", drawn(source, at, (80, 24)))
    assert re.search(r"node-10 .* 1h55m ", drawn(source, at + 60, (80, 24)))


@pytest.mark.parametrize(
    ("asked", "pace"),
    [("", PACE_S), ("2", 2.0), ("0", PACE_S), ("-1", PACE_S), ("1e9", SLOWEST_S), ("nan", PACE_S), ("inf", PACE_S), ("x", PACE_S)],
)
def test_the_pace_can_be_slower_and_has_a_floor(asked: str, pace: float) -> None:
    assert pace_of({"CROWBAR_PACE": asked}) == pace


async def test_an_answer_goes_after_some_seconds_and_stays_in_the_notes() -> None:
    source, at = still("faulty")
    now = [at]
    async with console(source, at, keys="down down") as (app, pilot):
        app.session.wall = lambda: now[0]
        await press(pilot, "r")
        await until(pilot, lambda: "node-14: done" in shot(app))
        now[0] += 60
        app.paint()
        await pilot.pause()
        assert "node-14: done" not in shot(app)
        await press(pilot, "n")
        assert "node-14: done" in shot(app)


def test_the_pane_of_a_node_becomes_the_screen() -> None:
    source, at = still("faulty")
    beside = drawn(source, at, (160, 48), "down down")
    whole = drawn(source, at, (160, 48), "down down enter")
    assert "life" in beside
    assert "nodes > node-14" in whole.splitlines()[0]
    assert whole.count("node-1") < beside.count("node-1")
    assert drawn(source, at, (160, 48), "down down enter escape") == beside


async def test_nothing_is_animated() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        assert app.animation_level == "none"
        first = shot(app)
        before = app.lines_widget.repainted
        for _ in range(20):
            await pilot.pause()
        assert shot(app) == first
        assert app.lines_widget.repainted == before


def test_every_command_of_the_palette_has_a_name_and_words() -> None:
    source, at = still("faulty")
    session = new_session(source.snapshot(), wall=lambda: at)
    assert all(one.name and one.help for one in commands(session))
