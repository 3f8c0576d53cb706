"""What firmware, iPXE, GRUB and kernels draw on a serial console, as lines. The streams are what such machines said, shortened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.console.terminal_text import WIDEST, lines

WAIT = "Press Ctrl-B for the iPXE command line..." + "\b \b" * 41
OVMF = "\x1b[2J\x1b[01;01H\x1b[=3h\x1b[2J\x1b[01;01H\x1b[2J\x1b[01;01H\r\n>>Start PXE over IPv4.\r\n  Station IP address is 192.168.124.110\r\n"
GRUB = (
    "\x1b[0m\x1b[30m\x1b[47mWelcome to GRUB!\r\n\x1b[0m\x1b[37m\x1b[40m\x1b[2J\x1b[H\x1b[J\x1b[1;1H\x1b[?25l\x1b[m\x1b[2;24HGNU GRUB  version 2.06\r\n\r\n"
    " +---+\r\n |   |\x1b[5;7H \x1b[7m\x1b[5;3H*Debian\x1b[m\x1b[5;11H\x1b[m\x1b[m\x1b[6;3H Advanced\x1b[m\x1b[m\x1b[7;3H          \x1b[m"
    "\x1b[20;4HThe highlighted entry will be executed automatically in 2s.\x1b[20;4HThe highlighted entry will be executed automatically in 1s."
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("67%\b\b\b\b    \b\b\b\b ok\r\n", [" ok"]),
        (f"{WAIT}net0: up\r\n", ["net0: up"]),
        ("\rDownloading...1%\rDownloading...99%\rDownloading...100%\r\ndone", ["Downloading...100%", "done"]),
        ("long line\rshort\x1b[K\r\n", ["short"]),
        ("\x1bcSeaBIOS\r\n\r\n\r\n\r\niPXE\r\n", ["SeaBIOS", "", "iPXE"]),
        ("disable)... o\x1bc[    0.0] Linux\r\n", ["disable)... o", "[    0.0] Linux"]),
        ("\x1b[1m\x1b[37m\x1b[40miPXE 1.0\x1b[0m -- \x1b[36mhttp\x1b[0m\r\n", ["iPXE 1.0 -- http"]),
        ("a\tb", ["a       b"]),
        ("same\r\nsame\r\n", ["same", "same"]),
        ("\x1b]0;title", ["0;title"]),
        ("a\x9b2Jb\x85c", ["a?2Jb?c"]),
        ("pass\u202eliaf\u2066 \u200b\ufeffok", ["pass?liaf? ??ok"]),
        ("\u2028line\ud800".encode("utf-8", "replace").decode(), ["?line?"]),
        ("Grün ✓", ["Grün ✓"]),
        ("", []),
        ("\x1b", []),
        ("\x1b[", []),
    ],
)
def test_what_is_left_to_be_read(text: str, seen: list[str]) -> None:
    assert lines(text) == seen


def test_uefi_clears_its_screen_and_leaves_its_words() -> None:
    assert lines(OVMF) == [">>Start PXE over IPv4.", "  Station IP address is 192.168.124.110"]


def test_a_menu_is_read_row_by_row() -> None:
    found = lines(GRUB)
    assert "Welcome to GRUB!" in found
    assert "                       GNU GRUB  version 2.06" in found
    assert " |*Debian" in found
    assert "   Advanced" in found
    assert found[-1] == "   The highlighted entry will be executed automatically in 1s."
    assert not any("\x1b" in one for one in found)


@given(st.text(alphabet=st.sampled_from(list("ab \r\n\b\t\x1b[;0129HJKCmc?(\x00é")), max_size=200))
def test_whatever_comes_is_lines_without_control(text: str) -> None:
    for one in lines(text):
        assert one == one.rstrip()
        assert not any(ord(character) < 32 or ord(character) == 127 for character in one)
        assert len(one) <= WIDEST + len(text)
