"""The body of a Redfish answer: unpacking, JSON as services really write it, links, and error texts. Pure.

Rules
* Nothing grows past `LARGEST` (a registry: `LARGEST_REGISTRY`). An answer is unpacked only up to that, since a kibibyte of gzip can hold a
  mebibyte.
* A link leads to a path on the service's own host, or nowhere, because the account goes with each request.
"""

from __future__ import annotations

import ipaddress
import json
import re
import zlib
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

LARGEST = 1 << 20
"""Bytes of an answer, packed or unpacked."""
LARGEST_REGISTRY = 8 << 20
"""The same for a registry of BIOS settings: those of large servers have 2 MiB."""
_PATH = re.compile(r"/(?!/)[!-~]{0,500}")
_PRINTABLE = re.compile(r"[!-~]{1,600}")
_WORDS = 160
_GZIP = b"\x1f\x8b"
_CODINGS = 3

Json = Any


class BodyWrong(ValueError):
    """An answer that cannot be used. The text says why, without its bytes."""


def unpacked(body: bytes, coding: str, most: int = LARGEST) -> bytes:
    """The octets behind `Content-Encoding` (RFC 9110 8.4). A body that begins as gzip does is gzip even where no header says so.

    Raises BodyWrong: another coding, octets that are not what is said, more than `most` bytes.
    """
    codings = [one.strip().lower() for one in coding.split(",") if one.strip() and one.strip().lower() != "identity"]
    if len(codings) > _CODINGS:
        raise BodyWrong("packed too often")
    for one in reversed(codings):
        if one in ("gzip", "x-gzip"):
            body = _inflated(body, zlib.MAX_WBITS | 16, most) if body[:2] == _GZIP else body  # some say gzip and send plain JSON
        elif one == "deflate":
            body = _deflated(body, most)
        else:
            raise BodyWrong("packed in a way that we do not know")
    return _inflated(body, zlib.MAX_WBITS | 16, most) if body[:2] == _GZIP else body


def _deflated(body: bytes, most: int) -> bytes:
    """RFC 9110 8.4.1.2 means zlib's frame; some servers send what is inside of it."""
    if body.lstrip()[:1] in (b"{", b"["):
        return body
    try:
        return _inflated(body, zlib.MAX_WBITS, most)
    except BodyWrong as error:
        if error.args[0] == _TOO_LONG:
            raise
        return _inflated(body, -zlib.MAX_WBITS, most)


_TOO_LONG = "longer than we read"


def _inflated(body: bytes, window: int, most: int) -> bytes:
    """All members of a gzip file (RFC 1952 2.2). Anything after them is dropped, as gzip itself does."""
    found = b""
    while True:
        one = zlib.decompressobj(window)
        try:
            found += one.decompress(body, most + 1 - len(found))
        except zlib.error:
            raise BodyWrong("packed, and cannot be unpacked") from None
        if len(found) > most or one.unconsumed_tail:
            raise BodyWrong(_TOO_LONG)
        body = one.unused_data
        if not one.eof or body[:2] != _GZIP:
            return found


def parsed(body: bytes, status: int) -> dict[str, Json]:
    """The object. What is no JSON counts as nothing where the status says enough. Raises BodyWrong, RecursionError.

    Forgiven: a byte order mark, NULs and blanks after the end, octets that are not UTF-8, NaN (as null), an object in a list by itself.
    """
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff").strip("\0 \t\r\n")
    good = 200 <= status < 300
    try:
        found = json.loads(text, parse_constant=lambda _: None) if text else {}
    except ValueError:
        if good:
            raise BodyWrong("no JSON") from None
        found = {}
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, dict):
        return found
    if good:
        raise BodyWrong("no object")
    return {}


def rows(found: Json) -> list[Json]:
    """A list. Services send a single object without one."""
    return found if isinstance(found, list) else [found] if isinstance(found, dict) else []


def member(tree: Json, name: str) -> dict[str, Json]:
    found = tree.get(name) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def pointed(body: dict[str, Json], pointer: str) -> dict[str, Json] | None:
    """The object at a JSON pointer (RFC 6901), which services put behind the `#` of a link. None: nothing is there."""
    found: Json = body
    for part in pointer.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and len(name) < 6 and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            return None
    return found if isinstance(found, dict) else None


def path_of(said: Json, host: str, port: int, base: str) -> str | None:
    """A path on this very host that may be asked for, of what a service named: `{"@odata.id": ...}` or a text. None: it is none.

    `base` is the path that a relative one starts from. A whole URL counts where it names the address that we talk to.
    """
    text = said.get("@odata.id") if isinstance(said, dict) else said
    if not isinstance(text, str) or not _PRINTABLE.fullmatch(text):
        return None
    if text.startswith("//redfish/"):
        text = text[1:]
    elif re.match(r"(?i)https?://", text):
        text = _own(text, host, port)
    elif not text.startswith("/"):
        text = urljoin(base, text) if ":" not in text.partition("/")[0] and text[0] not in "?#" else ""
    if not _PATH.fullmatch(text):
        return None
    path, mark, rest = text.partition("#")
    return re.sub(r"/{2,}", "/", path) + mark + rest  # services that join links may double a slash, and do not know the result


def _own(url: str, host: str, port: int) -> str:
    """Path and query of a URL of this service. Empty: another host's URL."""
    try:
        parts = urlsplit(url)
        same = ipaddress.ip_address(parts.hostname or "") == ipaddress.ip_address(host) and parts.port in (None, port, 80, 443)
    except ValueError:
        return ""
    if not same or "@" in parts.netloc:
        return ""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")


def words(body: dict[str, Json]) -> str:
    """What a service says about an error, at most 160 printable characters; empty: nothing.

    DSP0266 8.6 puts it into `error` / `@Message.ExtendedInfo`. It is also seen without the `error`, as one object, and as a bare text.
    """
    for one in _told(body):
        for name in ("Message", "message", "MessageId", "code"):
            text = one.get(name)
            if isinstance(text, str) and text.strip() and not (name in ("message", "code") and _general(text)):
                return printable(text)
    return printable(body["error"]) if isinstance(body.get("error"), str) else ""


def message_ids(body: dict[str, Json]) -> str:
    """The whole text of an error, bounded, to search it for a word."""
    said = [str(one.get(name, "")) for one in _told(body) for name in ("MessageId", "Message", "message", "code")]
    return " ".join([str(body.get("error", ""))[:1000] if isinstance(body.get("error"), str) else "", *said])[:4000]


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[: 4 * _WORDS]).strip()


def _told(body: dict[str, Json]) -> list[dict[str, Json]]:
    """The messages of an error, the most useful first."""
    error = member(body, "error")
    found = [*rows(error.get("@Message.ExtendedInfo")), *rows(body.get("@Message.ExtendedInfo")), *rows(body.get("Messages")), error, body]
    return [one for one in found[:20] if isinstance(one, dict)]


def _general(text: str) -> bool:
    """The text that DSP0266 8.6 has for "more is in the extended information"."""
    return "extendedinfo" in text.lower().replace(" ", "") or text.endswith("GeneralError")
