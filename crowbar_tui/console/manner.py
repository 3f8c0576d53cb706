"""How a console was opened: with the user's set-up, and with what it may do. A look back has the same as the session beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .keymap import Keymap
from .preferences import Taken
from .snapshot import Said
from .table import Col, choose

READ_ONLY = Said(False, "this console is read-only: no order leaves it", "orders need a console without --read-only")
CAPTIVE = Said(False, "this console is captive: it uses no files and no programs of this machine", "use an account with a shell")


class Manner:
    def __init__(self, taken: Taken | None = None, read_only: bool = False, captive: bool = False) -> None:
        """`read_only`: no order leaves the console. `captive`: it uses no files that the user names, and starts no program."""
        self.taken = taken or Taken()
        self.read_only = read_only
        self.captive = captive
        wanted = self.taken.preferences
        self.keymap = Keymap(wanted.keys)
        self.mouse = wanted.mouse
        """True if clicks and the wheel count."""
        self.switch_mouse: Callable[[bool], bool] = lambda _on: False
        """Switches the mouse on or off. False: the terminal has none."""

    def columns(self, page: str, all_: Sequence[Col]) -> Sequence[Col]:
        """The columns of a page's list that the user wants."""
        return choose(all_, self.taken.preferences.columns.get(page, ()))
