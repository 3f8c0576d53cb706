"""The calls of loaders and installers: boot scripts and image files."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web

from .. import reasons
from ..effects import BootScript
from ..events import Fetched, ScriptAsked
from ..trust.tokens import new_nonce
from .backend import Backend
from .bodies import parse_mac
from .http_gate import Call, Gate, Refusal
from .http_images import send
from .image_file import ImageFile

FETCHERS = 8192
"""Peers whose half-fetched image is remembered."""
LINE = 300
"""Most characters of a path that are recorded."""
BOOT_FILES = frozenset({"kernel", "initrd"})

_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


class BootCalls:
    def __init__(self, gate: Gate, backend: Backend) -> None:
        self._gate = gate
        self._record = backend.record
        self._texts = backend.texts
        self._image = backend.image
        self._fetched: OrderedDict[tuple[str, str], set[str]] = OrderedDict()
        calls = {"script": self.script, "grub": self.grub, "menu": self.menu, "site": self.site, "image": self.image}
        gate.handlers |= {name: self._recorded(call) for name, call in calls.items()}

    def _recorded(self, handler: Handler) -> Handler:
        """The call. Its request line and the reason of a refusal go to the recorder. Headers, other queries and answers do not,
        because they may hold secrets."""

        async def call(given: Call) -> web.StreamResponse:
            request = given.request
            peer = request.transport.get_extra_info("peername") if request.transport is not None else None
            who = self._record.of(peer[0]) if peer else b""
            if peer:
                mac = parse_mac(request.query.get("mac", ""))
                path = request.rel_url.raw_path[:LINE] + (f"?mac={mac}" if mac else "")
                words = f"{request.method} {path} HTTP/1.1\r\n\r\n"
                self._record.received("http", who, (peer[0], peer[1]), ("", 80), words.encode("ascii", "replace"))
            try:
                return await handler(given)
            except Refusal as refused:
                self._record.cause("http", who, f"refused ({refused.status}): {refused.message}")
                raise

        return call

    async def script(self, call: Call) -> web.StreamResponse:
        """The script for iPXE."""
        return await self._decided(call, self._texts.script)

    async def grub(self, call: Call) -> web.StreamResponse:
        """The configuration for GRUB."""
        return await self._decided(call, self._texts.menu)

    async def menu(self, call: Call) -> web.StreamResponse:  # noqa: ARG002
        """The first configuration for a GRUB that was loaded by HTTP: the same that it finds by TFTP."""
        return web.Response(body=self._texts.first_menu(), content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def site(self, call: Call) -> web.StreamResponse:  # noqa: ARG002
        return web.Response(body=self._texts.site(), content_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    async def _decided(self, call: Call, render: Callable[[BootScript, str], str]) -> web.StreamResponse:
        query = call.request.query
        mac, uuid = parse_mac(query.get("mac", "")), query.get("uuid", "")
        if mac is None:
            raise Refusal(400, "bad_query", "mac is not a MAC")
        if not _UUID.fullmatch(uuid):
            # Firmware without a UUID sends anything here; the MAC is enough.
            uuid = ""
        fresh, address = new_nonce(), self._gate.address(call)
        answer = await self._gate.ask(lambda asked: ScriptAsked(request=asked, mac=mac, address=address, nonce=fresh, uuid=uuid.lower()))
        if not isinstance(answer, BootScript):
            raise TypeError(f"{type(answer).__name__} is no answer to a loader")
        text = render(answer, self._gate.keys.nonce(answer.nonce) if answer.nonce else "")
        return web.Response(text=text, content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def image(self, call: Call) -> web.StreamResponse:
        name, file = call.segments["image"], call.segments["file"]
        image = self._image(name, file)
        if image is None:
            raise Refusal(404, "no_image", "there is no such file of an image")
        address = self._gate.address(call)
        try:
            response, whole = await send(call.request, image, self._gate.senders)
        except FileNotFoundError:
            log.error("file %s of image %s is not at %s", file, name, image.path)
            raise Refusal(503, "image_missing", reasons.sentence(reasons.image_missing(image=name))) from None
        except ValueError as error:
            log.error("file %s of image %s at %s: %s", file, name, image.path, error)
            raise Refusal(503, "image_damaged", reasons.sentence(reasons.image_damaged(image=name))) from None
        if whole:
            self._went_out(address, name, image)
        return response

    def _went_out(self, address: str, name: str, image: ImageFile) -> None:
        """The last byte was sent. A boot needs both kernel and initrd."""
        if image.kind == "loader":
            self._tell(Fetched(address=address, what="loader"))
        elif image.kind in ("discovery", "installer") and image.use in BOOT_FILES:
            key = (address, name)
            uses = self._fetched.pop(key, set()) | {image.use}
            if uses >= BOOT_FILES:
                self._tell(Fetched(address=address, what="kernel"))
                return
            self._fetched[key] = uses
            while len(self._fetched) > FETCHERS:
                self._fetched.popitem(last=False)

    def _tell(self, event: Fetched) -> None:
        try:
            self._gate.tell(event)
        except Refusal:
            # The file was sent, so there is nobody to refuse. The engine can do without this signal: the next one will come.
            self._gate.counters["fetched_lost"] += 1
