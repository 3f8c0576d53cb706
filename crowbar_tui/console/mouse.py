"""The terminal's side of the mouse: presses and the wheel are reported, movements never. So a line with little bandwidth carries nothing
that the console has no use for. While the mouse is off, the terminal's own selection works."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver

ON, OFF = "\x1b[?1000h\x1b[?1006h", "\x1b[?1000l\x1b[?1006l"
"""Presses, releases and the wheel; positions as numbers (xterm's modes 1000 and 1006)."""
PIXELS_ON, PIXELS_OFF = "\x1b[?1016h", "\x1b[?1016l"


class MouseDriver(LinuxDriver):
    """Textual's driver switches the mouse by these two methods: at the start, at the end, and around a suspension."""

    wanted = True

    def _enable_mouse_support(self) -> None:
        if self._mouse and self.wanted:
            self.write(ON + (PIXELS_ON if self._mouse_pixels else ""))
            self.flush()

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write((PIXELS_OFF if self._mouse_pixels else "") + OFF)
            self.flush()

    def _enable_mouse_pixels(self) -> None:
        if self._mouse:
            self._mouse_pixels = True
            if self.wanted:
                self.write(PIXELS_ON)

    def switch(self, on: bool) -> bool:
        """Switches it on or off. False: this terminal has none."""
        self.wanted = on
        self._enable_mouse_support() if on else self._disable_mouse_support()
        return bool(self._mouse)


def has_mouse(term: str) -> bool:
    """False for terminals that report none: on a Linux console, what `gpm` selects is the terminal's own matter."""
    return bool(term) and term not in ("linux", "dumb", "unknown", "ansi") and not term.startswith("vt")
