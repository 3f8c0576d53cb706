"""What the HTTP service sees of an engine (`serve.backend.Backend`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..core.world.world import World
from ..events import Event
from ..files.firmware_shelf import FOLDER as FIRMWARE
from ..files.firmware_shelf import FirmwareShelf
from ..images.shelf import Shelf
from ..jigs.agent import AgentJig
from ..jigs.logs import Logs
from ..jigs.ssh import EngineKey
from ..model import NodeId
from ..netboot.answers import BootAnswers
from ..netboot.install_answers import mirrored
from ..serve.http import ImageFile
from ..serve.standing import Standings
from ..trust.tokens import Keys
from ..wire.reach import Reach
from .last_values import LastValues
from .packet_record import PacketRecord


class Decider(Protocol):
    """What the services need of the loop (`loop.Loop`). A standby's takes nothing in (`followed.Followed`)."""

    @property
    def world(self) -> World: ...
    def now(self) -> float: ...
    def submit(self, event: Event, *, wait: bool = True) -> bool: ...
    def offer(self, event: Event) -> bool: ...
    def submit_packets(self, events: Sequence[Event]) -> int: ...


class Keeps(Protocol):
    """What the services need of `adapters.Adapters`."""

    keys: Keys
    ssh_key: EngineKey
    agent: AgentJig
    logs: Logs


class HttpBackend:
    """Called in the service's thread."""

    def __init__(
        self,
        *,
        loop: Decider,
        adapters: Keeps,
        last_values: LastValues,
        texts: BootAnswers,
        images: Shelf,
        reach: Reach,
        record: PacketRecord,
        standings: Standings,
        firmware: FirmwareShelf,
        acts: Callable[[], bool],
    ) -> None:
        self.acts = acts
        self.keys = adapters.keys
        self.mailbox = adapters.agent
        self.texts = texts
        self.record = record
        self.standings = standings
        self.submit = loop.offer
        self.address_of = reach.back
        self.contact = last_values.contact
        self.progress = last_values.progress
        self.log = adapters.logs.write
        self._loop, self._images, self._firmware = loop, images, firmware

    def boot_id_of(self, node: NodeId) -> str | None:
        return found.boot_id if (found := self._loop.world.nodes.get(node)) is not None else None

    def image(self, name: str, file: str) -> ImageFile | None:
        found = self._images.current().file(name, file)
        if found is None and name == FIRMWARE and file.endswith(".cab"):  # as a system: only for a node with its token or ticket
            kept = self._firmware.file(file)
            return ImageFile(path=str(kept.path), size=kept.size, sha256=kept.sha256, kind="system") if kept is not None else None
        return found

    def upstream(self, mirror: str, path: str) -> str | None:
        return mirrored(self._loop.world.base, mirror, path)

    def package_proxy(self) -> str:
        plan = self._loop.world.plan
        return str(plan.attributes.get("package-cache-proxy") or "") if plan is not None else ""
