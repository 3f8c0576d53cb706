"""Requests and replies of a simulated Redfish service, and the forms that all of its resources share (DMTF DSP0266). Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from msgspec import Struct

ROOT = "/redfish/v1"
Json = Any


class Request(Struct, frozen=True, kw_only=True):
    method: str
    path: str
    """With its query."""
    headers: dict[str, str] = {}
    """By names in lower case."""
    body: bytes = b""


class Reply(Struct, frozen=True, kw_only=True):
    status: int
    body: Json = None
    """An object; text is sent as XML, octets as they are; None: nothing."""
    headers: dict[str, str] = {}


def collection(path: str, kind: str, members: list[str]) -> Json:
    name = kind.removesuffix("Collection") + " Collection"
    rows = [link(one) for one in members]
    return {"@odata.type": f"#{kind}.{kind}", "@odata.id": path, "Name": name, "Members": rows, "Members@odata.count": len(rows)}


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def etag_of(body: Json) -> str:
    return f'"{hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=8).hexdigest()}"'


def object_in(body: bytes) -> dict[str, Json] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def refusal(status: int, code: str, words: str) -> Reply:
    """An error response (8.6)."""
    told = {"@odata.type": "#Message.v1_1_1.Message", "MessageId": f"Base.1.8.{code}", "Message": words, "MessageSeverity": "Critical"}
    return Reply(status=status, body={"error": {"code": f"Base.1.8.{code}", "message": words, "@Message.ExtendedInfo": [told]}})
