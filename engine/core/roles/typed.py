"""Checks whether a value fits an attribute's schema, in words for the person who set it. Pure.

The validator is imported when the first value is set: a console that only shows things does not need it.
"""

from __future__ import annotations

from typing import Any

from ... import reasons
from ...definitions import AttributeDef, Json
from ...reasons import Reason

_KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_SHOWN = 60


def misfit(attribute: AttributeDef, value: Json, as_pointer: bool = False, secret: bool = False) -> Reason | None:
    """The first reason why the value cannot be set. `as_pointer`: it names the place as a JSON pointer. `secret`: it does not show the
    value."""
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(attribute.schema).iter_errors(value), key=lambda e: [str(p) for p in e.absolute_path])
    if not errors:
        return None
    if secret:
        return reasons.bad_secret(name=attribute.name, expected=_rule(errors[0]))
    path = "".join(f"{'/' if as_pointer else '.'}{part}" for part in errors[0].absolute_path)
    what = f"attribute {attribute.name}{'#' if as_pointer and path else ''}{path}"
    return reasons.bad_value(what=what, expected=_expected(errors[0]), value=_shown(errors[0].instance))


def kind(attribute: AttributeDef) -> str:
    """The kind of its values in words: `text`, `a whole number of at least 1`, `one of jbod, raid1`."""
    schema = attribute.schema
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    types = schema.get("type", [])
    words = " or ".join(_KINDS.get(t, t) for t in ([types] if isinstance(types, str) else types)) or "anything"
    if "minimum" in schema:
        words += f", at least {schema['minimum']}"
    if "maximum" in schema:
        words += f", at most {schema['maximum']}"
    return words


def _expected(error: Any) -> str:
    rule, limit = error.validator, error.validator_value
    match rule:
        case "type":
            return " or ".join(_KINDS.get(k, k) for k in ([limit] if isinstance(limit, str) else limit))
        case "enum":
            return f"one of {', '.join(map(str, limit))}"
        case "minimum":
            return f"at least {limit}"
        case "maximum":
            return f"at most {limit}"
        case "pattern":
            return f"text like {limit}"
        case "required":
            return f"a map with {', '.join(limit)}"
        case "additionalProperties":
            return f"a map of {', '.join(sorted(error.schema.get('properties', {}))) or 'nothing'}"
        case _:
            return f"as its schema says ({str(error.message)[:120]})"


def _rule(error: Any) -> str:
    """What the schema expects, in words that never hold the value."""
    rule, limit = error.validator, error.validator_value
    return {"minLength": f"at least {limit} characters long", "maxLength": f"at most {limit} characters long"}.get(
        rule, _expected(error) if rule in ("type", "enum", "minimum", "maximum", "pattern") else "as its schema says"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
