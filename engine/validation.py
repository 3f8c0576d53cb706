"""What a role that validates a deployment (`validate: true`) reports of its tests: the typed shape that all of them share.

A barclamp declares an attribute with `schema: validation-report`, and its role gives it. Everything else of the program reads this shape:
the summary of a run, `crowbar validate` with its JUnit file, and the console. Unlike other gives it counts for a failed run, too, because
what failed is what people need.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from .definitions import AttributeDef, Json

NAME = "validation-report"
"""What a barclamp writes instead of a schema."""
RESULTS = ("passed", "failed", "skipped", "excluded")
MOST_GROUPS, MOST_TESTS = 500, 2000

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, Meta(ge=0, le=1e7)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


Result = Literal["passed", "failed", "skipped", "excluded"]


class Case(Struct, frozen=True, kw_only=True):
    name: Name
    result: Result
    seconds: Seconds = 0.0
    line: Annotated[str, Meta(max_length=300)] = ""
    """Of a failed test: the first line that says what failed. Of a skipped or excluded one: why."""


class Group(Struct, frozen=True, kw_only=True):
    """Tests that share their preparation, like a class of Tempest."""

    name: Name
    seconds: Seconds = 0.0
    """With the preparation."""
    tests: Annotated[tuple[Case, ...], Meta(max_length=MOST_TESTS)] = ()


class Report(Struct, frozen=True, kw_only=True):
    """The totals count every test. The groups may name fewer, failed ones first, if all of them would be too much for one report."""

    passed: Count
    failed: Count
    skipped: Count = 0
    excluded: Count = 0
    seconds: Seconds = 0.0
    groups: Annotated[tuple[Group, ...], Meta(max_length=MOST_GROUPS)] = ()

    def tests(self, *results: str) -> list[tuple[Group, Case]]:
        """Those with one of these results."""
        return [(group, test) for group in self.groups for test in group.tests if test.result in results]


def _object(required: tuple[str, ...], **properties: Json) -> dict[str, Json]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


_COUNT: dict[str, Json] = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_SECONDS: dict[str, Json] = {"type": "number", "minimum": 0, "maximum": 10_000_000}
_NAME: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": 200}
_TEST = _object(("name", "result"), name=_NAME, result={"enum": list(RESULTS)}, seconds=_SECONDS, line={"type": "string", "maxLength": 300})
_GROUP = _object(("name",), name=_NAME, seconds=_SECONDS, tests={"type": "array", "maxItems": MOST_TESTS, "items": _TEST})
SCHEMA: dict[str, Json] = {
    "title": NAME,
    **_object(
        ("passed", "failed"),
        **dict.fromkeys(RESULTS, _COUNT),
        seconds=_SECONDS,
        groups={"type": "array", "maxItems": MOST_GROUPS, "items": _GROUP},
    ),
}
"""The same as JSON Schema."""


def is_report(attribute: AttributeDef | None) -> bool:
    return attribute is not None and attribute.schema.get("title") == NAME


def read(value: Json) -> Report | None:
    """None: the value is no report. Names and lines come from a node: what no terminal should get is a question mark."""
    try:
        found = msgspec.convert(value, Report, strict=False)
    except msgspec.ValidationError:
        return None
    return replace(found, groups=tuple(replace(one, name=_shown(one.name), tests=tuple(map(_clean, one.tests))) for one in found.groups))


def _clean(test: Case) -> Case:
    if test.name.isprintable() and test.line.isprintable():
        return test
    return replace(test, name=_shown(test.name), line=_shown(test.line))


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)
