"""The calls of loaders and installers: boot script and image files."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from .. import reasons
from ..effects import BootScript
from ..events import Fetched, ScriptAsked
from .bodies import parse_mac
from .http_gate import Call, Gate, Refusal
from .http_images import ImageFile, send

FETCHERS = 8192
"""Peers whose half-fetched image is remembered."""
BOOT_FILES = frozenset({"kernel", "initrd"})

_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")

log = logging.getLogger(__name__)


class BootCalls:
    def __init__(
        self,
        gate: Gate,
        image: Callable[[str, str], ImageFile | None],
        boot_script: Callable[[BootScript, str], str],
        boot_menu: Callable[[BootScript, str], str],
        site_image: Callable[[], bytes],
        first_menu: Callable[[], bytes],
    ) -> None:
        self._gate = gate
        self._image = image
        self._boot_script = boot_script
        self._boot_menu = boot_menu
        self._site_image = site_image
        self._first_menu = first_menu
        self._fetched: OrderedDict[tuple[str, str], set[str]] = OrderedDict()
        gate.handlers |= {"script": self.script, "grub": self.grub, "menu": self.menu, "site": self.site, "image": self.image}

    async def script(self, call: Call) -> web.StreamResponse:
        """For iPXE."""
        return await self._decided(call, self._boot_script)

    async def grub(self, call: Call) -> web.StreamResponse:
        """The same for GRUB, as its configuration."""
        return await self._decided(call, self._boot_menu)

    async def menu(self, call: Call) -> web.StreamResponse:  # noqa: ARG002
        """What GRUB asks for first where it was loaded by HTTP: the same that it finds by TFTP."""
        return web.Response(body=self._first_menu(), content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def site(self, call: Call) -> web.StreamResponse:  # noqa: ARG002
        return web.Response(body=self._site_image(), content_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    async def _decided(self, call: Call, render: Callable[[BootScript, str], str]) -> web.StreamResponse:
        query = call.request.query
        mac, uuid = parse_mac(query.get("mac", "")), query.get("uuid", "")
        if mac is None:
            raise Refusal(400, "bad_query", "mac is not a MAC")
        if not _UUID.fullmatch(uuid):
            # Firmware without one sends what it likes; the MAC is enough.
            uuid = ""
        nonce = secrets.token_hex(16)
        shown, address = hashlib.sha256(nonce.encode()).hexdigest(), self._gate.address(call)
        answer = await self._gate.ask(
            lambda number: ScriptAsked(request=number, mac=mac, address=address, nonce=shown, uuid=uuid.lower())
        )
        if not isinstance(answer, BootScript):
            raise TypeError(f"{type(answer).__name__} is no answer to a loader")
        text = render(answer, nonce if answer.claim else "")
        return web.Response(text=text, content_type="text/plain", headers={"Cache-Control": "no-store"})

    async def image(self, call: Call) -> web.StreamResponse:
        name, file = call.segments["image"], call.segments["file"]
        image = self._image(name, file)
        if image is None:
            raise Refusal(404, "no_image", "there is no such file of an image")
        address = self._gate.address(call)
        try:
            response, whole = await send(call.request, image)
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
        """Its last byte was sent. For a boot the kernel and the initrd both must be."""
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
            # The file is out, so there is nobody to refuse. The engine does without the signal: the next one comes.
            self._gate.counters["fetched_lost"] += 1
