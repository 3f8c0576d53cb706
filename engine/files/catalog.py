"""Reads the folders of barclamps and images, and the stages, into a `Catalog`. Reports all mistakes together.

A barclamp is a folder with `barclamp.yml` and `roles/ROLE/run` (and `verify`). An image is a folder with `image.yml`. docs/barclamps.md
explains every key.

Rules
* Words are checked where they stand: stages, jigs, flags, roles, attributes. A role `network-NAME` is known wherever the abstract role
  `network` is. The plan tells whether that network exists.
* An attribute is declared once, and at most one role gives it. No path lies inside another, because all of them may be in one
  attributes.json.
* Requirements that could never be met are refused: roles that require each other (including the attributes that they want, and
  `precedes`), and roles that require a role of a later stage on the same node.
* Folders without a barclamp.yml or image.yml are skipped. The shipped folders are Python packages only so that the wheel contains them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import structs

from ..core.plan.network_roles import TEMPLATE, network_of
from ..core.roles.typed import misfit
from ..definitions import Catalog, ImageDef, On
from ..reasons import sentence
from .barclamp_file import BarclampFile, Pending, Tables
from .barclamp_places import check_places
from .image_file import read_image
from .mistakes import CatalogError, Mistakes, shown
from .paths import shipped_folder
from .stage_file import check_roles, read_stages
from .stamp import shipped_stamp

SHIPPED = "shipped"
"""Origin of the barclamps that travel with the program."""


_last: tuple[str, Catalog] | None = None
"""The stamp of the files, and what was read from them."""


def shipped() -> Catalog:
    """The catalogue that is shipped with the program. A process reads it again only if a file has changed. Raises CatalogError."""
    global _last
    now = shipped_stamp()
    if _last is None or _last[0] != now:
        _last = (now, _shipped())
    return _last[1]


def _shipped() -> Catalog:
    found = read([shipped_folder("barclamps")], [shipped_folder("images")], shipped_stages())
    return structs.replace(found, barclamps={name: structs.replace(one, origin=SHIPPED) for name, one in found.barclamps.items()})


def shipped_stages() -> Path:
    return shipped_folder("engine") / "stages.yml"


def read(barclamp_dirs: Iterable[Path], image_dirs: Iterable[Path], stages_file: Path) -> Catalog:
    """Reads folders of barclamps, folders of images and the file of stages. Raises CatalogError with every mistake."""
    mistakes = Mistakes()
    stages, places = read_stages(stages_file, mistakes)
    mistakes.end(CatalogError)  # without stages every role would be a mistake
    tables, ours = Tables(), shipped_folder("barclamps")
    for folder in _folders(barclamp_dirs, "barclamp.yml"):
        BarclampFile(folder, stages, mistakes, tables, sure=folder.parent == ours).read()
    images: dict[str, ImageDef] = {}
    for folder in _folders(image_dirs, "image.yml"):
        read_image(folder, mistakes, tables.folders, images)
    _owners(tables)
    _paths(tables)
    _resolve(tables)
    check_places(tables)
    catalog = Catalog(
        roles={name: one.role for name, one in sorted(tables.pending.items())},
        attributes=dict(sorted(tables.attributes.items())),
        stages=stages,
        images=images,
        folders=tables.folders,
        barclamps=tables.barclamps,
    )
    if not mistakes.found:
        _order(catalog, tables.pending)
        check_roles(stages, places, catalog.roles)
    mistakes.end(CatalogError)
    return catalog


def _folders(parents: Iterable[Path], holds: str) -> Iterator[Path]:
    for parent in parents:
        yield from sorted(file.parent for file in Path(parent).glob(f"*/{holds}"))


# -- what can be checked only when all is read ----------------------------------------------------------------------


def _owners(tables: Tables) -> None:
    attributes = tables.attributes
    for one in tables.pending.values():
        for element, name in one.attributes:
            attribute = attributes.get(name)
            if attribute is None or name not in one.role.gives or element.path.split(".")[-2:-1] != ["gives"]:
                continue
            if attribute.role and attribute.role != one.role.name:
                element.fail(f"role {attribute.role!r} already gives attribute {shown(name)}")
                continue
            attributes[name] = structs.replace(attribute, role=one.role.name)


def _paths(tables: Tables) -> None:
    owner: dict[str, str] = {}
    for name, attribute in sorted(tables.attributes.items(), key=lambda item: item[1].path):
        parts = attribute.path.split("/")
        for length in range(1, len(parts) + 1):
            other = owner.get("/".join(parts[:length]))
            if other is not None:
                there = tables.attributes[other].path
                tables.elements[name].fail(f"path {attribute.path!r} overlaps the path of attribute {other!r}, {there!r}")
                break
        owner.setdefault(attribute.path, name)


def _resolve(tables: Tables) -> None:
    for element, name in tables.needs:
        if name not in tables.folders:
            element.unknown("barclamp", name, [one for one in tables.folders if ":" not in one])
    roles = tables.pending.keys() | {name for one in tables.pending.values() for name in one.role.provides}
    for one in tables.pending.values():
        for element, name in one.roles:
            if name and name not in roles and not (network_of(name) and TEMPLATE in roles):
                element.unknown("role", name, roles)
        for element, name in one.attributes:
            if name and name not in tables.attributes:
                element.unknown("attribute", name, tables.attributes)
        for element, name in one.wishes:
            attribute = tables.attributes.get(name)
            if attribute is None:
                element.fail(f"no barclamp declares attribute {name!r}, which would carry this wish")
            elif (wrong := misfit(attribute, one.role.hardware[name])) is not None:
                element.fail(sentence(wrong))


def _order(catalog: Catalog, pending: dict[str, Pending]) -> None:
    """Refuses a role that waits for itself, or for a later stage of its own node."""
    after: dict[str, list[str]] = {name: [] for name in catalog.roles}
    for name, role in catalog.roles.items():
        for need in catalog.requirements(name):
            providers = [r.name for r in catalog.roles.values() if need.role in r.provides]
            made = [TEMPLATE] if network_of(need.role) and TEMPLATE in catalog.roles else []
            for parent in [need.role] if need.role in catalog.roles else providers or made:
                after[name].append(parent)
                other = catalog.roles[parent]
                if {name, parent} & catalog.left_out.keys():
                    continue
                if need.on in (None, On.SAME) and catalog.stage_index(other.stage) > catalog.stage_index(role.stage):
                    later = need.role if made else parent
                    pending[name].element.at(("requires",)).fail(
                        f"role {name!r} of stage {role.stage!r} would wait for {later!r} of later stage {other.stage!r}"
                    )
        for later in role.precedes:
            if later in after:
                after[later].append(name)
    for chain in _cycles(after):
        pending[chain[0]].element.fail("these roles would wait for each other: " + " -> ".join(chain))


def _cycles(after: dict[str, list[str]]) -> Iterator[list[str]]:
    """Every cycle that a depth-first walk finds, without recursion."""
    state: dict[str, int] = {}
    for start in after:
        if start in state:
            continue
        path: list[str] = [start]
        walks = [iter(after[start])]
        state[start] = 1
        while path:
            step = next(walks[-1], None)
            if step is None:
                state[path.pop()] = 2
                walks.pop()
            elif state.get(step) == 1:
                yield [*path[path.index(step) :], step]
            elif step not in state:
                state[step] = 1
                path.append(step)
                walks.append(iter(after[step]))
