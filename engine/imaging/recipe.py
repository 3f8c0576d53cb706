"""Reads `recipe.yml` of an image's folder: what the image is made of. See docs/images.md for its keys.

Beside it may be `customize`, a shell script that is run on the tree of packages, and `files/`, which is copied over it.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from ..files.mistakes import CatalogError, Mistakes, listed
from ..files.spot import Spot
from ..files.yaml_source import load
from .errors import BuildError

FILE = "recipe.yml"
FORMATS = ("initramfs", "tar", "copy")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,98}")
_PATH = re.compile(r"[A-Za-z0-9_.*?+@-]+(/[A-Za-z0-9_.*?+@-]+)*")
_TARGET = re.compile(r"/?[A-Za-z0-9_.+@-]+(/[A-Za-z0-9_.+@-]+)*")
_KEYS = ("format", "suite", "components", "default", "packages", "variants", "drop", "links", "node", "copies")


class Variant(Struct, frozen=True, kw_only=True):
    """One way to build an image, for one kind of hardware."""

    name: str
    description: str = ""
    packages: tuple[str, ...] = ()
    components: tuple[str, ...] = ()


class Recipe(Struct, frozen=True, kw_only=True):
    """What an image is made of. Paths are relative to the root of its tree."""

    name: str
    folder: str
    format: str
    suite: str = ""
    components: tuple[str, ...] = ("main",)
    """Parts of the distribution besides those of the variant."""
    packages: tuple[str, ...] = ()
    default: str = ""
    """The variant that is built when none is named."""
    variants: dict[str, Variant] = {}
    drop: tuple[str, ...] = ()
    """Paths that are left out with what is below them; `*` and `?` stand for parts of one name."""
    links: dict[str, str] = {}
    """Path -> what a symbolic link there points to."""
    node: bool = False
    """Whether the node's side of the engine goes to usr/lib/crowbar."""
    copies: dict[str, tuple[str, ...]] = {}
    """For `copy`: name of a file -> the places on this machine where a package puts it."""

    def variant(self, name: str) -> Variant:
        """The variant of that name, the default for ""; an image without variants is the same for all. Raises BuildError."""
        if not self.variants:
            return Variant(name="")
        wanted = name or self.default
        if wanted not in self.variants:
            raise BuildError(f"image {self.name} has no variant {wanted!r}; there is {listed(self.variants)}")
        return self.variants[wanted]


def has_recipe(folder: Path) -> bool:
    return (folder / FILE).is_file()


def read_recipe(folder: Path) -> Recipe:
    """The recipe of an image's folder. Raises CatalogError with every mistake in it."""
    mistakes = Mistakes()
    tree = load(folder / FILE, mistakes)
    found = None
    if tree is not None:
        found = _recipe(folder, Spot(tree, str(folder / FILE), mistakes))
    mistakes.end(CatalogError)
    assert found is not None
    return found


def _recipe(folder: Path, top: Spot) -> Recipe | None:
    keys = top.fields(_KEYS, ("format",))
    if "format" not in keys:
        return None
    variants = {}
    for name, spot in keys["variants"].entries().items() if "variants" in keys else ():
        own = spot.fields(("description", "packages", "components"), ("packages",))
        variants[name] = Variant(
            name=name,
            description=own.describe(),
            packages=_names(own.each("packages"), "a package's name"),
            components=_names(own.each("components"), "a part of the distribution"),
        )
    default = keys["default"].known("variant", variants) if "default" in keys else ""
    if variants and not default:
        top.fail("expected a default variant")
    links = {}
    for path, spot in keys["links"].entries().items() if "links" in keys else ():
        links[path] = spot.name("where a link points to", _TARGET, 200)
    copies = {}
    for file, spot in keys["copies"].entries().items() if "copies" in keys else ():
        copies[file] = tuple(place.text("a path on this machine", 200) for place in spot.items())
    return Recipe(
        name=folder.name,
        folder=str(folder),
        format=keys["format"].choice(FORMATS),
        suite=keys["suite"].name("a release's name") if "suite" in keys else "",
        components=("main", *_names(keys.each("components"), "a part of the distribution")),
        packages=_names(keys.each("packages"), "a package's name"),
        default=default,
        variants=variants,
        drop=tuple(spot.name("a path without / at its ends", _PATH, 200) for spot in keys.each("drop")),
        links=links,
        node=keys["node"].truth() if "node" in keys else False,
        copies=copies,
    )


def _names(spots: list[Spot], what: str) -> tuple[str, ...]:
    return tuple(spot.name(what, _PACKAGE, 100) for spot in spots)
