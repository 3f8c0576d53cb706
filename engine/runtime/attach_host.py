"""The engine's side of the attach socket: the few calls that another process may make, as plain data."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import to_builtins
from msgspec.structs import replace

from .. import reasons
from ..attach.protocol import DoJoin, DoPropose
from ..core.world.world import World
from ..definitions import Json, versions
from ..effects import Accept, Refuse
from ..events import Asked, CommitProposals, Propose, SetAttribute
from ..files import plan_edits, plan_file
from ..files.key_file import KeyFileError
from ..files.mistakes import PlanError
from ..plan import DeploymentDef, Plan
from ..power import InventoryRead
from ..process import rights
from ..reasons import Reason
from ..serve import ServiceError
from ..store.errors import StoreError
from ..store.hardware import ReportRead
from ..trust.vault import VaultError
from .adapters import Adapters
from .disk_looks import DiskLooks
from .hardware import HardwareLook
from .health import Health
from .health_looks import HealthLooks
from .last_values import LastValues
from .monitoring import Monitoring
from .packet_record import PacketRecord
from .sealing import Sealing

log = logging.getLogger(__name__)


class ShowsApi(Protocol):
    """`api_host.Api`, which itself needs this module's host."""

    def shown(self) -> dict[str, Json]: ...


class Attachable(Protocol):
    """What the socket needs from an engine (`engine.Engine`)."""

    last_values: LastValues
    packets: PacketRecord
    adapters: Adapters
    disks: DiskLooks
    monitoring: Monitoring
    looks: HealthLooks
    stop_asked: threading.Event

    @property
    def api(self) -> ShowsApi: ...
    @property
    def failure(self) -> str: ...
    @property
    def world(self) -> World: ...
    @property
    def seq(self) -> int: ...
    @property
    def sealing(self) -> Sealing: ...
    def ask(self, event: Asked, timeout_s: float = 30.0) -> Accept | Refuse: ...
    def commit(self, plan: Plan, who: str, secrets: Mapping[str, str] | None = None, expects: int | None = None) -> Accept | Refuse: ...
    def join(self, wanted: DoJoin, who: str) -> Accept | Refuse: ...
    def wait(self, seq: int, timeout_s: float) -> int: ...
    def health(self) -> Health: ...
    def interface(self) -> dict[str, Json]: ...
    def leading(self) -> dict[str, Json]: ...
    def hand_over(self, to: str) -> Accept | Refuse: ...
    def package_cache(self) -> dict[str, Json]: ...
    def traffic(self) -> dict[str, int]: ...
    def consoles(self) -> list[dict[str, Json]]: ...


class EngineHost:
    """`attach.server.Host` of an engine. Called from the threads of the clients."""

    def __init__(self, engine: Attachable) -> None:
        self._engine = engine
        self._committing = threading.Lock()

    @property
    def failure(self) -> str:
        return self._engine.failure

    def ask(self, event: Asked, timeout_s: float = 30.0) -> Accept | Refuse:
        answer = self._engine.ask(event, timeout_s)
        if isinstance(answer, Accept):
            self._engine.sealing.sweep()
        return answer

    def set_secret(self, event: SetAttribute, secret: str) -> Accept | Refuse:
        """Seals the secret, and sets the attribute to it."""
        answer = self._engine.sealing.set(event, secret, self._engine.ask)
        self._engine.sealing.sweep()  # the one before it, if nothing else refers to that
        return answer

    def commit_text(
        self, text: str, name: str, who: str, secrets: Mapping[str, str] | None = None, expects: int | None = None
    ) -> Accept | Refuse:
        """One at a time: the first commit starts the services. `secrets`: see `Engine.commit`."""
        try:
            plan = plan_file.read(text, name, self._engine.world.base)
        except PlanError as error:
            return Refuse(request=None, reason=plan_edits.bad_plan(error, name))
        with self._committing:
            try:
                return self._engine.commit(plan, who, secrets, expects)
            except (VaultError, KeyFileError, ServiceError, StoreError) as error:
                log.warning("commit by %s: %s", who, error)
                return Refuse(request=None, reason=reasons.not_committed(message=str(error)))

    def propose(self, edit: DoPropose, who: str) -> Accept | Refuse:
        """The text is read as a part of the present plan."""
        world, name = self._engine.world, edit.deployment
        wanted: DeploymentDef | Reason | None = None
        if len(name) > plan_edits.LONGEST:
            wanted = reasons.unknown_thing(what="deployment", name=name[:100], nearest="none")
        elif edit.revision:
            wanted = plan_edits.as_in_revision(world, name, edit.revision)
        elif edit.definition is not None:
            wanted = plan_edits.edited(world, name, edit.definition, edit.name)
        if isinstance(wanted, Reason):
            return Refuse(request=None, reason=wanted)
        return self._engine.ask(Propose(who=who, deployment=name, wanted=wanted, base=edit.base, over=edit.over))

    def commit_proposals(self, deployments: Sequence[str], seen: Mapping[str, float], who: str) -> Accept | Refuse:
        names = tuple(dict.fromkeys(deployments))
        with self._committing:
            refused = plan_edits.refused(self._engine.world, names) if names else None
            if refused is not None:
                return Refuse(request=None, reason=refused)
            return self._engine.ask(CommitProposals(who=who, deployments=names, seen=dict(seen)))

    def join(self, wanted: DoJoin, who: str) -> Accept | Refuse:
        return self._engine.join(wanted, who)

    def wait(self, seq: int, timeout_s: float) -> int:
        return self._engine.wait(seq, timeout_s)

    def health(self) -> dict[str, Json]:
        """`loop.Health`, counters, rates and refusals. `hushed`: events of strangers that the journal has no room for. Tracebacks of dead
        letters stay in the log. `barclamps`: name -> version and SHA-256 of those with which it started."""
        loop, last_values = self._engine.health(), self._engine.last_values.snapshot()
        body: dict[str, Json] = to_builtins(loop)
        body["letters"] = [{"at": x.at, "what": x.what, "error": x.error} for x in loop.letters]
        body["counters"], body["rates"] = last_values.counters, last_values.rates
        body["refusals"] = {
            code: {"sentence": reasons.sentence(r.reason), "mac": r.mac, "at": r.at, "count": r.count}
            for code, r in last_values.refusals.items()
        }
        body |= self._engine.packets.health()
        body["hushed"] = self._engine.world.share.hushed
        body["interface"] = self._engine.interface()
        body["leading"] = self._engine.leading()
        body["monitoring"] = self._engine.monitoring.shown()
        body["package_cache"] = self._engine.package_cache()
        body["consoles"] = self._engine.consoles()
        body["traffic"] = self._engine.traffic()
        body["api"] = self._engine.api.shown()
        body["process"] = to_builtins(rights.now())
        body["pid"] = os.getpid()
        body["barclamps"] = {name: list(one) for name, one in versions(self._engine.world.base).items()}
        body["stages"] = [stage.name for stage in self._engine.world.base.stages]
        return body

    def packets(self, of: str, after: int) -> dict[str, Json] | Reason:
        """See `attach.protocol.AskPackets`."""
        record = self._engine.packets
        who = record.named(of) if of else None
        if of and who is None:
            known = ", ".join(sorted(n.name for n in self._engine.world.nodes.values())[:8])
            return reasons.unknown_thing(what="node, MAC or address", name=of[:100], nearest=known or "none")
        return record.read(who, max(after, 0))

    def progress(self) -> dict[str, Json]:
        """Node id -> `percent`, `text` and `at` of its task, and `heard`: seconds since its last sign of life."""
        last_values, now = self._engine.last_values.snapshot(), time.monotonic()
        out: dict[str, Json] = {}
        for node, one in last_values.progress.items():
            out[node] = {"percent": one.percent, "text": one.text, "at": one.at}
        for node, at in last_values.contact.items():
            out.setdefault(node, {})["heard"] = round(max(now - at, 0.0), 1)
        return {"nodes": out, "seq": self._engine.seq}

    def disks(self, nodes: list[str]) -> dict[str, Json]:
        """Node id -> the node's disks as it reports them now (`core.hardware.disk_now.Look`), or why it does not."""
        found: dict[str, Json] = to_builtins(self._engine.disks.look(nodes))
        return found

    def bmc(self, node: str, inventory: bool, interop: bool = False) -> dict[str, Json] | Reason:
        """What the node's BMC says now; with `inventory` its record of the machine's parts is read and kept too."""
        world = self._engine.world
        found = world.nodes.get(node) or world.node_named(node)
        if found is None:
            return reasons.no_node(node=node[:100])
        adapters = self._engine.adapters
        said = adapters.power.look(found)
        if interop and said.failure is None and said.protocol == "redfish":
            said = replace(said, interop=adapters.power.interop(found))
        out: dict[str, Json] = {"look": to_builtins(said)}
        if inventory:
            result, failed = adapters.power.inventory(found)
            if isinstance(result, InventoryRead):
                report = ReportRead(name=result.by, format="redfish-tree" if result.by == "redfish" else "ipmitool-fru", octets=0)
                out["hardware"] = adapters.hardware.keep(found.id, HardwareLook(parts=result.parts, reports=(report,)), result.by)
                out["left_out"] = [f"{one.name}: {one.why}"[:200] for one in result.left_out[:20]]
            else:
                out["refused"] = reasons.sentence(failed) if failed is not None else result.message
        return out

    def machine_health(self, node: str) -> dict[str, Json] | Reason:
        """Looks at the machine's health now, and keeps that."""
        world = self._engine.world
        found = world.nodes.get(node) or world.node_named(node)
        if found is None:
            return reasons.no_node(node=node[:100])
        record = self._engine.looks.look(found)
        return {"failed": record.failed if record is not None else "", "busy": record is None}

    def hand_over(self, to: str, who: str) -> Accept | Refuse:
        log.warning("%s asked this engine to hand the store over%s", who, f" to {to}" if to else "")
        return self._engine.hand_over(to)

    def ask_to_stop(self, who: str) -> None:
        log.warning("%s asked this engine to stop", who)
        self._engine.stop_asked.set()
