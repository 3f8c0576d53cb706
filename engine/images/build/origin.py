"""Crowbar's own part of an image: one checksum of its recipe, its script, and the files that are laid over the packages.

The build records it beside the image (`packages.list`) and inside it (`usr/lib/crowbar/image`). Comparing it with this program's own
checksum shows an image of another version before a server boots it. Packages are not included: newer ones do not make an image wrong.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from .recipe import Recipe, Variant
from .tree import NODE, Own, own_files

NOTE = f"{NODE}/image"
"""The file inside the image with this checksum."""


def script(recipe: Recipe) -> str:
    """The script that runs on the tree of packages. Empty: none. Raises OSError."""
    file = Path(recipe.folder) / "customize"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def origin(recipe: Recipe, variant: Variant, node: Path) -> str:
    """SHA-256, as hex. `node`: folder of the node's tools. Raises OSError."""
    # keys with their default are left out (omit_defaults), so that a new key does not change the checksum of images without it
    words = replace(recipe, folder="", default="", variants={"": replace(variant, description="")} if variant.name else {})
    return hashlib.sha256(msgspec.json.encode((words, script(recipe), own_files(recipe, node)))).hexdigest()


def note(recipe: Recipe, variant: Variant, checksum: str) -> Own:
    """The text of the file inside the image."""
    text = f"image: {recipe.name}\nvariant: {variant.name}\narch: {recipe.arch}\norigin: {checksum}\n"
    return Own(path=NOTE, body=text.encode("ascii"))
