"""What the HTTP service needs of the engine behind it: one object, so that a new need is a line here and one where it is met.

Everything is called in the service's thread, so it must be quick and never raise, but `Mailbox.task`, which reads files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from ..effects import BootScript
from ..events import Event
from ..model import NodeId
from ..reasons import Reason
from ..trust.tokens import Keys
from ..wire.agent import AnyCommand, Ended
from ..wire.recording import Recorder
from .image_file import ImageFile
from .standing import Standings


class Texts(Protocol):
    """What machines that boot are given (`netboot.answers.BootAnswers`)."""

    def script(self, effect: BootScript, nonce: str) -> str:
        """What the engine decided, for iPXE; with an empty nonce where there is no claim."""

    def menu(self, effect: BootScript, nonce: str) -> str:
        """The same for GRUB."""

    def first_menu(self) -> bytes:
        """What GRUB asks for first."""

    def site(self) -> bytes:
        """The site's initramfs."""

    def install_answers(self, public: str, nonce: str, file: str) -> str | Reason | None:
        """A file of answers for the installer whose boot carries that nonce (given as its public half, and whole), or why it cannot be
        made. None: no open boot carries that nonce, or its installer has no such file."""

    def tool(self, name: str) -> bytes | None:
        """What an installer fetches besides, the same for everybody."""


class Mailbox(Protocol):
    """The agents' mailboxes (`jigs.agent.AgentJig` describes each method)."""

    def listen(self, wake: Callable[[NodeId], None], told: Callable[[NodeId, str], bool]) -> None: ...
    def take(self, node: NodeId, boot_id: str) -> tuple[AnyCommand | None, float]: ...
    def knows(self, node: NodeId, attempt: str) -> bool: ...
    def progress(self, node: NodeId, attempt: str) -> bool: ...
    def task(self, node: NodeId, attempt: str, secure: bool, boot_id: str) -> bytes | None: ...
    def posted(self, node: NodeId, attempt: str, ended: Ended) -> Literal["wait", "told", "full"]: ...


class Backend(Protocol):
    """The engine, as the HTTP service sees it."""

    @property
    def keys(self) -> Keys: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def mailbox(self) -> Mailbox: ...
    @property
    def record(self) -> Recorder:
        """Where packets are told of."""

    @property
    def standings(self) -> Standings:
        """Who is a stranger."""

    def acts(self) -> bool:
        """False: another engine decides now, so this one gives no machine anything that was decided."""

    def submit(self, event: Event) -> bool:
        """Hand in an event. False: its lane is full."""

    def boot_id_of(self, node: NodeId) -> str | None:
        """The committed boot_id of a node."""

    def address_of(self, peer: str) -> str:
        """The address of the plan that a peer's host stands for (`Reach.back`)."""

    def image(self, name: str, file: str) -> ImageFile | None:
        """What `/image/NAME/FILE` stands for."""

    def upstream(self, mirror: str, path: str) -> str | None:
        """The URL of a file of a mirror. None: not a mirror that may be asked."""

    def package_proxy(self) -> str:
        """URL of the HTTP proxy for mirrors. Empty: as the environment says."""

    # -- last values that are not events

    def contact(self, node: NodeId) -> None:
        """The node has just made an authenticated call."""

    def progress(self, node: NodeId, percent: float, text: str) -> None:
        """How far the node's task is."""

    def log(self, attempt: str, offset: int, data: bytes) -> int | None:
        """A piece of a log. Returns the byte from which more is wanted. None: nothing was taken."""
