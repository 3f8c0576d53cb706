"""The OpenAPI 3.1 document of the HTTP API, made from the route table and the records of its types."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from ..core.operator.verbs import Verb
from ..definitions import Json
from .messages import Refused
from .table import ENDPOINTS, SEGMENT, Endpoint

REFERENCE = "#/components/schemas/{name}"
REFUSALS = {
    400: "not an HTTP request",
    401: "no valid token or certificate of an operator",
    404: "there is no such thing, or no such path",
    405: "the path takes other methods",
    408: "the body came too slowly",
    409: "the engine refuses the order",
    413: "the body is too large",
    422: "the request is not usable",
    429: "too many failed logins, or too many requests in work",
    500: "a defect of the engine",
}
WITH_BODY = (408, 413)


@cache
def document() -> dict[str, Json]:
    """The whole document, as plain data."""
    types = [one.answer for one in ENDPOINTS] + [one.body for one in ENDPOINTS if one.body is not None] + [Refused]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    answers = {one.name: schema for one, schema in zip(ENDPOINTS, schemas, strict=False)}
    bodies = {one: msgspec.json.schema_components([one], ref_template=REFERENCE)[0][0] for one in types if _is_record(one)}
    paths: dict[str, Any] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.whole, {})[one.method.lower()] = _operation(one, answers[one.name], bodies)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Crowbar TUI",
            "version": "1",
            "summary": "Control an engine: read the rack, give orders, commit plans",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"certificate": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "made by crowbar api token NAME"},
                "certificate": {"type": "mutualTLS", "description": "made by crowbar api certificate NAME -o FOLDER"},
            },
        },
    }


def _is_record(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, Struct)


def _operation(one: Endpoint, answer: dict[str, Json], bodies: dict[Any, dict[str, Json]]) -> dict[str, Json]:
    refusals = {code: text for code, text in REFUSALS.items() if one.body is not None or code not in WITH_BODY}
    out: dict[str, Json] = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.path.split("/")[1] if "/" in one.path else "engine"],
        "parameters": [_part(name) for name in one.parameters] + (_query(one.query) if one.query is not None else []),
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": answer}}},
            **{str(code): _refusal(text) for code, text in refusals.items()},
        },
    }
    if one.body is not None:
        out["requestBody"] = {
            "required": one.verb is None or _needs(one.verb),
            "content": {"application/json": {"schema": bodies[one.body]}},
        }
        if one.verb is not None and (told := _words(one.verb)):
            out["description"] = told
    return out


def _needs(verb: Verb) -> bool:
    return verb.destroys or (verb.takes is not None and verb.takes.required)


def _words(verb: Verb) -> str:
    words = []
    if verb.takes is not None:
        words.append(f"`value`: {verb.takes.what}.")
    if verb.destroys:
        words.append("Disks may lose their data, so `yes` must be true.")
    return " ".join(words)


def _part(name: str) -> dict[str, Json]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{SEGMENT}$"}}


def _query(kind: type[Struct]) -> list[dict[str, Json]]:
    _, components = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    found: dict[str, Json] = components[kind.__name__]
    needed = found.get("required", ())
    return [{"name": name, "in": "query", "required": name in needed, "schema": schema} for name, schema in found["properties"].items()]


def _refusal(text: str) -> dict[str, Json]:
    return {"description": text, "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name="Refused")}}}}
