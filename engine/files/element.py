"""One element of a document that a person wrote: a map, a list or a text. Its typed methods read it. For a mistake they note what was
expected, and return a harmless value.

A reader walks the whole document with elements. At the end `Mistakes.end` raises if anything was noted. So the harmless values are never
used, and all mistakes are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from .. import validation
from ..core.roles import pointer
from ..definitions import Json
from .mistakes import Mistakes, PlanMistake, listed, nearest, shown
from .spelling import NAME
from .yaml_source import Listing, Tree, Word, plain
from .yaml_source import Mapping as TreeMap

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""One label of a host name, lower case (RFC 1123 section 2.1)."""
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]{1,9}) ?(KiB|MiB|GiB)")
_FACTORS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


class Element:
    """A place in a document: its tree, its path, its line, and where mistakes go."""

    __slots__ = ("file", "line", "mistakes", "path", "tree")

    def __init__(self, tree: Tree, file: str, mistakes: Mistakes, path: str = "", line: int = 0) -> None:
        self.tree = tree
        self.file = file
        self.mistakes = mistakes
        self.path = path
        self.line = line or tree.line

    def fail(self, expected: str, near: str = "") -> None:
        self.mistakes.add(PlanMistake(file=self.file, line=self.line, path=self.path, expected=expected, nearest=near))

    def below(self, key: str | int, tree: Tree, line: int = 0) -> Element:
        return Element(tree, self.file, self.mistakes, f"{self.path}.{key}" if self.path else str(key), line)

    # -- maps and lists -------------------------------------------------------------------------------------------

    def entries(self, what: str = "a map") -> dict[str, Element]:
        """A map with any keys. A missing value is an empty map."""
        if isinstance(self.tree, TreeMap):
            return {key: self.below(key, tree, self.tree.lines[key]) for key, tree in self.tree.items.items()}
        if not (isinstance(self.tree, Word) and self.tree.value is None):
            self.fail(f"expected {what}, not {self._kind()}")
        return {}

    def fields(self, known: Collection[str], required: Sequence[str] = ()) -> Fields:
        """A map with known keys only. A missing required key is a mistake, and missing in the result too."""
        found = Fields(self.entries(f"a map with {listed(known)}"))
        for key in found.keys() - set(known):
            near = nearest(key, known)
            found.pop(key).fail("unknown key" if near else f"unknown key; known: {listed(known)}", near)
        if isinstance(self.tree, TreeMap) or (isinstance(self.tree, Word) and self.tree.value is None):
            for key in required:
                if key not in found and not self._misspelt(key, known):
                    self.fail(f"expected the key {key!r}, which is missing")
        return found

    def _misspelt(self, key: str, known: Collection[str]) -> bool:
        """A required key that is only misspelt is one mistake, not two."""
        keys = self.tree.items.keys() - set(known) if isinstance(self.tree, TreeMap) else ()
        return any(nearest(word, known) == key for word in keys)

    def items(self, what: str = "a list") -> list[Element]:
        if isinstance(self.tree, Listing):
            return [self.below(i, tree) for i, tree in enumerate(self.tree.items)]
        if not (isinstance(self.tree, Word) and self.tree.value is None):
            self.fail(f"expected {what}, not {self._kind()}")
        return []

    # -- words ----------------------------------------------------------------------------------------------------

    def text(self, what: str = "text", limit: int = 500, blank: bool = False) -> str:
        """Text. A number or boolean without quotes counts as its written text."""
        if isinstance(self.tree, Word) and self.tree.value is not None:
            if len(self.tree.text) > limit:
                self.fail(f"expected at most {limit} characters")
            elif any(ord(c) < 32 and c not in "\n\t" for c in self.tree.text):
                self.fail(f"expected {what} without control characters")
            elif self.tree.text or blank:
                return self.tree.text
            else:
                self.fail(f"expected {what}")
            return ""
        self.fail(f"expected {what}, not {self._kind()}")
        return ""

    def name(self, what: str, pattern: re.Pattern[str] = NAME, limit: int = 63) -> str:
        text = self.text(what)
        if text and (len(text) > limit or not pattern.fullmatch(text)):
            self.fail(f"expected {what}, not {shown(text)}")
        return text

    def known(self, what: str, names: Collection[str]) -> str:
        """One of these names."""
        text = self.text(f"the name of a {what}")
        if text and text not in names:
            self.unknown(what, text, names)
        return text

    def unknown(self, what: str, text: str, names: Iterable[str]) -> None:
        near = nearest(text, names := sorted(names))
        self.fail(f"unknown {what} {shown(text)}" + ("" if near else f"; known: {listed(names)}"), near)

    def choice(self, names: Sequence[str]) -> str:
        what = "one of " + ", ".join(names)
        text = self.text(what)
        if text and text not in names:
            self.fail(f"expected {what}, not {shown(text)}", nearest(text, names))
            return names[0]
        return text or names[0]

    def integer(self, low: int, high: int) -> int:
        value = self.tree.value if isinstance(self.tree, Word) else None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.fail(f"expected {f'a whole number from {low} to {high}' if low < high else low}, not {self._given()}")
        return low

    def number(self, low: float, high: float) -> float:
        value = self.tree.value if isinstance(self.tree, Word) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        self.fail(f"expected a number from {low:g} to {high:g}, not {self._given()}")
        return low

    def truth(self) -> bool:
        value = self.tree.value if isinstance(self.tree, Word) else None
        if isinstance(value, bool):
            return value
        self.fail(f"expected true or false, not {self._given()}")
        return False

    def duration(self, zero: bool = True) -> float:
        """Seconds, from `30s`, `15m`, `1h` or `2d`. 0 only if `zero`."""
        found = _DURATION.fullmatch(self.tree.text) if isinstance(self.tree, Word) else None
        if found and len(found[1]) < 16 and (zero or float(found[1])):
            return float(found[1]) * _SECONDS[found[2]]
        self.fail(f"expected a duration {'' if zero else 'above 0s '}like 30s, 15m, 1h or 2d, not {self._given()}")
        return 0.0

    def size(self) -> int:
        """Bytes, from a number or `20 MiB`."""
        if isinstance(self.tree, Word):
            if isinstance(self.tree.value, int) and not isinstance(self.tree.value, bool) and self.tree.value > 0:
                return self.tree.value
            found = _SIZE.fullmatch(self.tree.text)
            if found and int(found[1]):
                return int(found[1]) * _FACTORS[found[2]]
        self.fail(f"expected a size like 1048576, 512 KiB or 20 MiB, not {self._given()}")
        return 1

    def address(self) -> IPv4Address | None:
        text = self.text("an IPv4 address")
        try:
            return IPv4Address(text)
        except AddressValueError:
            if text:
                self.fail(f"expected an IPv4 address, not {shown(text)}")
            return None

    # -- JSON -----------------------------------------------------------------------------------------------------

    def json(self) -> Json:
        return plain(self.tree)

    def schema(self) -> dict[str, Json]:
        """A JSON Schema (draft 2020-12), which is checked itself. References stay inside it. Or the name of one that the engine knows."""
        value = self.json()
        if value == validation.NAME:
            return validation.SCHEMA
        import jsonschema  # as long to load as all shipped barclamps to read, and those need no check

        if not isinstance(value, dict):
            self.fail(f"expected a JSON Schema, which is a map, not {self._kind()}")
            return {}
        try:
            jsonschema.Draft202012Validator.check_schema(value)
        except jsonschema.SchemaError as error:
            self.at(error.absolute_path).fail(f"this is not a JSON Schema: {_words(error)}", _near_choice(error))
            return {}
        if _refers_outside(value):
            self.fail("a schema may refer to parts of itself only ($ref: '#/...')")
            return {}
        return value

    def pointer(self) -> str:
        """A JSON pointer (RFC 6901). Empty after a mistake."""
        text = self.text("a JSON pointer like /a/0/b")
        try:
            pointer.parts(text)
        except pointer.PointerError as error:
            self.fail(f"expected a JSON pointer like /a/0/b, not {shown(text)}: {error}")
            return ""
        return text

    def fits(self, schema: Mapping[str, Json], secret: bool = False) -> Json:
        """A JSON value that fits the schema."""
        from jsonschema import Draft202012Validator

        value = self.json()
        errors = Draft202012Validator(schema).iter_errors(value)
        for error in sorted(errors, key=lambda e: list(map(str, e.absolute_path))):
            element = self.at(error.absolute_path)
            if secret:
                element.fail("it does not match its schema")
            else:
                element.fail(_words(error), _near_choice(error))
        return value

    def at(self, path: Collection[str | int]) -> Element:
        """The element at a path below, or the last one that exists."""
        element = self
        for part in path:
            if isinstance(element.tree, TreeMap) and part in element.tree.items:
                element = element.below(str(part), element.tree.items[str(part)], element.tree.lines[str(part)])
            elif isinstance(element.tree, Listing) and isinstance(part, int) and part < len(element.tree.items):
                element = element.below(part, element.tree.items[part])
            else:
                break
        return element

    def _kind(self) -> str:
        if isinstance(self.tree, Word):
            word = isinstance(self.tree.value, str)
            return f"the word {shown(self.tree.text)}" if word else shown(self.tree.value)
        return "a list" if isinstance(self.tree, Listing) else "a map"

    def _given(self) -> str:
        return shown(self.tree.value) if isinstance(self.tree, Word) and self.tree.value is not None else self._kind()


class Fields(dict[str, Element]):
    """The existing keys of a map."""

    def each(self, key: str, what: str = "a list") -> list[Element]:
        """The items of a list. None if the key does not exist."""
        return self[key].items(what) if key in self else []

    def texts(self, key: str, what: str = "text") -> tuple[str, ...]:
        return tuple(item.text(what) for item in self.each(key))

    def describe(self) -> str:
        return self["description"].text(limit=2000) if "description" in self else ""


def duration_text(seconds: float) -> str:
    """The shortest text that `Element.duration` reads as these seconds."""
    for unit in "dhm":
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds:f}".rstrip("0") + "s"


def _words(error: Any) -> str:
    """A JSON Schema failure as a sentence."""
    rule, limit, given = error.validator, error.validator_value, shown(error.instance)
    match rule:
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            return f"expected {' or '.join(_KINDS.get(kind, kind) for kind in kinds)}, not {given}"
        case "enum":
            return f"expected one of {', '.join(map(str, limit))}, not {given}"
        case "minimum":
            return f"expected at least {limit}, not {given}"
        case "maximum":
            return f"expected at most {limit}, not {given}"
        case "pattern":
            return f"expected text like {limit}, not {given}"
        case "additionalProperties":
            known = error.schema.get("properties", {})
            extra = sorted(set(error.instance) - set(known)) if isinstance(error.instance, dict) else []
            return f"unknown key {', '.join(extra)[:80]}; known: {listed(known)}"
        case _:
            message = str(error.message)
            return message if len(message) <= 160 else message[:157] + "..."


def _near_choice(error: Any) -> str:
    """The probable meaning, if a schema lists the choices."""
    if error.validator == "enum" and isinstance(error.instance, str):
        return nearest(error.instance, [choice for choice in error.validator_value if isinstance(choice, str)])
    choices = [
        word for cause in error.context or () if cause.validator == "enum" for word in cause.validator_value if isinstance(word, str)
    ]
    return nearest(error.instance, choices) if isinstance(error.instance, str) else ""


def _refers_outside(schema: Json) -> bool:
    if isinstance(schema, dict):
        for key in ("$ref", "$dynamicRef"):
            if not str(schema.get(key, "#")).startswith("#"):
                return True
        return any(_refers_outside(value) for value in schema.values())
    return isinstance(schema, list) and any(_refers_outside(value) for value in schema)
