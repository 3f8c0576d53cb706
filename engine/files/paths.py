"""Where an engine keeps its files: the store, the keys beside it and the built images."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

DEFAULT_STORE = "~/.local/share/crowbar"


def absolute(path: Path) -> Path:
    """The same path for every working directory, with `~` expanded. Symbolic links stay, unless `..` would leave one through the wrong
    parent. Raises RuntimeError for an unknown user's home."""
    path = path.expanduser().absolute()
    return path.resolve() if ".." in path.parts else path


def keys_beside(store: Path) -> Path:
    """The default folder for the keys of a store. It lies beside the store, so that a copy of the store has no keys."""
    return store.with_name(store.name + ".keys")


def images_folder(store: Path) -> Path:
    """The folder of built images: $CROWBAR_IMAGES, or `images` in the store."""
    named = os.environ.get("CROWBAR_IMAGES", "")
    return absolute(Path(named)) if named else absolute(store) / "images"


def shipped_folder(package: str) -> Path:
    """The folder in which a data package (`barclamps`, `images`, `engine`) is installed."""
    return Path(str(importlib.resources.files(package)))


def shipped_plan(name: str) -> Path:
    """Where a plan of that name would be among those that the program ships."""
    return shipped_folder("crowbar_tui") / "plans" / f"{name}.yml"
