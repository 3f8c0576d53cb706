"""The route table of the HTTP service: every path, who may call it, and how much it may send. Deny by default: other paths are refused,
and a route cannot be defined without its caller.

A path is its exact text, with `{name}` for one segment of the characters in SEGMENT, and at the end `{name*}` for several of those in
PART. Nothing is decoded: `%2e`, `//` or `..` match no route.
"""

from __future__ import annotations

import enum
import re

from msgspec import Struct

from .bodies import GIVES_BYTES, LOG_BYTES

SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
PART = r"[A-Za-z0-9](?:[A-Za-z0-9._~+^:-]|%2[Bb]|%3[Aa]|%5[Ee]|%7[Ee]){0,199}"
"""One part of a path in a mirror: the characters in names of packages and their folders."""


class Who(enum.Enum):
    """Who may call a route."""

    PUBLIC = "public"
    """Anyone on the admin network: the answer holds only what the boot ROM of any machine must know."""
    NONCE = "nonce"
    """Anyone who shows the nonce of an installer's open boot in the path. Worthless after that boot's hello."""
    TOKEN = "token"
    """The present boot of a node, by its token."""
    IMAGE = "image"
    """As the image says: loaders, discovery images and installers are public; systems need a token."""


class Route(Struct, frozen=True, kw_only=True):
    name: str
    """Name of the handler in `Gate.handlers`, and of the counters."""
    methods: tuple[str, ...]
    path: str
    who: Who
    body: int = 0
    """Most bytes of a body. 0: no body."""
    decided: bool = True
    """The answer, or whether there is one, was decided by the engine. False: bytes that are the same whoever serves them."""


ROUTES: tuple[Route, ...] = (
    Route(name="script", methods=("GET",), path="/boot/script", who=Who.PUBLIC),
    Route(name="grub", methods=("GET",), path="/boot/grub.cfg", who=Who.PUBLIC),
    Route(name="menu", methods=("GET", "HEAD"), path="/grub/grub.cfg", who=Who.PUBLIC),
    Route(name="site", methods=("GET", "HEAD"), path="/boot/site.img", who=Who.PUBLIC),
    Route(name="answers", methods=("GET",), path="/boot/answers/{nonce}/{file}", who=Who.NONCE),
    Route(name="tool", methods=("GET",), path="/boot/tool/{file}", who=Who.PUBLIC, decided=False),
    Route(name="image", methods=("GET", "HEAD"), path="/image/{image}/{file}", who=Who.IMAGE, decided=False),
    Route(name="packages", methods=("GET", "HEAD"), path="/packages/{mirror}/{path*}", who=Who.PUBLIC, decided=False),
    Route(name="wheels", methods=("GET", "HEAD"), path="/wheels/{key}/{path*}", who=Who.PUBLIC, decided=False),
    Route(name="hello", methods=("POST",), path="/agent/hello", who=Who.PUBLIC, body=16 * 1024),
    Route(name="next", methods=("GET",), path="/agent/next", who=Who.TOKEN),
    Route(name="task", methods=("GET",), path="/agent/task/{id}", who=Who.TOKEN),
    Route(name="progress", methods=("POST",), path="/agent/progress", who=Who.TOKEN, body=4 * 1024),
    Route(name="log", methods=("POST",), path="/agent/log", who=Who.TOKEN, body=LOG_BYTES),
    Route(name="result", methods=("POST",), path="/agent/result", who=Who.TOKEN, body=GIVES_BYTES + 128 * 1024),
    Route(name="bye", methods=("POST",), path="/agent/bye", who=Who.TOKEN, body=4 * 1024),
)


SAME = {f"/image/loader//{file}": f"/image/loader/{file}" for file in ("grubx64.efi", "grubaa64.efi")}
"""shim asks for GRUB like this if firmware loaded it by HTTP"""


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("/".join(_part(part) for part in path.split("/")))


def _part(part: str) -> str:
    if part.endswith("*}"):
        return f"(?P<{part[1:-2]}>{PART}(?:/{PART}){{0,15}})"
    return f"(?P<{part[1:-1]}>{SEGMENT})" if part.startswith("{") else re.escape(part)


_EXACT = {route.path: route for route in ROUTES if "{" not in route.path}
_PATTERNS = [(_pattern(route.path), route) for route in ROUTES if "{" in route.path]


def find(path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a raw path (without query), and its segments."""
    path = SAME.get(path, path)
    route = _EXACT.get(path)
    if route is not None:
        return route, {}
    if len(path) > 512:
        return None
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            return route, match.groupdict()
    return None
