"""What a session asks of the world around its terminal: clipboard, shell, pager, files. The app puts its own functions in."""

from __future__ import annotations

from collections.abc import Callable

from . import files


class Terminal:
    def __init__(self) -> None:
        self.save: Callable[[str, str, bool], str] = files.save
        """Writes a text to a file that the user named (`files.save`)."""
        self.write: Callable[[str], None] = lambda _text: None
        """Writes a control sequence."""
        self.suspend: Callable[[], str] = lambda: "this console has no terminal"
        """Gives the terminal back to the shell until `fg`. Returns why not, or nothing."""
        self.pager: Callable[[list[str], bytes], str] = lambda _words, _text: "this console has no terminal"
        """Runs a pager (its command, a text) until the user leaves it. Returns why not, or nothing."""
