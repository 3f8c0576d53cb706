"""Paths as people give them: made absolute where they enter the program.

An engine hands its paths to tasks, racks and other processes, and all of these have working directories of their own.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from engine.api.views import DEFAULT_STORE, StoreError, absolute

STDOUT = Path("/dev/stdout")


def path(text: str) -> Path:
    """An argument of the command line."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    if text.startswith(("postgresql:", "postgres:")):
        raise argparse.ArgumentTypeError(
            "a folder is wanted here: write the name of the database into its file `database` (docs/several-admin-nodes.md)"
        )
    try:
        return absolute(Path(text))
    except (RuntimeError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{text} is not a usable path: {error}") from error


def path_or_stdout(text: str) -> Path:
    """An argument that names a file, or `-` for standard output."""
    return STDOUT if text == "-" else path(text)


def store(given: Path | None) -> Path:
    """The store that is meant: as given, else $CROWBAR_STORE, else the usual one. Raises StoreError."""
    named = os.environ.get("CROWBAR_STORE") or DEFAULT_STORE
    try:
        found = path(named) if given is None else given
    except argparse.ArgumentTypeError as error:
        raise StoreError(f"cannot use CROWBAR_STORE: {error}") from error
    if not found.name:
        raise StoreError(
            f"{found} cannot be a store, because the keys and the rack need a folder beside it: choose another directory with --store"
        )
    return found
