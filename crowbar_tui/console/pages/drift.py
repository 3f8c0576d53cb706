"""What stands beside the plan although there is nothing to commit: settings, roles that stay, and roles that only a redeploy runs again."""

from __future__ import annotations

from engine.api.views import Drift, drift_of

from ..page import Scroll
from ..session import Session
from ..styled import Line, line, wrap


def _drift(session: Session) -> Drift:
    return session.remember("drift", lambda: drift_of(session.world))


def drift_words(session: Session) -> str:
    """The drift in a few words. Empty: none."""
    return _drift(session).words


class DriftScreen(Scroll):
    name = "drift"

    def text(self, columns: int) -> list[Line]:
        found = _drift(self.session)
        out = [line((f" {found.words or 'the rack stands as its plan says'}", "name"))]
        roles = {"roles that the plan does not want, and that stay": found.left, "roles that need a redeploy": found.redeploy}
        told = {"settings beside the plan": [one.words for one in found.settings]}
        told |= {head: [f"{one.role} on {one.node}: {one.why}" for one in of_kind] for head, of_kind in roles.items()}
        for head, rows in told.items():
            out += [line(), line((f" {head}", "head"))] if rows else []
            for words in rows:
                first, *rest = wrap(words, columns - 6)
                out += [line("   ", first), *(line(" " * 5, one) for one in rest)]
        return out
