"""Services from source: git repositories, and the wheels that the admin node builds of them. docs/source.md explains it.

    STORE/sources/ID.git         the mirror of a repository; ID is made from its URL
    STORE/sources/ID.bundle      the same repository, as an opened bundle brought it
    STORE/sources/built-KEY/     the wheels of one build, with a manifest. It appears complete, by a rename
    STORE/sources/.*             locks, work, and the ends of builds

KEY is made from all that decides what the wheels are: the commit, the requirements, the constraints, the Python and the machine. So a
second wish with the same inputs builds nothing.
"""

from __future__ import annotations

FOLDER = "sources"
"""In the store."""


class SourceError(Exception):
    """A source cannot be had or built. `code`: from `reasons.SOURCE_CODES`. The text is one sentence that says what was seen."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
