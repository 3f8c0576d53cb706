"""The catalogue of a site: what is shipped, what was imported into the store's folder `barclamps`, and its own `stages.yml`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from msgspec import structs

from ...definitions import Catalog
from .. import kept_catalog
from ..mistakes import CatalogError, PlanMistake
from ..paths import shipped_folder
from .content import digest_of_folder
from .index import STAGES, Imported, active, imports


def site_catalog(store: Path) -> Catalog:
    """The catalogue with which an engine on this store starts. Raises CatalogError with every mistake, StoreError."""
    found = active(imports(store))
    if not found and not stages_of(store):
        return kept_catalog.shipped(store)
    if changed := [one for one in found.values() if digest_of_folder(one.folder(store) / one.name) != one.sha256]:
        raise CatalogError(_changed(store, one) for one in changed)
    return of_imports(store, found.values())


def of_imports(store: Path, found: Iterable[Imported], also: Iterable[Path] = ()) -> Catalog:
    """The catalogue of the shipped barclamps, these imports, and the barclamps in the folders `also`. Raises CatalogError."""
    from .. import catalog as reading  # with YAML and all its checks, which a kept catalogue does not need

    found = tuple(found)
    folders = [shipped_folder("barclamps"), *(one.folder(store) for one in found), *also]
    catalog = reading.read(folders, [shipped_folder("images")], stages_of(store) or reading.shipped_stages())
    shipped = str(shipped_folder("barclamps"))
    origins = {one.name: one.origin for one in found}
    return structs.replace(
        catalog,
        barclamps={
            name: structs.replace(one, origin=origins.get(name, reading.SHIPPED if catalog.folders[name].startswith(shipped) else ""))
            for name, one in catalog.barclamps.items()
        },
    )


def stages_of(store: Path) -> Path | None:
    """The site's own file of stages. None: the shipped one counts."""
    file = store / STAGES
    return file if file.exists() or file.is_symlink() else None


def stages_changed(store: Path) -> list[str]:
    """What the site's own stages change, in words. Empty: nothing. Raises CatalogError with every mistake of barclamps and stages."""
    from .. import catalog as reading

    ours, theirs = site_catalog(store).stages, reading.shipped().stages
    mine, known = {one.name: one for one in ours}, {one.name: one for one in theirs}
    out = [f"leaves out {one.name}" for one in theirs if one.name not in mine]
    out += [f"adds {one.name} after {before.name}" for before, one in pairwise(ours) if one.name not in known]
    both = [one for one in theirs if one.name in mine]
    if [one.name for one in ours if one.name in known] != [one.name for one in both]:
        out.append(f"has the order {', '.join(mine)}")
    return out + [f"changes {one.name}" for one in both if mine[one.name] != one]


def _changed(store: Path, one: Imported) -> PlanMistake:
    file = one.folder(store) / one.name / "barclamp.yml"
    why = f"barclamp {one.name!r} {one.version} is not what was imported: import it again, or crowbar barclamp remove {one.name}"
    return PlanMistake(file=str(file), line=1, path="", expected=why)
