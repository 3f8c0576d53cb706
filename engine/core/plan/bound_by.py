"""What the graph of node roles was bound by: the plan's revision, the roles of the barclamps, and the rules of this program.

The store keeps it. If it is another one at a start, the graph is bound anew (`pieces`): an older version of this program or of a barclamp
bound it, or the engine was killed during a large commit.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import json
from msgspec.structs import replace

from ..world.work import Work
from .revisions import latest

REFUSED = "refused"
"""In place of the digest: the plan cannot be met with these barclamps. The next start tries again."""
RULES = 2
"""Version of the rules of `wanted`. Count it up when they give another graph for the same plan: then each store gets that graph at its
next start."""

_encode = json.Encoder(order="deterministic").encode


def bound_by(w: Work) -> str:
    """16 hex digits over what decides the graph, besides the nodes."""
    base = w.base
    return blake2b(_encode([RULES, latest(w), base.roles, base.attributes, base.stages]), digest_size=8).hexdigest()


def all_bound(w: Work) -> None:
    """The whole graph is what the plan wants."""
    put_bound(w, bound_by(w))


def put_bound(w: Work, bound: str) -> None:
    if w.meta.bound != bound:
        w.put(replace(w.meta, bound=bound))
