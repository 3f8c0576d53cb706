"""The committed revisions: who, when, which deployments each changed, and whether it went back to an earlier one. Pure.

What a revision changed is not stored. It follows from the plans of the revision and of the one before, so it is there for old stores too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from ..core.plan.proposed import definition_in
from ..core.world.world import World
from ..definitions import Json
from ..model import Revision

SYSTEM = "system"


class RevisionChange(Struct, frozen=True, kw_only=True):
    name: str
    """A deployment, or another key of the plan (`networks`, `rules`)."""
    what: str
    """`new`, `changed` or `deleted`."""
    deployment: bool
    back: int = 0
    """The earlier revision in which the deployment was the same. 0: none."""

    @property
    def words(self) -> str:
        return f"{self.name} {self.what}" + (f" (as in revision {self.back})" if self.back else "")


class RevisionView(Struct, frozen=True, kw_only=True):
    number: int
    who: str
    at: float
    """Wall time in seconds."""
    current: bool
    changes: tuple[RevisionChange, ...]
    """Against the revision before. Empty for the first."""
    back: int = 0
    """The earlier revision with the same plan. 0: none."""

    @property
    def words(self) -> str:
        return ", ".join([*([f"back to revision {self.back}"] if self.back else []), *(one.words for one in self.changes)])


def revision_views(world: World, most: int = 0) -> tuple[RevisionView, ...]:
    """Newest first, at most `most`; 0: all."""
    found = sorted(world.revisions.values(), key=lambda one: one.number)
    chosen = list(enumerate(found))[-most:] if most else list(enumerate(found))
    return tuple(_view(found, i, one) for i, one in reversed(chosen))


def _view(found: list[Revision], i: int, one: Revision) -> RevisionView:
    before = found[:i]
    return RevisionView(
        number=one.number,
        who=one.who,
        at=one.at,
        current=one is found[-1],
        changes=tuple(_changes(before, one)) if before else (),
        back=next((old.number for old in reversed(before[:-1]) if _same(old.plan, one.plan)), 0),
    )


def _same(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Deployments first, because these differ most often, and racks are large."""
    return one.get("deployments") == other.get("deployments") and one == other


def _changes(before: list[Revision], one: Revision) -> Iterator[RevisionChange]:
    last = before[-1]
    old, new = last.plan.get("deployments") or {}, one.plan.get("deployments") or {}
    names = [SYSTEM] if last.plan.get("attributes") != one.plan.get("attributes") else []
    for name in [*names, *sorted({*old, *new})]:
        was, now = definition_in(last, name), definition_in(one, name)
        if was == now:
            continue
        back = next((early.number for early in reversed(before[:-1]) if definition_in(early, name) == now), 0) if now is not None else 0
        what = "deleted" if now is None else "new" if was is None else "changed"
        yield RevisionChange(name=name, what=what, deployment=True, back=back)
    for key in [*last.plan, *(key for key in one.plan if key not in last.plan)]:
        if key not in ("deployments", "attributes") and last.plan.get(key) != one.plan.get(key):
            yield RevisionChange(name=key, what="changed", deployment=False)
