"""A rehearsal: starts an engine and a virtual rack together, and finds both again after a kill.

The rack's folder is beside the store (`STORE.rack`), because the rack must outlive the store's engine and must not be lost with it. The
same call on the same store continues: it reads the rack's spec, finds or starts its process, commits the plan again (which
changes nothing) and presses the power buttons of machines that are still off.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import socket
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from .. import racks as rehearsal
from ..core.hardware.delegates import ACCESS
from ..core.hardware.outlets import ATTRIBUTE as PDU_ACCESS
from ..core.hardware.port_table import ROLE as SWITCH_PORTS
from ..core.plan.links import ports_of
from ..core.world.load import load_world
from ..definitions import Catalog
from ..effects import Refuse
from ..files.catalog import SHIPPED
from ..files.clamps.index import KEPT
from ..files.clamps.site import site_catalog
from ..files.paths import images_folder, keys_beside
from ..images import wanted as wanted_images
from ..plan import Plan
from ..power.outlet_tables import TABLES
from ..racks import AnyRackSpec, QemuRackSpec, RackError, RackFileWrong, RehearsalRack, SimulatedRackSpec, namespace, qemu
from ..racks.kinds import parse
from ..racks.qemu import needs
from ..racks.qemu.spec import Own as QemuOwn
from ..racks.scenario import read as read_scenario
from ..racks.simulated.reached import PduDef
from ..racks.simulated.spec import PORTS, BmcAccess, Own, home_ports
from ..reasons import sentence
from ..runtime.config import Config
from ..runtime.engine import Engine
from ..runtime.loop import Clock
from ..serve import ServiceError
from ..store.file import held
from ..store.place import named
from ..store.store import Store, StoreError
from ..views.summary import settled
from ..wire.reach import Reach
from .progress import MilestoneReporter

PASSWORD = "CROWBAR_BMC_PASSWORD"
PATIENCE = 0.05
"""Patience of a rehearsal with faults, if neither plan nor scenario sets another: simulated firmware does not need seven minutes."""
QEMU_PATIENCE = 3.0
"""Least patience on QEMU machines: without KVM everything takes ten times as long as on a real machine."""
LEAST_QEMU_PATIENCE = 0.5
"""Least patience if a scenario sets one: for one or two machines without KVM."""


class Rehearsal:
    """Use as a context manager: the rack stops with it, unless `leave` is set."""

    def __init__(
        self,
        store: Path,
        plan: Plan,
        nodes: int,
        seed: int,
        speed: float | str,
        who: str,
        network: str = "auto",
        scenario: str = "",
        clock: Clock | None = None,
        kind: str = "simulated",
        machines: dict[str, Any] | None = None,
    ) -> None:
        """`kind`: `simulated`, or `qemu`, to which speed and network say nothing. `machines`: fields of `QemuRackSpec` that
        are other than usual; of a simulated rack, `machines` only.

        `network`: `namespace` (real ports, two network namespaces), `loopback` (mapped addresses, no privilege), or `auto`: namespace where
        the system allows it. A rack that is there already stays what it is. `scenario`: text of a scenario file, read with the plan's
        patience, or PATIENCE where it does not say one. Raises RackError, PlanError."""
        self.store = store
        self.folder = store.with_name(store.name + ".rack")
        self._kind = kind
        self._machines = machines or {}
        self._scenario = scenario or _scenario_of(self.folder)
        self.plan = _patient(plan, self._scenario, nodes, kind)
        self.leave = False
        self._who = who
        catalog = site_catalog(store)
        self._folders = _with_behaviours(catalog)
        self.spec = self._spec(nodes, seed, speed, network)
        self.engine = Engine(
            Config(
                store=store,
                keys=keys_beside(store),
                reach=Reach(self.spec.lane),
                interface=namespace.OUTER if self.spec.lane is None else None,
                rack=self.folder,
                synthetic=kind == "simulated",
                bmc_rest_s=0.0,
                admin=f"{socket.gethostname().split('.')[0] or 'admin'}",
            ),
            catalog=catalog,
            clock=clock,
        )
        self.rack: RehearsalRack | None = None
        self._milestones: MilestoneReporter | None = None

    def _spec(self, nodes: int, seed: int, speed: float | str, network: str) -> AnyRackSpec:
        """The spec in the folder, or a new rack that fits the plan."""
        file = self.folder / "rack.yml"
        if file.exists():
            found = parse(file.read_text(encoding="utf-8"))
            if (found.nodes, found.seed, found.kind) != (nodes, seed, self._kind):
                raise RackError(
                    f"the rack beside this store has {found.nodes} {found.kind} nodes of seed {found.seed}: "
                    f"use another --store, or --fresh to start again"
                )
            if isinstance(found, QemuRackSpec) and (lacking := qemu.missing() or _images_missing(self.store, self.plan)):
                raise RackError(lacking)
            if isinstance(found, SimulatedRackSpec) and found.barclamps != self._folders:
                raise RackError("the rack beside this store knows other barclamps: use --fresh to start again, or another --store")
            return found
        networks = {name: n.subnet for name, n in self.plan.networks.items()}
        bmc = self.plan.networks.get("bmc")
        first = bmc.ranges["host"].first if bmc is not None and "host" in bmc.ranges else "192.168.125.21"
        admin = self.plan.networks["admin"]
        access = BmcAccess(first=first, password=os.environ.get(PASSWORD, "rehearsal"))
        if self._kind == "qemu":
            return self._of_qemu(nodes, seed, networks, access)
        why_not = namespace.why_not() if network != "loopback" else "loopback is asked for"
        if why_not and network == "namespace":
            raise RackError(why_not)
        real = not why_not
        relay = admin.router or _free_host(admin.subnet, self.plan.site.admin.address)
        made = SimulatedRackSpec(
            nodes=nodes,
            seed=seed,
            speed="max" if speed == "max" else float(speed),
            namespace=real,
            lane=None if real else _free_lane(self.plan.site.admin.address, str(self.folder), relay),
            admin=self.plan.site.admin.address,
            relay=relay,
            networks=networks,
            ports={speed: min(count, PORTS) for speed, count in ports_of(self.plan).items()},
            bmc=access,
            machines=msgspec.convert(self._machines.get("machines", {}), dict[str, Own]),
            switches=_managed(self.plan),
            sans=_sans(self.plan),
            barclamps=self._folders,
        )
        return replace(made, pdus=_pdus(self.plan, made))

    def _of_qemu(self, nodes: int, seed: int, networks: dict[str, str], access: BmcAccess) -> QemuRackSpec:
        """A rack of QEMU machines. Raises RackError if the system lacks a package, an image, or memory."""
        if lacking := qemu.missing() or _images_missing(self.store, self.plan):
            raise RackError(lacking)
        own = msgspec.convert(self._machines.get("machines", {}), dict[str, QemuOwn])
        made = QemuRackSpec(
            nodes=nodes,
            seed=seed,
            admin=self.plan.site.admin.address,
            networks=networks,
            bmc=access,
            kernel=str((images_folder(self.store) / "sledgehammer" / "vmlinuz").resolve()),
            **{**self._machines, "machines": own},
        )
        sizes = [(own.get(f"m{number}", QemuOwn()).memory_mb or made.memory_mb) for number in range(1, nodes + 1)]
        if tight := needs.room(sum(sizes)):
            raise RackError(tight)
        return made

    def way_in(self, words: list[str]) -> list[str]:
        """The command line that runs `words` in the rack's network. Empty: run it here. Starts the rack."""
        rehearsal.create(self.folder, self.spec, self._scenario)
        self.rack = rehearsal.start(self.folder)
        if self.spec.lane is not None or namespace.inside(self.folder):
            return []
        return namespace.command(self.folder, words)

    def __enter__(self) -> Rehearsal:
        os.environ.setdefault(PASSWORD, "rehearsal")
        rehearsal.create(self.folder, self.spec, self._scenario)
        self.rack = rehearsal.start(self.folder)
        try:
            self.engine.start()
            try:
                answer = self.engine.commit(self.plan, self._who)
                if isinstance(answer, Refuse):
                    raise ServiceError(f"the engine refused the plan: {sentence(answer.reason)}")
                if isinstance(self.spec, QemuRackSpec) and self._scenario:
                    self._milestones = MilestoneReporter(self.engine, self.rack, self.spec)
                    self._milestones.start()
                self.rack.press("all")
            except BaseException:
                self.engine.stop()
                raise
        except BaseException:
            self.rack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._milestones is not None:
            self._milestones.stop()
        self.engine.stop()
        if self.rack is not None and not self.leave:
            self.rack.stop()


def _managed(plan: Plan) -> dict[str, str]:
    """The switches that the plan's roles set up -> their addresses."""
    if not any(SWITCH_PORTS in one.roles for one in plan.deployments.values()):
        return {}
    access = plan.attributes.get(ACCESS["switch"])
    own = {name: one.get("address") for name, one in access.items() if isinstance(one, dict)} if isinstance(access, dict) else {}
    return {name: address for name, address in own.items() if name != "*" and isinstance(address, str)}


def _sans(plan: Plan) -> dict[str, str]:
    """The SANs of the plan -> their addresses, as far as they have one and no machine of the rack carries them."""
    access = plan.attributes.get(ACCESS["san"])
    named = {name: one for name, one in access.items() if name != "*" and isinstance(one, dict)} if isinstance(access, dict) else {}
    return {name: "" if one.get("delegate", "admin") != "admin" else str(one.get("address") or "") for name, one in named.items()}


def _pdus(plan: Plan, spec: SimulatedRackSpec) -> dict[str, PduDef]:
    """The PDUs of the plan that speak SNMP. An outlet feeds the machine whose first cable ends where that of the outlet's place does."""
    access = plan.attributes.get(PDU_ACCESS)
    every = access if isinstance(access, dict) else {}
    homes = {home_ports(spec, number).get("1g0"): f"m{number}" for number in range(1, spec.nodes + 1)}
    feeds: dict[str, dict[str, str]] = {}
    for one in (place for rack in plan.racks for place in rack.places):
        machine = homes.get(one.cables.get("1g0", "-"))
        for outlet in one.outlets if machine is not None else ():
            pdu, _, number = outlet.partition("/")
            feeds.setdefault(pdu, {})[number] = str(machine)
    out = {}
    for name, fed in feeds.items():
        own = {**(every.get("*") or {}), **(every.get(name) or {})}
        if own.get("address") and own.get("table", "apc") in TABLES:
            out[name] = PduDef(address=str(own["address"]), table=str(own.get("table", "apc")), feeds=fed)
    return out


def _with_behaviours(catalog: Catalog) -> tuple[str, ...]:
    """Folders of the barclamps whose `rehearsal.py` the rack needs. Empty: the shipped ones only."""
    own = any(one.origin != SHIPPED for one in catalog.barclamps.values())
    return tuple(catalog.folders[name] for name in sorted(catalog.barclamps)) if own else ()


def _scenario_of(folder: Path) -> str:
    """The scenario with which the rack in a folder was started."""
    file = folder / "scenario.yml"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _patient(plan: Plan, scenario: str, nodes: int, kind: str) -> Plan:
    """The plan with the scenario's patience; for QEMU machines with the patience that they need. Raises PlanError."""
    found = read_scenario(scenario, "scenario.yml", nodes, kind) if scenario else None
    given = found.patience if found is not None else None
    if kind == "qemu":
        return replace(plan, patience=max(plan.patience, QEMU_PATIENCE) if given is None else max(given, LEAST_QEMU_PATIENCE))
    if found is None:
        return plan
    return replace(plan, patience=given or (PATIENCE if plan.patience == 1.0 else plan.patience))


_VARIANTS = {"sledgehammer": "virtual"}
"""Image -> its variant for QEMU machines: this one writes into its BMC, so its kernel has a driver for that. Others need none."""


def _images_missing(store: Path, plan: Plan) -> str:
    """Images that machines would need here and that are missing or damaged. Empty: none."""
    lacking = wanted_images.missing(store, plan)
    if not lacking:
        return ""
    why = "; ".join(lacking.values())
    builds = " && ".join(f"crowbar image build --variant {_VARIANTS.get(name, 'cloud')} {name}" for name in lacking)
    return f"real machines need images that are missing ({why}): {builds}, or set CROWBAR_IMAGES"


def begin_anew(store: Path) -> None:
    """Stops the rack of a rehearsal, and deletes rack, keys and store. The site's barclamps and stages stay. Raises StoreError while an
    engine runs on it."""
    if held(store):
        raise StoreError(f"an engine runs on {store}: stop it first, with crowbar --store {shlex.quote(str(store))} engine stop")
    if name := named(store):
        raise StoreError(f"the tables of {store} are in {name}, which a rehearsal does not delete: choose another --store")
    folder = store.with_name(store.name + ".rack")
    if folder.exists():
        with suppress(RackError):  # it was not running
            rehearsal.connect(folder).stop()
    for path in (folder, keys_beside(store)):
        shutil.rmtree(path, ignore_errors=True)
    for path in store.iterdir() if store.is_dir() else ():
        if path.name in KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # it has barclamps of the site
        store.rmdir()


def rack_spec(store: Path) -> AnyRackSpec:
    """The spec of the virtual rack beside a store. Raises RackError."""
    try:
        return parse((store.with_name(store.name + ".rack") / "rack.yml").read_text(encoding="utf-8"))
    except (OSError, RackFileWrong) as error:
        raise RackError(f"there is no virtual rack beside {store}: {error}") from error


def finished(store: Path) -> bool:
    """True if the last rehearsal on this store ended with all nodes ready."""
    try:
        with Store.read(store) as reader:
            world = load_world(site_catalog(store), reader.load())
    except StoreError:
        return False
    return settled(world, world.plan.expect.nodes if world.plan is not None else 0) == "ready"


def with_nodes(plan: Plan, nodes: int) -> Plan:
    """The same plan with another number of expected nodes."""
    return replace(plan, expect=replace(plan.expect, nodes=nodes))


def _free_lane(admin: str, name: str, relay: str = "") -> int:
    """A lane of loopback addresses that no engine and no rack uses. The search starts at the hash of the folder."""
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:2]) % 254
    for i in range(254):
        lane = (start + i) % 254 + 1
        if _bindable(Reach(lane)(admin, 67)) and (not relay or _bindable(Reach(lane)(relay, 67))):
            return lane
    raise RackError("all 254 ranges of loopback addresses are in use: stop a rehearsal")


def _bindable(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def _free_host(subnet: str, admin: str) -> str:
    """The first host address of a subnet that is not the admin node's, for the relay."""
    return next(address for address in map(str, IPv4Network(subnet).hosts()) if address != admin)
