"""The loaders of this engine: the catalogue without the optional files that this `loader` image lacks.

The pure core chooses among the files that the catalogue names (`core.loaders`), so the catalogue must not name missing ones. Checked
once, at the start: a loader that is built later is offered from the next start.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from ..definitions import Catalog
from ..files.image_file import OPTIONAL
from .shelf import SUMS


def with_loaders_there(catalog: Catalog, directory: Path, synthetic: bool) -> Catalog:
    """`directory` holds the built images. `synthetic`: they are generated for simulated machines."""
    image = catalog.images.get("loader")
    if image is None:
        return catalog
    there: set[str] = set(image.synthetic)
    if not synthetic:
        try:
            lines = (directory / "loader" / SUMS).read_text(encoding="ascii").splitlines()
            there = {line.split()[-1].lstrip("*") for line in lines if line.strip()}
        except (OSError, UnicodeDecodeError):
            there = set()
    files = {use: file for use, file in image.files.items() if use not in OPTIONAL or file in there}
    return replace(catalog, images=catalog.images | {"loader": replace(image, files=files)})
