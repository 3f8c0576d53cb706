"""The world: everything that the engine knows, as one immutable value, readable from any thread without a lock.

Tables are persistent maps (a changed entry costs 2 to 4 us at any size; a copied dict costs milliseconds at 20,000 entries).
Indexes beside them are derived: `work` keeps them as records change, `load` builds them anew, and tests compare the two.
Some are memory rather than functions of the tables: `queues`, `touched`, `looked` and `binding`, rebuilt by looking at everything; `full`,
by looking; `share`.
"""

from __future__ import annotations

from typing import Any

from immutables import Map

from ...definitions import Catalog
from ...effects import Effect
from ...model import Key, Meta, Node, NodeId
from ...plan import Plan
from .share import Share
from .view import MAPS, Settled, View


class World(View, Settled):
    """`view.View` lists what it holds."""

    touched: tuple[Key, ...]
    """Node roles still to be looked at: more were touched than one step may start."""
    released: tuple[str, ...]
    """Resources with free places that were not handed on yet, for the same cause."""
    looked: tuple[NodeId, ...]
    """Nodes still to be looked at."""
    binding: tuple[tuple[NodeId, bool], ...]
    """Nodes still to be bound by the plan (`plan.pieces`), and whether that was tried."""
    answers: tuple[Effect, ...]
    """Receipts that are due when all are bound."""
    full: tuple[tuple[str, float], ...]
    """Network -> engine time until which its pool is known to have nothing free, so that it is not searched for each who asks."""
    share: Share
    """What strangers may still write into the journal."""

    def __init__(
        self,
        *,
        base: Catalog,
        catalog: Catalog,
        plan: Plan | None = None,
        meta: Meta = Meta(),  # noqa: B008  frozen
        touched: tuple[Key, ...] = (),
        released: tuple[str, ...] = (),
        full: tuple[tuple[str, float], ...] = (),
        share: Share = Share(),  # noqa: B008  immutable
        **maps: Map[Any, Any],
    ) -> None:
        """`maps`: those of `view.MAPS` that are not empty."""
        self.__dict__.update(_EMPTY)
        self.__dict__.update(maps, base=base, catalog=catalog, plan=plan, meta=meta, share=share)
        self.__dict__.update(touched=touched, released=released, full=full, looked=(), binding=(), answers=(), memo={})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a world is immutable: change a working copy of it")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, World) and self.__dict__ | _NO_MEMO == other.__dict__ | _NO_MEMO

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> World:
        """Of all fields, which are the world's from now on. One is made for each batch, so it costs little."""
        world = cls.__new__(cls)
        world.__dict__.update(fields)
        return world

    @classmethod
    def new(cls, catalog: Catalog) -> World:
        """The world of a store that was just made."""
        return cls(base=catalog, catalog=catalog)

    def node_named(self, name: str) -> Node | None:
        """By name, first label of it, or id."""
        found = self.names.get(name) or (name if name in self.nodes else None)
        return self.nodes[found] if found else None


_NO_MEMO: dict[str, Any] = {"memo": None}
_EMPTY: dict[str, Map[Any, Any]] = dict.fromkeys(MAPS, Map())
