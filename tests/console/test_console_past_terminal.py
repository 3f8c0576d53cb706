"""Looking back in a real terminal of 80x24, TERM=linux, with keys only; the shell is clean afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pasts import GOLDEN
from terminal import CROWBAR, Terminal, needs_tmux

pytestmark = needs_tmux


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path)
    yield one
    one.close()


def test_a_past_run_is_read_off_the_screen(terminal: Terminal) -> None:
    terminal.type(f"{CROWBAR} look-back {GOLDEN}", "Enter")
    terminal.wait(lambda text: "look back at" in text and "122 of 122" in text and "paused" in text)
    terminal.keys("[")
    text = terminal.wait(" 87 of 122  outcome  node-14  raid-configure error")
    assert "! 14  node-14" in text
    assert "5 working  1 problem" in text
    terminal.keys("(")
    terminal.wait(lambda text: " 73 of 122" in text and "6 working" in text and "! 14" not in text)
    terminal.keys("T")
    terminal.type(" -1m", "Enter")
    terminal.wait(" 65 of 122")
    terminal.keys("9", "0")
    terminal.wait("before the first event")
    terminal.keys("+", "+", "+", "Space")
    terminal.wait(lambda text: "122 of 122" in text and "paused" in text)
    terminal.keys("7")
    terminal.wait(lambda text: "> events" in text and "    122 " in text)
    terminal.keys("q")
    terminal.wait(lambda text: text.rstrip().endswith("$"))
    assert terminal.flag("alternate_on") == "0"
    assert terminal.flag("cursor_flag") == "1"


def test_what_cannot_be_opened_is_told_and_the_shell_goes_on(terminal: Terminal, tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(b'{"type":"journal"')
    for name, told in ((torn, "is not a line of an exported journal"), (tmp_path / "nothing", "there is no store in")):
        terminal.type(f"clear; {CROWBAR} look-back {name}; echo code $?", "Enter")
        terminal.wait(lambda text, told=told: "code 2" in text and told.replace(" ", "") in "".join(text.split()))
