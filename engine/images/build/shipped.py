"""Builds a shipped image into the directory where the engine looks for images: the work of `crowbar image build`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...files.catalog import shipped
from ...files.image_file import OPTIONAL
from ...files.mistakes import nearest
from ...files.paths import images_folder, shipped_folder
from . import locked as lists
from .build import Built, Wish, build
from .errors import BuildError
from .recipe import Recipe, has_recipe, read_recipe

CACHE = ".packages"


def buildable() -> dict[str, Recipe]:
    """The shipped images with a recipe, by name. Raises CatalogError for a recipe with mistakes."""
    top = shipped_folder("images")
    return {name: read_recipe(top / name) for name in sorted(shipped().images) if has_recipe(top / name)}


def build_image(
    store: Path,
    name: str,
    variant: str = "",
    mirror: str = "",
    locked: str | None = None,
    offline: bool = False,
    tell: Callable[[str], None] = lambda _text: None,
    moved: Callable[[int], None] = lambda _octets: None,
) -> tuple[Built, Path]:
    """Builds image `name`, and returns its place. `locked`: a recorded package list to build again, "" for the one beside the image;
    `offline`: from the packages that the last build kept; `moved` gets the unpacked octets so far.
    Raises BuildError with one sentence, and CatalogError."""
    recipes = buildable()
    if name not in recipes:
        near = nearest(name, recipes)
        known = name in shipped().images
        why = f"cannot build image {name}: it has no recipe" if known else f"there is no image {name}"
        raise BuildError(f"{why}; did you mean {near}?" if near else f"{why}; known: {', '.join(recipes)}")
    recipe = recipes[name]
    directory = images_folder(store)
    text = ""
    if locked is not None:
        list_file = Path(locked) if locked else directory / name / lists.FILE
        try:
            text = list_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BuildError(f"{list_file}: {getattr(error, 'strerror', None) or 'not a text'}: nothing to repeat") from error
    chosen = variant or (lists.parse(text).variant if text else "") or recipe.default
    if recipe.format == "copy" and (text or mirror):
        raise BuildError(f"image {name} is copied from this machine: it has no mirrors or package lists")
    uses = shipped().images[name].files
    files = [file for use, file in uses.items() if use not in OPTIONAL]
    also = [file for use, file in uses.items() if use in OPTIONAL and file in recipe.copies]
    cache = directory / CACHE / f"{name}-{chosen}" if recipe.format != "copy" else None
    wish = Wish(variant=chosen, mirror=mirror, locked=text, cache=cache, offline=offline)
    return build(recipe, files, directory, shipped_folder("images") / "node", wish, tell, also, moved), directory / name
