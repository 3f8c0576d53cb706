"""The OpenAPI document: it is valid, it lists exactly what the router takes, and answers are as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from engine.api.http_client import HttpClient, Refusal
from engine.core.operator.verbs import VERBS
from engine.rest.gate import HANDLERS
from engine.rest.openapi import document
from engine.rest.table import _BY_PATH, BASE, ENDPOINTS, find

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if isinstance(part.get("schema"), dict):
            yield part["schema"]
        for one in part.values():
            yield from schemas(one)
    elif isinstance(part, list):
        for one in part:
            yield from schemas(one)


def whole(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": document()["components"]}


def test_the_document_has_the_shape_of_openapi_3_1() -> None:
    found = document()
    assert re.fullmatch(r"3\.1\.\d+", found["openapi"])
    assert {"title", "version"} <= found["info"].keys()
    assert found["security"] == [{"token": []}, {"certificate": []}]
    assert found["components"]["securitySchemes"]["token"] == {
        "type": "http",
        "scheme": "bearer",
        "description": found["components"]["securitySchemes"]["token"]["description"],
    }
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids)) > 40
    for path, method, operation in operations():
        assert path.startswith(BASE)
        assert method in METHODS
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")
        assert all(re.fullmatch(r"[1-5]\d\d", code) and answer["description"] for code, answer in operation["responses"].items())
        assert ("requestBody" in operation) <= (method in ("post", "put"))


def test_every_reference_resolves_and_every_schema_is_one() -> None:
    known = document()["components"]["schemas"]
    found = set(references(document()))
    assert {name.removeprefix("#/components/schemas/") for name in found} <= known.keys()
    assert len(found) > 15
    for schema in [*known.values(), *schemas(document()["paths"])]:
        Draft202012Validator.check_schema(schema)


def test_it_lists_exactly_what_the_router_takes() -> None:
    assert {(path, method.upper()) for path, method, _ in operations()} == {
        (path, method) for path, of_path in _BY_PATH.items() for method in of_path
    }
    for path, method, operation in operations():
        found = find(path.replace("{", "").replace("}", ""))
        assert found is not None, path
        assert found[0][method.upper()].name == operation["operationId"]
    assert {one.handler for one in ENDPOINTS} == HANDLERS.keys()


def test_the_page_lists_every_path() -> None:
    """Verbs are on their own page."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([A-Z]+ /api/v1[^`]*)` \|", page, re.M))
    verbs = {row for row in rows if row.endswith("/VERB")}
    assert rows - verbs == {f"{one.method} {one.whole}" for one in ENDPOINTS if one.verb is None}
    assert len(verbs) == 2


def test_every_verb_has_a_path() -> None:
    assert {one.verb for one in ENDPOINTS if one.verb is not None} == set(VERBS)
    for verb in VERBS:
        path = f"{BASE}/nodes/{{node}}" + ("/roles/{role}" if verb.target == "role" else "") + f"/{verb.name}"
        operation = document()["paths"][path]["post"]
        assert operation["summary"] == verb.does
        assert ("yes" in operation.get("description", "")) == verb.destroys


def test_the_engine_answers_every_documented_path_and_no_other_method(client: HttpClient) -> None:
    """Of a node that does not exist, so nothing happens."""
    assert client.openapi() == json.loads(json.dumps(document()))
    for path, item in document()["paths"].items():
        target = re.sub(r"\{\w+\}", "nobody", path.removeprefix(BASE))
        for method in METHODS[:5]:
            try:
                client.request(method.upper(), target, {} if method != "get" else None)
                status, code = 200, ""
            except Refusal as refusal:
                status, code = refusal.status, refusal.reason.code
            assert (status == 405) == (method not in item), (method, path)
            assert code not in ("no_route", "engine_error", "no_token")


def test_answers_are_as_the_document_says(client: HttpClient) -> None:
    seen = 0
    for path, method, operation in operations():
        if method != "get":
            continue
        parts = {"{node}": "control-10", "{role}": "ntp-client", "{revision}": "1", "{deployment}": "cloud"}
        target = path.removeprefix(BASE)
        for name, value in parts.items():
            target = target.replace(name, value)
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(client.request("GET", target), whole(schema), Draft202012Validator)
        seen += 1
    assert seen > 15
    refused = document()["paths"][f"{BASE}/nodes/{{node}}"]["get"]["responses"]["404"]["content"]["application/json"]["schema"]
    with pytest.raises(Refusal) as error:
        client.node("nobody")
    told = {name: getattr(error.value.reason, name) for name in ("code", "fields", "sentence", "advice")}
    jsonschema.validate(told, whole(refused), Draft202012Validator)
