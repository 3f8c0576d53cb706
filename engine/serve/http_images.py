"""Image files by HTTP: whole or one range (RFC 9110 sections 13 and 14), with the file's SHA-256 as ETag. `senders` send the octets.

No path of a request touches the file system: names are looked up in the catalogue, which answers with the path. The file must have the
size in the catalogue, otherwise nothing of it is sent (`image_damaged`).

* One range: 206. Several: the whole file, which RFC 9110 14.2 allows, and no loader asks for. Beyond the end: 416 with the size.
* `If-None-Match` with the ETag: 304. `If-Range` with another ETag: the whole file, so that a download never joins two versions.
* A client that reads slower than PIECE octets in PIECE_S seconds is cut off.
"""

from __future__ import annotations

import contextlib
import os
import re
from http import HTTPStatus
from typing import Literal

from aiohttp import web

from .image_file import ImageFile
from .senders import Cut, Senders

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def ranged(header: str, size: int) -> tuple[int, int] | Literal["beyond"] | None:
    """(first, count) of a Range header. None: send the whole file. `beyond`: the range lies outside of it."""
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    first, last = match[1], match[2]
    if first:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
        return (start, end - start + 1) if start < size else "beyond"
    if not last:
        return None
    count = min(int(last), size)
    return (size - count, count) if count else "beyond"


def names_tag(header: str, sha256: str) -> bool:
    """True if an If-None-Match header names this file's tag (weak comparison, RFC 9110 8.8.3.2)."""
    return header.strip() == "*" or sha256 in _TAG.findall(header)


async def send(request: web.BaseRequest, image: ImageFile, senders: Senders) -> tuple[web.StreamResponse, bool]:
    """Answers GET or HEAD. Returns the response, and whether the file was sent to its end. Raises Cut, and
    OSError or ValueError for a file that differs from the catalogue, before anything was sent."""
    tag = f'"{image.sha256}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", "Cache-Control": "no-cache"}
    asked = request.headers
    if "If-None-Match" in asked and names_tag(asked["If-None-Match"], image.sha256):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag}), False
    first, count, status = 0, image.size, HTTPStatus.OK
    if "Range" in asked and request.method == "GET" and asked.get("If-Range", tag) == tag:
        found = ranged(asked["Range"], image.size)
        if found == "beyond":
            nothing = {"Content-Range": f"bytes */{image.size}", "ETag": tag}
            return web.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=nothing), False
        if found is not None:
            first, count = found
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {first}-{first + count - 1}/{image.size}"
    with open(image.path, "rb", buffering=0) as file:  # noqa: ASYNC230  a local file, which never waits for long
        size = os.fstat(file.fileno()).st_size
        if size != image.size:
            raise ValueError(f"{size} bytes instead of {image.size}")
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = count
        try:
            await response.prepare(request)
            if request.method == "HEAD":
                await response.write_eof()
                return response, False
            await senders.send(request.transport, file, first, count)
            with contextlib.suppress(ConnectionError):  # a client that has all may be gone
                await response.write_eof()
        except (Cut, OSError, RuntimeError) as error:
            # aiohttp raises RuntimeError if the client went away before the head was written.
            if request.transport is not None:
                request.transport.abort()
            raise Cut from error
    return response, first + count == image.size
