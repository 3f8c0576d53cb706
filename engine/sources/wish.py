"""What the nodes wish to have built, as the role `NAME-wheels` reads it. Pure.

A wish comes from a plan. Its texts become words of git's and pip's command lines, so each has a pattern, which leaves out what begins with
`-`, and URLs of the transports that run programs (`ext::`, `fd::`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from ..definitions import Json
from ..files.barclamp_sources import CONSTRAINTS_PATH, INDEX, PYTHON, REPOSITORY, REQUIREMENT, REVISION
from . import SourceError

MOST = 16
"""Different wishes that one role builds."""


class Origin(Struct, frozen=True, kw_only=True):
    """A revision of a repository."""

    repository: str
    revision: str

    @property
    def id(self) -> str:
        """Name of the repository's files."""
        return repository_id(self.repository)


class Constraints(Origin, frozen=True, kw_only=True):
    """A file of constraints for pip, in a repository."""

    path: str


class Wish(Origin, frozen=True, kw_only=True):
    """What one value of `NAME-source` asks for."""

    constraints: Constraints | None = None


class Build(Struct, frozen=True, kw_only=True):
    """All that decides how a wish is built, besides what its revisions are."""

    name: str
    """Of the source, as the barclamp calls it."""
    wish: Wish
    requirements: tuple[str, ...] = ()
    """What else is installed beside it."""
    index: str = ""
    """URL of the package index. Empty: none is asked."""
    python: str = "python3"


def repository_id(url: str) -> str:
    """Of a repository: 24 hexadecimal digits, from its URL."""
    return hashlib.sha256(url.encode()).hexdigest()[:24]


def wish_of(value: Json) -> Wish | None:
    """The wish in a value of `NAME-source`. None: packages. Raises SourceError for what no plan can hold."""
    if not isinstance(value, dict) or not value.get("repository"):
        return None
    try:
        found = msgspec.convert(value, Wish)
    except msgspec.ValidationError as error:
        raise SourceError("source_address", f"the source is not one ({error})") from None
    for one in (found, found.constraints):
        if one is not None:
            _fits(REPOSITORY, one.repository, "the URL of a repository")
            _fits(REVISION, one.revision, "a revision")
            if ".." in one.revision or one.revision.endswith((".lock", "/", ".")):
                raise SourceError("source_address", f"{one.revision[:80]!r} is not a revision")
    if found.constraints is not None:
        _fits(CONSTRAINTS_PATH, found.constraints.path, "a path in a repository")
    return found


def builds_of(name: str, attributes: Json) -> list[Build]:
    """What the role must build, each once, by the attributes of its task. Raises SourceError."""
    given = attributes.get("source", {}) if isinstance(attributes, dict) else {}
    requirements = tuple(str(one) for one in given.get("requirements") or ())
    index, python = str(given.get("index") or ""), str(given.get("python") or "python3")
    for one in requirements:
        _fits(REQUIREMENT, one, "a requirement")
    _fits(PYTHON, python, "the name of a Python")
    if index:
        _fits(INDEX, index, "the URL of a package index")
    wishes = dict.fromkeys(_wishes(given.get("wanted") or []))
    if len(wishes) > MOST:
        raise SourceError("source_address", f"the nodes wish {len(wishes)} different sources of {name}, and {MOST} is the most")
    return [Build(name=name, wish=wish, requirements=requirements, index=index, python=python) for wish in wishes]


def _wishes(rows: list[Json]) -> Iterator[Wish]:
    for row in rows:
        wish = wish_of(row.get("value") if isinstance(row, dict) else None)
        if wish is not None:
            yield wish


def _fits(pattern: str, text: str, what: str) -> None:
    if not re.search(pattern, text) or "\n" in text:
        raise SourceError("source_address", f"{text[:80]!r} is not {what}")
