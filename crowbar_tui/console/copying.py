"""`Y` and ctrl+s: copies a line or a field to the clipboard, and saves what a screen shows to a file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from . import clipboard, sheet
from .files import Refused, whole
from .overlays import AskedPath, Entry, Menu, Sure
from .screen import Screen
from .session import Session
from .styled import clip

KEYS = "123456789abcdefghijmnoprstuvwxyz"
"""Keys of the fields in the menu: none that moves in it."""


def menu(session: Session) -> None:
    """Asks what to copy of the thing under the cursor. On a screen of text: copies it."""
    fields = session.page.fields()
    if why := clipboard.refusal("", os.environ):
        session.refuse(why, "ctrl+s saves the screen to a file")
        return
    if not fields:
        shown = sheet.lines_of(session.page)
        copy(session, f"{len(shown)} lines", "\n".join(shown))
        return
    line = "  ".join(value for _, value in fields)
    entries = [Entry("Y", "line", "all of it, with two blanks between", partial(copy, session, "the line", line))]
    entries += [Entry(key, name, value, partial(copy, session, name, value)) for key, (name, value) in zip(KEYS, fields, strict=False)]
    session.overlay = Menu(session, "copy what?", entries)


def copy(session: Session, what: str, text: str) -> None:
    """Sends a text to the terminal's clipboard, and says what is known of the outcome."""
    why = clipboard.refusal(text, os.environ)
    if why:
        session.refuse(why, "ctrl+s saves the screen to a file")
        return
    session.terminal.write(clipboard.sequence(text))
    doubt = clipboard.doubt(os.environ)
    session.say_so(f"copied {what}: {clip(text, 40)}{f' ({doubt})' if doubt else ''}")


def ask_file(session: Session) -> None:
    """Asks for the file into which the screen is saved."""
    if not session.may_use_machine():
        return
    page = session.page
    told = ".csv: a table for a spreadsheet" if page.table() else "as text"
    session.overlay = AskedPath(session, f"save {page.name} to which file? {told}", partial(_save, session, page))


def save_to(session: Session, name: str) -> None:
    """Saves the screen into this file."""
    if session.may_use_machine():
        _save(session, session.page, name)


def _save(session: Session, page: Screen, name: str, over: bool = False) -> None:
    try:
        text, told = sheet.of(page, name)
    except ValueError as error:
        session.refuse(str(error))
        return
    session.work(partial(session.terminal.save, name, text, over), partial(_saved, session, page, name, told))


def _saved(session: Session, page: Screen, name: str, told: str, result: Any) -> None:
    if isinstance(result, FileExistsError):
        what = f"overwrite {whole(name)}?"
        session.overlay = Sure(session, what, "the file exists; y replaces all of it", None, partial(_save, session, page, name, True))
    elif isinstance(result, Refused):
        session.refuse(str(result))
    elif isinstance(result, Exception):
        session.refuse(f"the console failed: {result}")
    else:
        session.say_so(f"saved {told} to {Path(result)}")
