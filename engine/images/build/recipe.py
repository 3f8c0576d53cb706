"""Reads `recipe.yml` of an image's folder: the contents of the image. docs/images.md explains the keys.

The folder may also have `customize`, a shell script that runs on the tree of packages, and `files/`, which is copied over it.

A recipe with `like` is another recipe for another architecture or release: it uses that one's folder, and adds to its lists.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ...files.element import Element, Fields
from ...files.mistakes import CatalogError, Mistakes, listed
from ...files.yaml_source import load
from .errors import BuildError

FILE = "recipe.yml"
FORMATS = ("initramfs", "ext4", "tar", "copy", "installer")
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name -> Linux's."""
_PACKAGE = re.compile(r"[a-z0-9]([a-z0-9+.-]|\{arch\}){1,98}")
_UNIT = re.compile(r"[A-Za-z0-9*?][A-Za-z0-9_.@*?-]{0,98}")
_COMPONENT = re.compile(r"[a-z][a-z-]{1,48}")
_PATH = re.compile(r"[A-Za-z0-9_.*?+@-]+(/[A-Za-z0-9_.*?+@-]+)*")
_TARGET = re.compile(r"/?[A-Za-z0-9_.+@-]+(/[A-Za-z0-9_.+@-]+)*")
_FILE_PATH = re.compile(r"[A-Za-z0-9_.+@-]+(/[A-Za-z0-9_.+@-]+)*")
_KEYS = (
    "format",
    "arch",
    "suite",
    "components",
    "default",
    "packages",
    "variants",
    "drop",
    "links",
    "node",
    "takes",
    "copies",
    "parts",
    "modules",
    "instead",
    "off",
)
_LIKE_KEYS = ("like", "arch", "suite", "packages", "drop", "takes", "off")


class Variant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to build an image, for one kind of hardware."""

    name: str
    description: str = ""
    packages: tuple[str, ...] = ()
    components: tuple[str, ...] = ()


class Recipe(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The contents of an image. Paths are relative to the root of its tree."""

    name: str
    folder: str
    format: str
    arch: str = "amd64"
    """Debian's name of the architecture."""
    suite: str = ""
    components: tuple[str, ...] = ("main",)
    """Components of the distribution besides those of the variant."""
    packages: tuple[str, ...] = ()
    default: str = ""
    """The default variant."""
    variants: dict[str, Variant] = {}
    drop: tuple[str, ...] = ()
    """Paths to leave out, with everything below them; `*` and `?` stand for parts of one name."""
    links: dict[str, str] = {}
    """Path -> target of a symbolic link there."""
    node: bool = False
    """Whether the node's tools go to usr/lib/crowbar."""
    takes: dict[str, str] = {}
    """Name of a further file of the image -> its path in the tree."""
    copies: dict[str, tuple[str, ...]] = {}
    """For `copy`: name of a file -> the places on this machine where a package puts it; a place without a leading / is in another
    image. For `installer`: the place in the package."""
    parts: tuple[str, ...] = ()
    """For `installer`: the installer's own packages that it needs when it runs."""
    modules: tuple[str, ...] = ()
    """For `installer`: kinds of kernel modules that it needs."""
    off: tuple[str, ...] = ()
    """Units of the packages that do not start by themselves; `*` and `?` stand for parts of a name."""
    instead: dict[str, tuple[str, ...]] = {}
    """For `installer`: a part that a mirror may lack -> the packages to make it from."""

    def variant(self, name: str) -> Variant:
        """The variant with that name, or the default for "". An image without variants is the same for all hardware. Raises BuildError."""
        if not self.variants:
            return Variant(name="")
        wanted = name or self.default
        if wanted not in self.variants:
            raise BuildError(f"image {self.name} has no variant {wanted!r}; there is {listed(self.variants)}")
        return self.variants[wanted]


def has_recipe(folder: Path) -> bool:
    return (folder / FILE).is_file()


def read_recipe(folder: Path) -> Recipe:
    """The recipe in an image's folder. Raises CatalogError with every mistake."""
    return _read(folder, folder.name, "", ())


def _read(folder: Path, name: str, arch: str, users: tuple[str, ...]) -> Recipe:
    """`arch`: of the recipe that uses this one by `like`; empty: its own. `users`: the recipes that use this one."""
    mistakes = Mistakes()
    tree = load(folder / FILE, mistakes)
    found = None
    if tree is not None:
        top = Element(tree, str(folder / FILE), mistakes)
        found = _like(folder, name, top, arch, users) if "like" in top.entries() else _recipe(folder, name, arch, top)
    mistakes.end(CatalogError)
    assert found is not None
    return found


def _like(folder: Path, name: str, top: Element, arch: str, users: tuple[str, ...]) -> Recipe | None:
    keys = top.fields(_LIKE_KEYS, ("like", "arch"))
    users = (*users, folder.name)
    others = [one.name for one in folder.parent.iterdir() if one.name not in users and has_recipe(one)]
    like, arch = (keys["like"].known("image with a recipe", others), arch or _arch(keys)) if {"like", "arch"} <= keys.keys() else ("", "")
    packages, drop, takes = _names(keys.each("packages"), arch), _paths(keys.each("drop")), _takes(keys)
    if top.mistakes.found:
        return None
    base = _read(folder.parent / like, name, arch, users)
    suite = keys["suite"].name("a release's name") if "suite" in keys else base.suite
    off = (*base.off, *_units(keys))
    return replace(
        base, suite=suite, packages=(*base.packages, *packages), drop=(*base.drop, *drop), takes={**base.takes, **takes}, off=off
    )


def _arch(keys: Fields) -> str:
    return keys["arch"].choice(tuple(ARCHITECTURES)) if "arch" in keys else "amd64"


def _units(keys: Fields) -> tuple[str, ...]:
    return tuple(element.name("a unit's name", _UNIT, 100) for element in keys.each("off"))


def _takes(keys: Fields) -> dict[str, str]:
    elements = keys["takes"].entries() if "takes" in keys else {}
    return {file: element.name("a path without / at its ends", _FILE_PATH, 200) for file, element in elements.items()}


def _recipe(folder: Path, name: str, arch: str, top: Element) -> Recipe | None:
    keys = top.fields(_KEYS, ("format",))
    if "format" not in keys:
        return None
    arch = arch or _arch(keys)
    variants = {}
    for kind, element in keys["variants"].entries().items() if "variants" in keys else ():
        own = element.fields(("description", "packages", "components"), ("packages",))
        variants[kind] = Variant(
            name=kind,
            description=own.describe(),
            packages=_names(own.each("packages"), arch),
            components=_components(own.each("components")),
        )
    default = keys["default"].known("variant", variants) if "default" in keys else ""
    if variants and not default:
        top.fail("expected a default variant")
    links = {}
    for path, element in keys["links"].entries().items() if "links" in keys else ():
        links[path] = element.name("where a link points to", _TARGET, 200)
    copies = {}
    for file, element in keys["copies"].entries().items() if "copies" in keys else ():
        copies[file] = tuple(place.text("a path on this machine", 200) for place in element.items())
    return Recipe(
        name=name,
        folder=str(folder),
        format=keys["format"].choice(FORMATS),
        arch=arch,
        suite=keys["suite"].name("a release's name") if "suite" in keys else "",
        components=("main", *_components(keys.each("components"))),
        packages=_names(keys.each("packages"), arch),
        default=default,
        variants=variants,
        drop=_paths(keys.each("drop")),
        links=links,
        node=keys["node"].truth() if "node" in keys else False,
        takes=_takes(keys),
        copies=copies,
        parts=_names(keys.each("parts"), arch),
        off=_units(keys),
        modules=_names(keys.each("modules"), arch),
        instead={part: _names(element.items(), arch) for part, element in (keys["instead"].entries() if "instead" in keys else {}).items()},
    )


def _names(elements: list[Element], arch: str) -> tuple[str, ...]:
    """Packages; `{arch}` in a name stands for the architecture."""
    return tuple(element.name("a package's name", _PACKAGE, 100).replace("{arch}", arch) for element in elements)


def _components(elements: list[Element]) -> tuple[str, ...]:
    return tuple(element.name("a part of the distribution", _COMPONENT, 50) for element in elements)


def _paths(elements: list[Element]) -> tuple[str, ...]:
    return tuple(element.name("a path without / at its ends", _PATH, 200) for element in elements)
