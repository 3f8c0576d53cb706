"""YAML from people to a tree that knows its lines: safe and bounded.

The tree is built from the parser's events, not by PyYAML's constructors. So it can contain only maps, lists and words, nothing recurses,
and each limit holds while the text is still being read.

Rules
* At most 1 MiB of text, 32 levels, 50,000 things. One document. Keys are words, each given once.
* No tags, anchors, aliases or merges: an alias can blow up a small file, and a plan is easier to read without them.
* Words mean what YAML 1.2's core schema says: only `true` and `false` are booleans. So the keys `on` and `no` and the time `12:30` stay
  words, which YAML 1.1 would turn into other things. Keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from ..definitions import Json
from .mistakes import Mistakes, PlanMistake
from .yaml_words import complaint

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_THINGS = 50_000
MAX_DIGITS = 18

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
NULLS = frozenset(("", "~", "null", "Null", "NULL"))

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Word(Struct, frozen=True):
    """A scalar: its line, the written text, and its value."""

    line: int
    text: str
    value: str | int | float | bool | None
    column: int = 0
    """Counted from 1, like the line."""


class Listing(Struct, frozen=True):
    line: int
    items: list[Tree]
    column: int = 0


class Mapping(Struct, frozen=True):
    line: int
    items: dict[str, Tree]
    lines: dict[str, int]
    """Line of each key."""
    column: int = 0


Tree = Word | Listing | Mapping


def plain(tree: Tree) -> Json:
    """The tree as a JSON value."""
    match tree:
        case Word():
            return tree.value
        case Listing():
            return [plain(item) for item in tree.items]
        case Mapping():
            return {key: plain(item) for key, item in tree.items.items()}


def load(path: Path, mistakes: Mistakes, name: str = "") -> Tree | None:
    """Reads a file. If something is wrong, adds it to `mistakes` under `name` (or its path) and returns None."""
    name = name or str(path)
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_BYTES + 1)
    except OSError as error:
        mistakes.add(_mistake(name, 1, f"cannot read the file: {error.strerror or error}"))
        return None
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(octets) <= MAX_BYTES:
            line = octets[: error.start].count(b"\n") + 1
            mistakes.add(_mistake(name, line, f"expected UTF-8 text; byte {error.start} is not"))
            return None
        text = octets.decode("utf-8", "replace")
    return parse(text, name, mistakes)


def parse(text: str, name: str, mistakes: Mistakes) -> Tree | None:
    """YAML text to a tree. None: it is not usable, and `mistakes` says why. For a key given twice, the first one counts."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        mistakes.add(_mistake(name, 1, f"expected at most {MAX_BYTES} bytes"))
        return None
    try:
        return _build(_events(text), name, mistakes)
    except _Refused as refused:
        mistakes.add(_mistake(name, refused.line, str(refused)))
    except yaml.MarkedYAMLError as error:
        line, words = complaint(error, text)
        mistakes.add(_mistake(name, line, f"this is not YAML: {words}"))
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position if isinstance(position, int) else 0) + 1
        reason = getattr(error, "reason", "it does not parse")
        mistakes.add(_mistake(name, line, f"this is not YAML: {reason}"))
    return None


def _events(text: str) -> Iterator[Any]:
    """The parser's events, the same for every version of PyYAML.

    Since 6.0.4 libyaml refuses a depth of 1,000 while its scanner looks ahead, before `_build` has seen the 33rd level. The
    text before that place is not too deep for libyaml: its events are read instead, so `_build` refuses it in its own words.
    """
    given = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            given += 1
            yield event
        return
    except yaml.MarkedYAMLError as error:
        if not _too_deep(error) or error.problem_mark is None:
            raise
        mark = error.problem_mark
    try:
        yield from islice(yaml.parse(text[: mark.index], Loader=_Loader), given, None)
    except yaml.MarkedYAMLError as error:
        if not _too_deep(error):
            raise
    raise _Refused(mark.line + 1, f"expected at most {MAX_DEPTH} levels")


def _too_deep(error: yaml.MarkedYAMLError) -> bool:
    return "nesting depth" in str(error.problem)


class _Refused(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


class _Open:
    """A map or list whose end has not been read yet."""

    __slots__ = ("key", "tree")

    def __init__(self, tree: Listing | Mapping) -> None:
        self.tree = tree
        self.key: Word | None = None

    def take(self, item: Tree) -> Word | None:
        """Puts an item in its place. Returns a key that already exists."""
        if isinstance(self.tree, Listing):
            self.tree.items.append(item)
        elif self.key is None:
            if not isinstance(item, Word):
                raise _Refused(item.line, "expected a word as key, not a list or a map")
            self.key = item
        else:
            key, self.key = self.key, None
            if key.text in self.tree.lines:
                return key
            self.tree.items[key.text] = item
            self.tree.lines[key.text] = key.line
        return None


def _build(events: Iterator[Any], name: str, mistakes: Mistakes) -> Tree | None:
    root: Tree | None = None
    stack: list[_Open] = []
    things = documents = 0

    def put(item: Tree) -> None:
        nonlocal root
        if not stack:
            root = item
        elif (twice := stack[-1].take(item)) is not None:
            holder = stack[-1].tree
            first = holder.lines[twice.text] if isinstance(holder, Mapping) else 0
            path = ".".join((*_path(stack), twice.text))
            expected = f"the key already exists, on line {first}"
            mistakes.add(PlanMistake(file=name, line=twice.line, path=path, expected=expected))

    for event in events:
        kind = type(event)
        if kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise _Refused(event.start_mark.line + 1, "expected one document; here a second one begins")
            continue
        if kind in (yaml.SequenceEndEvent, yaml.MappingEndEvent):
            put(stack.pop().tree)
            continue
        if not issubclass(kind, yaml.NodeEvent):
            continue
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if kind is yaml.AliasEvent or event.anchor is not None:
            raise _Refused(line, "anchors and aliases (& and *) are not allowed; repeat the text instead")
        if event.tag not in (None, "!"):
            raise _Refused(line, f"tags ({event.tag[:40]}) are not allowed")
        things += 1
        if things > MAX_THINGS:
            raise _Refused(line, f"expected at most {MAX_THINGS} words, lists and maps")
        if kind is yaml.ScalarEvent:
            put(Word(line, event.value, _meaning(event.value, line) if event.implicit[0] else event.value, column))
            continue
        if len(stack) >= MAX_DEPTH:
            raise _Refused(line, f"expected at most {MAX_DEPTH} levels")
        stack.append(_Open(Listing(line, [], column) if kind is yaml.SequenceStartEvent else Mapping(line, {}, {}, column)))
    if root is None or (isinstance(root, Word) and root.value is None):
        raise _Refused(1, "expected a document; the file is empty")
    return root


def _path(stack: list[_Open]) -> list[str]:
    """Path of the innermost open map or list."""
    parts = []
    for holder in stack[:-1]:
        if isinstance(holder.tree, Listing):
            parts.append(str(len(holder.tree.items)))
        elif holder.key is not None:
            parts.append(holder.key.text)
    return parts


def _meaning(text: str, line: int) -> str | int | float | bool | None:
    """Value of an unquoted word, by the core schema of YAML 1.2 (section 10.3.2). Infinities, which JSON does not know, are text."""
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    if INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS + 1:
            raise _Refused(line, f"expected a number of at most {MAX_DIGITS} digits; quote it if it is text")
        if text.startswith("0o"):
            return int(text[2:], 8)
        return int(text, 16) if text.startswith("0x") else int(text)
    if FLOAT.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def _mistake(name: str, line: int, expected: str) -> PlanMistake:
    return PlanMistake(file=name, line=line, path="", expected=expected)
