"""A new barclamp to begin with: the commented example, under another name.

The shipped example is the text, so it cannot differ from what loads: tests read it, run it and rehearse it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from ..catalog import shipped
from ..paths import shipped_folder
from .content import BarclampError, Content, read_folder
from .sources import Source

_EXAMPLE = "example"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WORDS = (
    ("# A barclamp to copy: a folder with the barclamp's name, this file, and roles/ROLE/run for each role with a script.\n", "{head}"),
    (
        "description: Writes the message of the day. An example that shows the keys of a barclamp.",
        "description: Writes a message into a file.",
    ),
    ("description: Writes the message of the day.", "description: Writes a message into a file."),
    ("The text that users see at login.", "The text that is written."),
    ("example-motd: writes the message of the day.", "example-motd: writes a message into a file."),
    (
        "What the example's script does to a machine that is not there: copy this beside your own barclamp.yml.",
        "What the scripts do to a machine that is not there: a rehearsal uses this.",
    ),
    ("/etc/motd", "/etc/example.message"),
    ("example-motd", "example-message-file"),
    ("example_motd", "example_message_file"),
)
"""Passages of the example -> those of a new barclamp. The name is put in afterwards."""
_HEAD = "# Barclamp example: this file says what it is, and roles/ROLE/run is the script of each role.\n"


def new_barclamp(name: str, folder: Path) -> Path:
    """Writes FOLDER/NAME, completely or not at all, and returns it. Raises BarclampError."""
    if not _NAME.fullmatch(name) or len(name) > 40 or name.startswith("network-"):
        raise BarclampError(f"{name[:60]!r} cannot be the name of a barclamp: use at most 40 of a-z, 0-9 and -, and begin with a letter")
    if name in shipped().barclamps:
        raise BarclampError(f"barclamp {name} is shipped with the program: use another name")
    place = folder / name
    if place.exists() or place.is_symlink():
        raise BarclampError(f"{place} exists: use another name, or another folder with --folder")
    files = {
        path.replace("example-motd", f"{name}-message-file"): Content(_renamed(one.data.decode(), name).encode(), one.executable)
        for path, one in read_folder(shipped_folder("barclamps") / _EXAMPLE).items()
    }
    made = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        Source("", {name: files}, {}).put(made)
        os.rename(made / name / name, place)
    except OSError as error:
        raise BarclampError(f"cannot write {place}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return place


def _renamed(text: str, name: str) -> str:
    for old, new in _WORDS:
        text = text.replace(old, new.replace("{head}", _HEAD))
    plain = name.replace("-", "_")
    return text.replace("example_message_file", f"{plain}_message_file").replace(_EXAMPLE, name)
