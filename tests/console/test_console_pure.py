"""What has no terminal: lines, tables, formats, how the widget compares, how the palette searches."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.console import formats
from crowbar_tui.console.glyphs import ALL, ASCII, CP437, ascii_only, bar
from crowbar_tui.console.lines_widget import changed
from crowbar_tui.console.overlays import edited
from crowbar_tui.console.palette import fuzzy
from crowbar_tui.console.styled import clean, clip, cut, fit, paste, plain, width, wrap
from crowbar_tui.console.table import Col, head, layout, row
from crowbar_tui.console.theme import NAMES, STYLES, fitting, styles

LINES = st.lists(st.tuples(st.text(alphabet="ab ", min_size=1, max_size=5), st.sampled_from(["", "dim", "bad"])), max_size=6).map(tuple)


def cells(line: tuple) -> list[tuple[str, str]]:
    return [(letter, style) for text, style in line for letter in text]


@given(LINES, LINES)
def test_all_cells_that_differ_are_repainted(old: tuple, new: tuple) -> None:
    start, end = changed(old, new)
    a, b = cells(old), cells(new)
    for x in range(max(len(a), len(b))):
        if (a[x] if x < len(a) else None) != (b[x] if x < len(b) else None):
            assert start <= x < end


def test_no_more_is_repainted_than_that() -> None:
    old = ((" 10  node ", ""), ("12s", "dim"), ("  ok", ""))
    new = ((" 10  node ", ""), ("13s", "dim"), ("  ok", ""))
    assert changed(old, new) == (11, 12)
    assert changed(old, old) == (17, 17)


@given(LINES, st.integers(0, 12), st.integers(0, 12))
def test_cut_and_fit(line: tuple, a: int, b: int) -> None:
    assert plain(cut(line, a, b)) == plain(line)[a:b]
    assert width(fit(line, a)) == a


@given(LINES, st.integers(0, 12), LINES)
def test_paste_lays_over(line: tuple, at: int, over: tuple) -> None:
    out = plain(paste(line, at, over))
    assert out[at : at + width(over)] == plain(over)
    assert out[:at] == plain(line)[:at].ljust(at)
    assert out[at + width(over) :] == plain(line)[at + width(over) :]


@given(st.text())
def test_whatever_comes_from_outside_is_one_cell_per_character(text: str) -> None:
    from rich.cells import cell_len

    told = clean(text)
    assert len(told) == len(text)
    assert all(c >= " " and c != "\x7f" for c in told)
    assert cell_len(told) == len(told) or not told.isascii()


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert clean("\x1b[31mred\x07\r\n") == "?[31mred???"


@given(st.text(alphabet="abc de", max_size=60), st.integers(1, 20))
def test_wrapped_lines_fit(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert all(len(one) <= columns for one in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_clip_says_so() -> None:
    assert clip("abcdef", 4) == "abc~"
    assert clip("abcd", 4) == "abcd"


@given(st.integers(20, 240))
def test_columns_never_need_more_than_there_is(room: int) -> None:
    columns = (Col("a", "a", 5), Col("b", "b", 5, grow=1, most=12), Col("c", "c", 4, grow=3), Col("d", "d", 10, wide=100))
    at = layout(columns, room)
    assert width(head(at)) <= max(room, 5 + 5 + 4 + 4)
    assert width(row(at, {"a": "x", "b": ("y", "bad"), "c": (("z", ""), ("zz", "dim"))})) == width(head(at))
    assert ("d" in {c.key for c, _ in at}) == (room >= 100)


def test_ages_and_sizes() -> None:
    assert [formats.age(s) for s in (0, 59, 60, 3599, 3600, 172_799, 172_800)] == ["0s", "59s", "1m00s", "59m59s", "1h00m", "47h59m", "2d"]
    assert [formats.left(s) for s in (3, 48, 100, 720, 7300)] == ["~10s", "~40s", "~2m", "~12m", "~2h00m"]
    assert [formats.size(n) for n in (480_103_981_056, 1_920_383_410_176, 4_000_787_030_016, 512)] == ["480G", "1.92T", "4T", "512"]
    assert [formats.speed(n) for n in (0, 100, 1000, 2500, 25_000)] == ["", "100M", "1G", "2500M", "25G"]


def test_a_moment_that_never_was_has_no_age() -> None:
    """0 is no time: its age is the age of Unix."""
    assert (formats.since(1e9, 1e9 - 72.0), formats.since(1e9, 0.0)) == ("1m12s", "")
    assert (formats.ago(1e9, 1e9 - 72.0), formats.ago(1e9, 0.0), formats.ago(1e9, 0.0, "not yet")) == ("1m12s ago", "never", "not yet")


def test_ages_of_moments_are_made_in_one_place() -> None:
    """`age` takes seconds. `age(now - at)` shows 20785 days for a moment that never was; `since` and `ago` do not."""
    found = []
    for path in sorted(Path(formats.__file__).parents[1].rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "age"
            if named and isinstance(call.args[0], ast.BinOp) and path.name != "formats.py":
                left = ast.unparse(call.args[0].left)
                if left == "now" or left.endswith(("wall", "wall()", "real()", "time()")):
                    found.append(f"{path.name}:{call.lineno}")
    assert found == []


def test_glyphs_are_in_both_sets() -> None:
    assert set(ALL) <= CP437
    assert ALL.translate(ASCII).isascii()
    assert len(ALL.translate(ASCII)) == len(ALL)


def test_a_bar_is_neither_empty_nor_full_between() -> None:
    assert [len(bar(x, 8)[0]) for x in (0, 0.001, 0.5, 0.999, 1)] == [0, 1, 4, 7, 8]


@pytest.mark.parametrize(
    ("environment", "theme", "ascii_"),
    [
        ({"TERM": "linux", "LANG": "C.UTF-8"}, "ansi16", False),
        ({"TERM": "xterm-256color", "LANG": "en_GB.UTF-8"}, "default", False),
        ({"TERM": "screen", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}, "default", False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1", "LANG": "C.UTF-8"}, "mono", False),
        ({"TERM": "vt220", "LANG": "C.UTF-8"}, "mono", True),
        ({"TERM": "linux", "LANG": "de_DE.ISO-8859-1"}, "ansi16", True),
        ({"TERM": "linux", "LANG": "C.UTF-8", "CROWBAR_THEME": "contrast", "CROWBAR_ASCII": "1"}, "contrast", True),
    ],
)
def test_what_a_terminal_gets(environment: dict[str, str], theme: str, ascii_: bool) -> None:
    assert fitting(environment) == theme
    assert ascii_only(environment) == ascii_


def test_every_theme_has_every_ink() -> None:
    for name in NAMES:
        assert set(styles(name)) == {*STYLES, *(f"{style}+" for style in STYLES)}


def test_on_16_colours_only_named_colours_are_used() -> None:
    for name in ("ansi16", "contrast", "mono"):
        for style in styles(name).values():
            for color in (style.color, style.bgcolor):
                assert color is None or color.number is None or color.number < 16 or name == "contrast"


def test_the_palette_finds() -> None:
    assert fuzzy("nod1", "node-10") is not None
    assert fuzzy("xyz", "node-10") is None
    assert fuzzy("ro", "roles") < fuzzy("ro", "control-1") < fuzzy("ro", "retry node-10")


def test_a_line_is_edited() -> None:
    text = ""
    for key in ("a", "b", "space", "c", "backspace", "left", "ctrl+w"):
        text = edited(text, key)
    assert text == ""
    assert edited("ab cd", "ctrl+w") == "ab"


CONSOLE = Path(__file__).parents[2] / "crowbar_tui" / "console"


def imported(path: Path) -> set[str]:
    out = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            out.add(node.module or "")
    return out


def test_the_console_uses_the_public_interface_only() -> None:
    for path in CONSOLE.rglob("*.py"):
        engine = {name for name in imported(path) if name.split(".")[0] == "engine"}
        assert engine <= {
            "engine.api.views",
            "engine.api.control",
            "engine.api.process",
            "engine.api.rehearsals",
            "engine.api.running",
            "engine.api.documents",
            "engine.api.machine_health",
            "engine.api.halls",
        }, path


def test_only_the_rim_knows_the_terminal_library() -> None:
    for path in CONSOLE.rglob("*.py"):
        if path.name not in ("app.py", "aside.py", "halls_app.py", "lines_widget.py", "mouse.py"):
            assert not {name for name in imported(path) if name.split(".")[0] == "textual"}, path


def test_a_console_that_attaches_loads_no_services() -> None:
    heavy = (
        "aiohttp",
        "jsonschema",
        "engine.attach.server",
        "paramiko",
        "pyghmi",
        "scapy",
        "engine.runtime.engine",
        "engine.serve",
        "engine.api.control",
    )
    code = f"import sys, crowbar_tui.cli, crowbar_tui.console.app, crowbar_tui.console.source; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
