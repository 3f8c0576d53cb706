"""The committed plans, by their numbers."""

from __future__ import annotations

from msgspec import json

from ... import reasons
from ...definitions import Json
from ...model import Revision
from ...plan import Plan, from_stored
from ...reasons import Reason
from ..world.work import Work


def latest(w: Work) -> int:
    """Number of the last revision; 0: none."""
    count = len(w.revisions)
    return count if count == 0 or count in w.revisions else max(r.number for r in w.all(Revision))


def moved_on(w: Work, expects: int | None) -> Reason | None:
    """Why a commit that was made from the revision `expects` is refused: somebody committed meanwhile. None: nobody did."""
    last = latest(w)
    if expects is None or expects == last:
        return None
    since = [one for one in sorted(w.all(Revision), key=lambda one: one.number) if one.number > expects]
    who = ", ".join(dict.fromkeys(one.who for one in since)) or "nobody"
    return reasons.revision_moved(expected=expects, revision=last, who=who)


def as_stored(plan: Plan) -> Json:
    """The plan as a revision keeps it: with lists for tuples, so that the two compare."""
    return json.decode(json.encode(plan))


def same(one: Json, other: Json) -> bool:
    """True if two stored plans mean the same. Their deployments stand in the same order too: where two place a role on one node, the first
    has it."""
    return bool(one == other) and list((one or {}).get("deployments") or ()) == list((other or {}).get("deployments") or ())


def as_kept(body: Json) -> Json:
    """A revision's plan in this program's form: another version may have stored it without keys that have a default now."""
    return as_stored(from_stored(body))
