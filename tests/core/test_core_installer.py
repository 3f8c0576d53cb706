"""Distributions' installers: which environment a stage needs, how a node gets there and out of it, and what becomes of an attempt in one."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig, mac, uuid

from crowbar_tui.console.standing import standing
from engine import reasons
from engine.core.boot.boot import firmware_way
from engine.core.boot.signals import SIGNALS
from engine.core.roles.attributes import inputs
from engine.core.roles.guards import blockers
from engine.core.roles.life import way_to
from engine.core.roles.stages import environment_of, over_network
from engine.definitions import ImageDef
from engine.effects import BootNode, BootScript, Refuse, Start, Welcome
from engine.events import Bye, Fetched, Hello, Missed, Operate, Outcome, Probed, ScriptAsked
from engine.model import Lease, Signal, State, Value, Way
from engine.netboot.install_answers import asked
from engine.requests import Asker, Request
from engine.views.summary import node_row, settled

HARDWARE = role("work", "hardware")
INSTALL = role(
    "os-install",
    "install",
    flags=["destructive"],
    wants=["target-os", "install-method", "image"],
    gives=("installed", "ssh-host-key"),
    verify=True,
    timeout_s=3600.0,
)
SERVE = role("serve", "system")
IMAGES = {
    "sledgehammer": ImageDef(name="sledgehammer", kind="discovery"),
    "debian-12": ImageDef(name="debian-12", kind="system"),
    "debian-di": ImageDef(name="debian-di", kind="installer", installs="debian-12", method="preseed"),
    "ubuntu-live": ImageDef(name="ubuntu-live", kind="installer", installs="ubuntu-24.04", method="autoinstall"),
}
CATALOG = replace(catalog(HARDWARE, INSTALL, SERVE, defaults={"install-method": "image"}), images=IMAGES)
GAVE = {"installed": {"os": "debian-12", "disk": "vda", "root": "u"}, "ssh-host-key": "ssh-ed25519 AAAA"}


def rig(method: str = "preseed", system: str = "debian-12", trust: Literal["confirmed", "network"] = "network", **fields: Any) -> WorldRig:
    out = WorldRig(CATALOG, plan({}, trust))
    out.server(**{"stage": "install", "allocated": True, **fields})
    for name, value in (("install-method", method), ("target-os", system)):
        out.put(Value(layer="operator", scope="n1", name=name, value=value, who="test"))
    out.role("os-install", state=State.WAITING, approved="test")
    out.role("serve", state=State.WAITING, parents=(("n1", "os-install"),))
    return out


def hello(boot_id: str = "b2", environment: str = "debian-di", nonce: str = "h1") -> Hello:
    return Hello(
        request=Request(Asker.HTTP, 6),
        nonce=nonce,
        boot_id=boot_id,
        environment=environment,
        uuid=uuid(1),
        serial="SN1",
        macs=(mac(1),),
        address="10.0.0.30",
    )


@pytest.mark.parametrize(
    ("method", "system", "stage", "environment"),
    [
        ("image", "debian-12", "install", "sledgehammer"),
        ("preseed", "debian-12", "install", "debian-di"),
        ("autoinstall", "ubuntu-24.04", "install", "ubuntu-live"),
        ("preseed", "debian-12", "hardware", "sledgehammer"),
        ("preseed", "debian-12", "system", "debian-12"),
        ("autoinstall", "ubuntu-24.04", "system", "ubuntu-24.04"),
        ("autoinstall", "debian-12", "install", ""),
        ("kickstart", "debian-12", "install", ""),
    ],
)
def test_the_method_says_what_a_stage_runs_in(method: str, system: str, stage: str, environment: str) -> None:
    d = rig(method, system)
    assert environment_of(d.world, d.node(), stage) == environment


@pytest.mark.parametrize(
    ("runs", "alive", "kexec", "environment", "way"),
    [
        ("sledgehammer", True, True, "debian-di", Way.INSTALLER),
        ("debian-12", True, True, "debian-di", Way.INSTALLER),
        ("debian-di", True, True, "debian-12", Way.OWN),
        ("debian-di", False, True, "debian-12", Way.DISK),
        ("debian-di", True, True, "sledgehammer", Way.NETWORK),
        ("sledgehammer", True, True, "debian-12", Way.KEXEC),
        ("sledgehammer", True, False, "debian-12", Way.DISK),
        ("", False, True, "debian-12", Way.DISK),
    ],
)
def test_how_a_node_gets_from_one_environment_to_another(runs: str, alive: bool, kexec: bool, environment: str, way: Way) -> None:
    d = rig(runs=runs, alive=alive, kexec=kexec)
    assert way_to(d.world, d.node(), environment) is way


def test_firmware_gets_to_each_environment_by_one_way() -> None:
    world = rig().world
    found = {name: (firmware_way(world, name), over_network(world, name)) for name in ("sledgehammer", "debian-di", "debian-12", "")}
    assert found == {
        "sledgehammer": (Way.NETWORK, True),
        "debian-di": (Way.INSTALLER, True),
        "debian-12": (Way.DISK, False),
        "": (Way.DISK, False),
    }


def test_a_method_that_nothing_installs_by_is_a_blocker_with_its_reason() -> None:
    d = rig("kickstart")
    found = blockers(d.world, d.at("os-install"))
    assert reasons.no_installer(system="debian-12", method="kickstart") in found
    assert not d.all(BootNode)


def test_the_image_is_no_input_of_another_method() -> None:
    assert inputs(rig("image").world, rig("image").at("os-install"))["image"] == {"$image": "debian-12"}
    assert inputs(rig().world, rig().at("os-install"))["image"] is None


def test_from_sledgehammer_through_the_installer_to_the_disk() -> None:
    d = rig()
    order = to_installer_by_outcome(d)
    assert (order.environment, order.way) == ("debian-di", Way.INSTALLER)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(1), address="10.0.0.30", nonce="h1"))
    script = d.one(BootScript)
    assert (script.environment, script.disk, script.nonce) == ("debian-di", False, "h1")
    assert asked(d.world, "h1") is not None
    d.feed(hello())
    assert d.one(Welcome).node == "n1"
    assert d.node().alive, "it has a token, so it is there; nobody logs in to an installer"
    start = d.one(Start)
    assert (start.role, start.action) == ("os-install", "run")
    assert asked(d.world, "h1") is None, "the nonce is worthless after hello"
    d.feed(Outcome(attempt=start.attempt, node="n1", what="done", gives=GAVE))
    out = d.one(BootNode)
    assert (out.environment, out.way) == ("debian-12", Way.OWN), "an installer reboots by itself: nobody cuts it short"
    assert d.node().stage == "system"


def to_installer_by_outcome(d: WorldRig) -> BootNode:
    """The last role of the stage before ends, and the node goes on."""
    d.change(stage="hardware")
    d.role("work", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done"))
    return d.one(BootNode)


def installing() -> tuple[WorldRig, Start]:
    d = rig()
    to_installer_by_outcome(d)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(1), address="10.0.0.30", nonce="h1"))
    d.feed(hello())
    return d, d.one(Start)


def test_without_approval_the_installer_stands_and_waits() -> None:
    d = rig()
    d.change(role="os-install", approved="")
    to_installer_by_outcome(d)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(1), address="10.0.0.30", nonce="h1"))
    d.feed(hello())
    assert not d.all(Start)
    assert blockers(d.world, d.at("os-install"))[0].code == "approval"
    d.feed(Operate(who="test", verb="approve", node="n1", role="os-install"))
    assert d.one(Start).role == "os-install"


def test_an_installer_waits_for_the_confirmation_of_its_own_claim() -> None:
    d = rig(trust="confirmed", confirmed="operator", claim="h0", fingerprint="0000-0001")
    to_installer_by_outcome(d)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(1), address="10.0.0.30", nonce="h1"))
    d.feed(replace(hello(), fingerprint="0000-0002"))
    assert not d.all(Start), "the confirmation was of sledgehammer"
    assert blockers(d.world, d.at("os-install"))[0].code == "not_confirmed"
    d.feed(Operate(who="test", verb="confirm", node="n1", value="0000-0002"))
    assert d.one(Start).role == "os-install"
    d.feed(replace(hello("b9", nonce=""), credential="n1"))
    assert d.one(Refuse).reason.code == "memory_credential"


def test_answers_are_the_signal_between_kernel_and_hello() -> None:
    d = rig(trust="network")
    d.put(Lease(address="10.0.0.30", mac=mac(1), network="admin", state="bound", expires=1e9))
    to_installer_by_outcome(d)
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(1), address="10.0.0.30", nonce="h1"))
    for what, signal, following in (("kernel", Signal.KERNEL, Signal.ANSWERS), ("answers", Signal.ANSWERS, Signal.HELLO)):
        d.feed(Fetched(address="10.0.0.30", what=what))  # type: ignore[arg-type]
        boot = d.node().boot
        assert boot is not None
        assert boot.signal is signal
        assert boot.deadline == d.now + dict(SIGNALS[Way.INSTALLER])[following]


def test_an_installer_that_gave_up_is_an_error_and_a_retry_is_another_boot_of_it() -> None:
    d, start = installing()
    d.feed(Outcome(attempt=start.attempt, node="n1", what="failed", failure=reasons.script_failed(role="os-install", exit=1, line="x")))
    assert d.at("os-install").state is State.ERROR
    d.feed(Operate(who="test", verb="retry", node="n1", role="os-install"))
    again = d.one(Start)
    # The installer's tool answers 192 to a second order: boot me again, and order again.
    d.feed(Outcome(attempt=again.attempt, node="n1", what="again", reboot=True))
    order = d.one(BootNode)
    assert (order.environment, order.way) == ("debian-di", Way.INSTALLER)


def test_one_that_dies_at_work_is_asked_after_and_verify_decides() -> None:
    d, start = installing()
    d.feed(Bye(node="n1", boot_id="b2"))
    assert d.at("os-install").resume
    assert d.node().boot.way is Way.INSTALLER  # type: ignore[union-attr]
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(1), address="10.0.0.30", nonce="h2"))
    d.feed(hello("b3", nonce="h2"))
    asked_after = d.one(Start)
    assert (asked_after.resume, asked_after.attempt) == (True, start.attempt)
    d.feed(Outcome(attempt=start.attempt, node="n1", what="lost"))
    assert d.one(Start).action == "verify"
    verify = d.one(Start).attempt
    d.feed(Outcome(attempt=verify, node="n1", what="failed", failure=reasons.verify_failed(role="os-install", line="half a disk")))
    assert d.one(Start).action == "run", "half a disk is never called installed"


def test_an_installer_that_does_not_go_down_by_itself_is_cycled() -> None:
    d, start = installing()
    d.feed(Outcome(attempt=start.attempt, node="n1", what="done", gives=GAVE))
    boot = d.node().boot
    assert boot is not None
    d.now = boot.deadline
    d.tick("n1")
    assert (d.one(BootNode).way, d.one(BootNode).tries) == (Way.DISK, 2)


def test_a_silent_installer_is_not_cycled_before_its_time_has_gone_by() -> None:
    d, _ = installing()
    d.feed(Missed(node="n1"))
    for _ in range(3):
        d.feed(Probed(node="n1", probe=d.node().probe, alive=False))
    assert not d.all(BootNode)
    assert d.at("os-install").resume


def test_a_system_that_only_an_installer_installs_can_be_asked_for() -> None:
    d = rig()
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="test", verb="install", node="n1", value="ubuntu-24.04"))
    assert d.world.attributes[("operator", "n1", "target-os")].value == "ubuntu-24.04"


def test_a_method_that_nothing_installs_by_waits_for_a_person() -> None:
    """No engine lifts it: a headless run is stuck, and the console marks the node."""
    d = rig("kickstart")
    assert settled(d.world, 1) == "stuck"
    row = node_row(d.world, d.node())
    assert row.why is not None
    assert (row.why.code, standing(row)) == ("no_installer", "waiting")
