"""Names that are served by TFTP, and what they stand for: loaders, and all that GRUB's net image needs, which speaks TFTP alone where it
is signed.

    NAME of a loader                  from memory
    .../grub/grub.cfg                 GRUB's first configuration: which to ask for
    boot/grub.cfg-MAC                 what the machine boots, decided now
    boot/site.img                     the site's initramfs
    image/NAME/FILE                   kernel and initrd of a discovery image

Rules
* A name is looked up, never opened: only what the catalogue has is mapped into memory, and only what HTTP gives to anybody.
* A decision is waited for, since TFTP answers at once or not at all; DECIDE_S at most, and ASKS_S a second, so that nobody holds up the
  other transfers by asking. Who is refused asks again.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from .boot_answers import BootAnswers
from .effects import BootScript, Effect, Refuse
from .events import Event, Fetched, ScriptAsked
from .serve.http_images import ImageFile
from .serve.tftp import Refusal, TftpFile

DECIDE_S = 0.5
ASKS_S = 50.0
"""Decisions a second."""
FIRST = 1 << 48
"""Numbers of questions, apart from those of other adapters."""
PEERS = 1024
"""Machines whose half-fetched image is remembered."""
_MENU = re.compile(r"boot/grub\.cfg-([0-9a-f]{2}(?::[0-9a-f]{2}){5})")
_IMAGE = re.compile(r"image/([A-Za-z0-9][A-Za-z0-9._-]{0,99})/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_BUSY = Refusal(code=0, message="busy, ask again")


class BootFiles:
    """`loaders` in memory; `image` looks a file up; `submit` hands an event in and says False where its lane is full; `back` turns a peer
    into an address of the plan."""

    def __init__(
        self,
        *,
        answers: BootAnswers,
        loaders: Callable[[], dict[str, bytes]],
        image: Callable[[str, str], ImageFile | None],
        submit: Callable[[Event], bool],
        back: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers = answers
        self._loaders = loaders
        self._image = image
        self._submit = submit
        self._back = back
        self._clock = clock
        self._numbers = itertools.count(FIRST)
        self._waiting: dict[int, Future[Effect]] = {}
        self._lock = threading.Lock()
        self._tokens, self._filled = ASKS_S, clock()
        self._fetched: OrderedDict[tuple[str, str], set[str]] = OrderedDict()

    def resolve(self, name: str, peer: str) -> TftpFile | Refusal:
        """On the TFTP thread."""
        name = name.lstrip("/")
        body: bytes | memoryview | None = self._loaders().get(name)
        if body is None and (name == "grub/grub.cfg" or name.endswith("/grub/grub.cfg")):
            body = self._answers.first_menu(tftp=True)
        elif name == "boot/site.img":
            body = self._answers.site()
        elif (asked := _MENU.fullmatch(name)) is not None:
            return self._decided(asked[1], peer)
        elif (found := _IMAGE.fullmatch(name)) is not None:
            body = self._mapped(found[1], found[2])
        return TftpFile(body=body) if body is not None else Refusal()

    def fetched(self, peer: str, name: str, octets: int, seconds: float, ok: bool) -> None:  # noqa: ARG002  as TFTP tells it
        """A transfer ended: the loader is out, or kernel and initrd both are."""
        name = name.lstrip("/")
        if not ok:
            return
        if name in self._loaders():
            self._submit(Fetched(address=self._back(peer), what="loader"))
        elif (found := _IMAGE.fullmatch(name)) is not None:
            image = self._image(found[1], found[2])
            key = (peer, found[1])
            uses = self._fetched.pop(key, set()) | {image.use if image is not None else ""}
            if uses >= {"kernel", "initrd"}:
                self._submit(Fetched(address=self._back(peer), what="kernel"))
                return
            self._fetched[key] = uses
            while len(self._fetched) > PEERS:
                self._fetched.popitem(last=False)

    def answer(self, effect: BootScript | Refuse) -> bool:
        """The engine's answer to one of these questions; False: it is none. From any thread."""
        future = self._waiting.get(effect.request)
        if future is None:
            return False
        future.set_result(effect)
        return True

    def _decided(self, mac: str, peer: str) -> TftpFile | Refusal:
        if not self._may_ask():
            return _BUSY
        nonce, number = secrets.token_hex(16), next(self._numbers)
        shown = hashlib.sha256(nonce.encode()).hexdigest()
        future: Future[Effect] = Future()
        self._waiting[number] = future
        try:
            if not self._submit(ScriptAsked(request=number, mac=mac, address=self._back(peer), nonce=shown)):
                return _BUSY
            effect = future.result(DECIDE_S)
        except FutureTimeout:
            return _BUSY
        finally:
            self._waiting.pop(number, None)
        if not isinstance(effect, BootScript):
            return Refusal(code=2, message="refused")
        return TftpFile(body=self._answers.menu(effect, nonce if effect.claim else "", tftp=True).encode("ascii"))

    def _may_ask(self) -> bool:
        now = self._clock()
        self._tokens = min(ASKS_S, self._tokens + (now - self._filled) * ASKS_S)
        self._filled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _mapped(self, name: str, file: str) -> memoryview | None:
        found = self._image(name, file)
        if found is None or found.kind != "discovery" or found.size == 0:
            return None
        try:
            with open(found.path, "rb") as stream:
                body = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError:
            return None
        return memoryview(body) if len(body) == found.size else None
