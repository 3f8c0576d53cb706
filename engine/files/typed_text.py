"""A typed value, read by its schema: text stays text if the schema wants text; otherwise it is read as in a plan file (`{level: raid1}`,
`[a, b]`, `12`, `true`). And back: a line that reads as the same value."""

from __future__ import annotations

import json

from ..definitions import Json
from .mistakes import Mistakes, PlanError
from .yaml_source import parse, plain


def typed(text: str, schema: dict[str, Json]) -> Json:
    """Raises PlanError if it is not even YAML."""
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
