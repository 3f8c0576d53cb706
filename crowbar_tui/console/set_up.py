"""A session as the user wants it: keys, columns, first page, mouse; and what it may do."""

from __future__ import annotations

from .manner import Manner
from .pages.problems import ProblemsScreen
from .pages.results import ResultsScreen
from .pages.timeline import TimelineScreen
from .session import Session
from .snapshot import Said

_OTHER = {"problems": ProblemsScreen, "timeline": TimelineScreen, "results": ResultsScreen}
"""Pages without a digit."""


def prepare(session: Session, manner: Manner) -> None:
    """Also says what of the user's set-up does not count."""
    wanted = manner.taken.preferences
    session.manner = manner
    number = next((i for i, page in enumerate(session.screens) if page.name == wanted.start), 0)
    session.show(number)
    if wanted.start in _OTHER:
        session.push(_OTHER[wanted.start](session))
    more = f" (and {len(manner.taken.mistakes) - 1} more: n)" if len(manner.taken.mistakes) > 1 else ""
    for i, mistake in reversed(list(enumerate(manner.taken.mistakes))):
        session.note(Said(False, f"not taken: {mistake}{more if not i else ''}"))
