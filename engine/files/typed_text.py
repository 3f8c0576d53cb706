"""A value that somebody typed, by the schema that it must fit: text stays text where text is wanted, else it is read as in a plan file
(`{level: raid1}`, `[a, b]`, `12`, `true`); and back, as one line that reads as the same value."""

from __future__ import annotations

import json

from ..definitions import Json
from .mistakes import Mistakes, PlanError
from .yaml_source import parse, plain


def typed(text: str, schema: dict[str, Json]) -> Json:
    """Raises PlanError where it is not even YAML."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds and "enum" in schema:
        kinds = ["string"] if all(isinstance(one, str) for one in schema["enum"]) else []
    if kinds == ["string"]:
        return text
    mistakes = Mistakes()
    tree = parse(text, "value", mistakes)
    mistakes.end(PlanError)
    return plain(tree) if tree is not None else None


def as_typed(value: Json) -> str:
    """One line for a value."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
