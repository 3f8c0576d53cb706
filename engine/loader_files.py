"""Which loaders this engine has: the catalogue without those that an image `loader` may have and this one has not.

The pure core chooses among the files that the catalogue names (`core.loaders`), so what is not there must not be named. Looked at once, at
start: a loader that is built later is offered from the next start on.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from .definitions import Catalog
from .files.image_file import OPTIONAL
from .images import SUMS


def with_loaders_there(catalog: Catalog, directory: Path, synthetic: bool) -> Catalog:
    """`directory` holds the built images; `synthetic`: they are made for simulated machines."""
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
