"""Names that TFTP serves, and their content: loaders, and everything for GRUB's net image, because signed GRUB speaks only TFTP.

    NAME of a loader                  from memory
    .../grub/grub.cfg                 GRUB's first configuration: the name to ask for
    boot/grub.cfg-MAC                 what the machine boots, decided now
    boot/site.img                     the site's initramfs
    image/NAME/FILE                   kernel and initrd of a discovery image

Rules
* A name is looked up, never opened: only files of the catalogue are mapped into memory, and only those that HTTP gives to anybody.
* A boot ROM that reads option 67 as a C string asks for a name and the bytes behind it. If the rest cannot be part of a name that
  somebody chose (`_chosen`), and has no `/`, the request gets the file whose name it begins with. Otherwise the refusal names that file.
* TFTP answers at once or not at all, so it waits for a decision: at most DECIDE_S, and for at most ASKS_S a second, so that nobody
  delays the other transfers by asking. A refused client asks again.
"""

from __future__ import annotations

import itertools
import mmap
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from msgspec.structs import replace

from ..effects import BootScript, Effect, Refuse
from ..events import Event, Fetched, ScriptAsked
from ..requests import Asker, Request
from ..serve.image_file import ImageFile
from ..serve.tftp import Refusal, TftpFile
from ..trust.tokens import new_nonce
from ..wire.tftp import UNREADABLE
from .answers import BootAnswers

DECIDE_S = 0.5
ASKS_S = 50.0
"""Decisions per second."""
PEERS = 1024
"""Machines whose half-fetched image is remembered."""
_MENU = re.compile(r"boot/grub\.cfg-([0-9a-f]{2}(?::[0-9a-f]{2}){5})")
_IMAGE = re.compile(r"image/([A-Za-z0-9][A-Za-z0-9._-]{0,99})/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
TAIL = 128
"""Most bytes behind a name that are ignored."""
_BUSY = Refusal(code=0, message="busy, ask again")


class BootFiles:
    """`loaders` are in memory; `image` looks a file up; `submit` passes an event to the engine, False if its lane is full; `nonce`
    completes the public half of a nonce; `back` turns a peer into an address of the plan."""

    def __init__(
        self,
        *,
        answers: BootAnswers,
        loaders: Callable[[], dict[str, bytes]],
        image: Callable[[str, str], ImageFile | None],
        submit: Callable[[Event], bool],
        nonce: Callable[[str], str],
        back: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers = answers
        self._loaders = loaders
        self._image = image
        self._submit = submit
        self._nonce = nonce
        self._back = back
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Effect]] = {}
        self._lock = threading.Lock()
        self._tokens, self._filled = ASKS_S, clock()
        self._fetched: OrderedDict[tuple[str, str], set[str]] = OrderedDict()

    def resolve(self, name: str, peer: str) -> TftpFile | Refusal:
        """Runs on the TFTP thread."""
        meant, begins = self._meant(name.lstrip("/"))
        if not meant:
            return Refusal(message=f"no such file; it begins with {begins}") if begins else Refusal()
        found = self._look_up(meant, peer)
        return replace(found, name=meant) if isinstance(found, TftpFile) and begins else found

    def _look_up(self, name: str, peer: str) -> TftpFile | Refusal:
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

    def _meant(self, name: str) -> tuple[str, str]:
        """The name to look up, and the name that it begins with if that differs. The first is empty if the request cannot mean a name."""
        loaders = self._loaders()
        if name in loaders or (UNREADABLE not in name and not any(name.startswith(one) for one in loaders)):
            return name, ""
        begins = max((one for one in loaders if name.startswith(one)), key=len, default="")
        tail = name[len(begins) :]
        if not begins or "/" in tail or len(tail) > TAIL or _chosen(tail):
            return "", begins
        return begins, begins

    def fetched(self, peer: str, name: str, octets: int, seconds: float, ok: bool) -> None:  # noqa: ARG002  as TFTP tells it
        """A transfer ended: the loader, or both kernel and initrd, were sent completely."""
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
        """Takes the engine's answer to one of these requests. False: it belongs to another adapter. From any thread."""
        request = effect.request
        future = self._waiting.get(request.number) if request is not None and request.asker is Asker.TFTP else None
        if future is None:
            return False
        future.set_result(effect)
        return True

    def _decided(self, mac: str, peer: str) -> TftpFile | Refusal:
        if not self._may_ask():
            return _BUSY
        fresh, number = new_nonce(), next(self._numbers)
        future: Future[Effect] = Future()
        self._waiting[number] = future
        try:
            if not self._submit(ScriptAsked(request=Request(Asker.TFTP, number), mac=mac, address=self._back(peer), nonce=fresh)):
                return _BUSY
            effect = future.result(DECIDE_S)
        except FutureTimeout:
            return _BUSY
        finally:
            self._waiting.pop(number, None)
        if not isinstance(effect, BootScript):
            return Refusal(code=2, message="refused")
        return TftpFile(body=self._answers.menu(effect, self._nonce(effect.nonce) if effect.nonce else "", tftp=True).encode("ascii"))

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


def _chosen(tail: str) -> bool:
    """True if a person may have chosen this end of a name: it begins as names do, and is all readable."""
    return (tail[0].isalnum() or tail[0] in "._-~") and UNREADABLE not in tail
