"""What of Crowbar itself is in an image: one checksum of its recipe, its script, and the files that are laid over the packages.

It is recorded at the build, beside the image (`packages.list`) and within it (`usr/lib/crowbar/image`), and compared with what this
program would put in now: so an image that was built by another version is known before a server boots it. Packages are not part of it:
newer ones do not make an image wrong.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from .recipe import Recipe, Variant
from .tree import NODE, Own, own_files

NOTE = f"{NODE}/image"
"""The file in the image that tells what it is."""


def script(recipe: Recipe) -> str:
    """What is run on the tree of packages; empty: nothing. Raises OSError."""
    file = Path(recipe.folder) / "customize"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def origin(recipe: Recipe, variant: Variant, node: Path) -> str:
    """SHA-256, as hex. `node`: folder of the node's tools. Raises OSError."""
    # what a recipe does not say is not part of it (omit_defaults), so that a new key leaves the images without it as they are
    words = replace(recipe, folder="", default="", variants={"": replace(variant, description="")} if variant.name else {})
    return hashlib.sha256(msgspec.json.encode((words, script(recipe), own_files(recipe, node)))).hexdigest()


def note(recipe: Recipe, variant: Variant, checksum: str) -> Own:
    """The file that says within the image what it is."""
    text = f"image: {recipe.name}\nvariant: {variant.name}\narch: {recipe.arch}\norigin: {checksum}\n"
    return Own(path=NOTE, body=text.encode("ascii"))
