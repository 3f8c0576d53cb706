"""The simulated rack in this process, on a loopback lane, against a small admin node: boots, roles, disks, faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_admin import FakeAdmin, free_lane, install_attributes, rack_spec

from engine.racks import Faults
from engine.racks.simulated.rack import SimulatedRack, WrongOrder


@asynccontextmanager
async def racked(folder: Path, **more: Any) -> AsyncIterator[tuple[FakeAdmin, SimulatedRack]]:
    lane = free_lane()
    async with FakeAdmin(lane) as admin:
        rack = SimulatedRack(folder, rack_spec(lane, **more))
        await rack.start()
        try:
            yield admin, rack
        finally:
            await rack.close()


def convert(faults: dict[str, dict[str, Any]]) -> dict[str, Faults]:
    return msgspec.convert(faults, dict[str, Faults])


def go(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


async def disks(rack: SimulatedRack) -> list[dict[str, Any]]:
    return list((await rack.order("disks", []))["disks"])


async def machine(rack: SimulatedRack, number: int = 0) -> dict[str, Any]:
    return dict((await rack.order("machines", []))["machines"][number])


async def until(so: Callable[[], Awaitable[bool]]) -> None:
    """Polls what nothing tells of."""
    async with asyncio.timeout(60):
        while not await so():
            await asyncio.sleep(0.01)


async def shows(rack: SimulatedRack, text: str, number: int = 0) -> None:
    async def so() -> bool:
        return text in (await machine(rack, number))["screen"]

    await until(so)


def test_boots_over_the_network_and_says_hello(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (admin, rack):
            assert (await rack.order("press", ["all"]))["pressed"] == ["m1"]
            said = await admin.hello()
            about = await machine(rack)
            assert said["environment"] == "sledgehammer"
            assert said["uuid"] == about["uuid"]
            assert said["serial"] == about["serial"]
            assert said["peer"] == said["address"] == admin.leases[about["mac"]]
            assert {r.giaddr for r in admin.requests} == {"192.168.124.1"}
            assert [(r.kind.name, r.vendor_class[:9], r.user_class) for r in admin.requests] == [
                ("DISCOVER", "PXEClient", ()),
                ("REQUEST", "PXEClient", ()),
                ("DISCOVER", "PXEClient", ("iPXE",)),
                ("REQUEST", "PXEClient", ("iPXE",)),
                ("DISCOVER", "udhcp 1.3", ()),
                ("REQUEST", "udhcp 1.3", ()),
            ]
            assert admin.requests[0].uuid == about["uuid"]
            assert admin.loaded == [(said["address"], 1024 * 1024 + 123, True)]
            assert about["boots"] == 1

    go(work())


def test_inventory_and_neighbours(tmp_path: Path) -> None:
    async def work() -> None:
        faults = {"m1": {"cables": {"1g1": ""}}}
        async with racked(tmp_path, faults=convert(faults)) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            found = await admin.run(node, "a.1", "discovery", "inventory")
            assert found["exit"] == 0
            gives = found["gives"]
            assert gives["product"] == (await machine(rack))["product"]
            assert len(gives["disks"]) >= 2
            assert {disk["signature"] for disk in gives["disks"]} == {""}
            assert [nic["link"] for nic in gives["nics"]] == [True, False]
            heard = await admin.run(node, "b.1", "discovery", "lldp")
            assert [(n["system"], n["port"]) for n in heard["gives"]["neighbours"]] == [("tor1", "swp1")]
            bmc = await admin.run(node, "c.1", "discovery", "bmc-discover")
            assert bmc["gives"]["bmc"]["address"] == (await machine(rack))["bmc"] == "192.168.125.21"

    go(work())


def test_bios_settings_wait_for_the_self_test(tmp_path: Path) -> None:
    async def work() -> None:
        wanted = {"bios-wanted": {"virtualization": "enabled"}}
        async with racked(tmp_path) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            first = await admin.run(node, "a.1", "bios", "bios-configure", wanted)
            assert first["exit"] == 64
            assert first["gives"]["bios-settings"]["virtualization"] == "enabled"
            before = await admin.run(node, "b.1", "bios", "bios-configure", wanted, "verify")
            assert before["exit"] == 1
            admin.order(node, do="reboot")
            await admin.hello(2)
            assert admin.byes == [{"reason": "reboot"}]
            after = await admin.run(node, "c.1", "bios", "bios-configure", wanted, "verify")
            assert after["exit"] == 0
            assert after["gives"] == first["gives"]
            again = await admin.run(node, "d.1", "bios", "bios-configure", wanted)
            assert again["exit"] == 0
            unknown = await admin.run(node, "e.1", "bios", "bios-configure", {"bios-wanted": {"colour": "red"}})
            assert unknown["exit"] == 2

    go(work())


def test_a_lying_bios_fails_its_second_look(tmp_path: Path) -> None:
    async def work() -> None:
        wanted = {"bios-wanted": {"sriov": "enabled"}}
        async with racked(tmp_path, faults=convert({"all": {"bios_lies": True}})) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            assert (await admin.run(node, "a.1", "bios", "bios-configure", wanted))["exit"] == 64
            admin.order(node, do="reboot")
            await admin.hello(2)
            found = await admin.run(node, "b.1", "bios", "bios-configure", wanted, "verify")
            assert found["exit"] == 1
            assert "sriov" in found["message"]

    go(work())


def test_raid_makes_a_volume_once(tmp_path: Path) -> None:
    async def work() -> None:
        wanted = {"raid-wanted": {"level": "raid1"}, "raid-disks": {"members": [{"name": "sda"}, {"name": "sdb"}]}}
        async with racked(tmp_path) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            assert (await admin.run(node, "a.1", "raid", "raid-configure", wanted, "verify"))["exit"] == 1
            first = await admin.run(node, "b.1", "raid", "raid-configure", wanted)
            assert first["exit"] == 0
            volume = first["gives"]["volumes"][0]
            assert (volume["name"], volume["level"], volume["disks"]) == ("md0", "raid1", ["sda", "sdb"])
            second = await admin.run(node, "c.1", "raid", "raid-configure", wanted)
            look = await admin.run(node, "d.1", "raid", "raid-configure", wanted, "verify")
            assert first["gives"] == second["gives"] == look["gives"]
            assert {d["name"]: d["wipes"] for d in await disks(rack)} == {"sda": 1, "sdb": 1, "sdc": 0, "sdd": 0, "md0": 0}
            seen = await admin.run(node, "e.1", "discovery", "inventory")
            held = {d["name"]: d["signature"] for d in seen["gives"]["disks"]}
            assert held == {"sda": "raid-member", "sdb": "raid-member", "sdc": "", "sdd": ""}, "a volume is no disk, as on real machines"

    go(work())


def test_install_then_kexec_into_the_system(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            assert (await admin.run(node, "a.1", "os-install", "os-install", install_attributes(), "verify"))["exit"] == 1
            found = await admin.run(node, "b.1", "os-install", "os-install", install_attributes())
            assert found["exit"] == 0, found
            assert found["gives"]["installed"]["os"] == "debian-12"
            assert found["gives"]["ssh-host-key"].startswith("ssh-ed25519 AAAA")
            look = await admin.run(node, "c.1", "os-install", "os-install", install_attributes(), "verify")
            assert look["gives"] == found["gives"]
            another = {**install_attributes(), "target-os": "debian-13"}
            other = await admin.run(node, "d.1", "os-install", "os-install", another, "verify")
            assert (other["exit"], other["message"]) == (1, "sda holds 'debian-12', not 'debian-13'")
            assert [d["wipes"] for d in await disks(rack)] == [1, 0, 0, 0]
            assert b"wiped sda" in admin.logs["b.1"]
            admin.order(node, do="kexec")
            said = await admin.hello(2)
            assert said["environment"] == "debian-12"
            assert said["credential"] == "node.secret"
            assert said["peer"] == "192.168.124.81"
            assert (await machine(rack))["boots"] == 1

    go(work())


def test_disk_boot_by_the_script_and_by_the_bmc(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            assert (await admin.run(node, "a.1", "os-install", "os-install", install_attributes()))["exit"] == 0
            mac = (await machine(rack))["mac"]
            admin.boots[mac] = "disk"
            await rack.order("reset", ["m1"])
            assert (await admin.hello(2))["environment"] == "debian-12"
            runner = rack._runners["m1"]
            runner.machine.nonvolatile.boot_next = "disk"
            asked = len(admin.requests)
            await rack.order("reset", ["m1"])
            assert (await admin.hello(3))["environment"] == "debian-12"
            assert len(admin.requests) == asked, "a machine that boots its disk does not ask for an address"
            assert runner.machine.nonvolatile.boot_next == "", "the order was for one start"

    go(work())


def test_half_an_installation_does_not_boot(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            wrong = install_attributes()
            wrong["image"]["sha256"] = "0" * 64
            found = await admin.run(node, "a.1", "os-install", "os-install", wrong)
            assert found["exit"] == 3
            first = (await disks(rack))[0]
            assert (first["wipes"], first["system"]) == (1, "")
            admin.boots[(await machine(rack))["mac"]] = "disk"
            await rack.order("reset", ["m1"])
            await shows(rack, "no bootable device")

    go(work())


def test_an_attempt_starts_once_and_is_sent_until_acknowledged(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            admin.acknowledge = False
            admin.put_task(
                "a.1",
                "raid",
                "raid-configure",
                {"raid-wanted": {"level": "raid0"}, "raid-disks": {"members": [{"name": "sda"}, {"name": "sdb"}]}},
            )
            for _ in range(3):
                admin.order(node, do="run", id="a.1", timeout=60)
            await admin.until(lambda: len([r for r in admin.results if r["id"] == "a.1"]) >= 2)
            await admin.close_http()
            admin.acknowledge = True
            seen = len(admin.results)
            await asyncio.sleep(0.3)  # an engine that is away for a while
            await admin.open_http()
            await admin.until(lambda: len(admin.results) > seen)
            admin.order(node, do="query", id="zz.1")
            await admin.until(lambda: any(r["id"] == "zz.1" and r["state"] == "lost" for r in admin.results))
            assert admin.task_fetches.count("a.1") == 1
            assert max(d["wipes"] for d in await disks(rack)) == 1
            admin.order(node, do="reboot")
            node = (await admin.hello(2))["node"]
            admin.order(node, do="query", id="a.1")
            await admin.until(lambda: admin.results[-1]["state"] == "lost")

    go(work())


def test_power_off_in_the_middle_of_a_task(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path, speed=200.0) as (admin, rack):
            await rack.order("press", ["m1"])
            node = (await admin.hello())["node"]
            admin.put_task("a.1", "os-install", "os-install", install_attributes())
            admin.order(node, do="run", id="a.1", timeout=60)

            async def wiped() -> bool:
                return any(d["wipes"] for d in await disks(rack))

            await until(wiped)
            await rack.order("off", ["m1"])
            assert (await machine(rack))["power"] is False
            assert all(d["system"] == "" for d in await disks(rack))
            await asyncio.sleep(0.2)
            assert all(d["system"] == "" for d in await disks(rack)), "a machine without power wrote on"
            await rack.order("press", ["m1"])
            node = (await admin.hello(2))["node"]
            assert (await admin.run(node, "b.1", "os-install", "os-install", install_attributes()))["exit"] == 0
            assert [d["wipes"] for d in await disks(rack)] == [2, 0, 0, 0]

    go(work())


def test_a_failing_disk_and_a_silent_machine(tmp_path: Path) -> None:
    async def work() -> None:
        faults = convert({"m1": {"disk_fails": True}, "m2": {"never_calls_back": True}})
        async with racked(tmp_path, nodes=2, faults=faults) as (admin, rack):
            await rack.order("press", ["all"])
            node = (await admin.hello())["node"]
            found = await admin.run(node, "a.1", "os-install", "os-install", install_attributes())
            assert found["exit"] == 5
            assert "I/O error" in found["message"]
            await shows(rack, "kernel", 1)
            assert len(admin.hellos) == 1

    go(work())


def test_lossy_links_still_come_up(tmp_path: Path) -> None:
    async def work() -> None:
        faults = convert({"all": {"drop_dhcp": 20, "drop_tftp": 1, "drop_http": 20}})
        async with racked(tmp_path, nodes=3, faults=faults) as (admin, rack):
            await rack.order("press", ["all"])
            await admin.until(lambda: len({h["node"] for h in admin.hellos}) == 3, 100)

    go(work())


def test_twins(tmp_path: Path) -> None:
    async def work() -> None:
        faults = convert({"m2": {"mac_of": "m1", "serial_of": "m1", "uuid_of": "m1"}})
        async with racked(tmp_path, nodes=2, faults=faults) as (_, rack):
            one, two = [await machine(rack, i) for i in (0, 1)]
            assert [one[k] == two[k] for k in ("mac", "serial", "uuid")] == [True] * 3
            assert one["bmc"] != two["bmc"]

    go(work())


def test_nobody_answers(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (admin, rack):
            admin.boots.default_factory = lambda: "silent"
            await rack.order("press", ["all"])

            async def asked() -> bool:
                return len(admin.requests) >= 4

            await until(asked)
            assert len(admin.requests) < 10, "a machine without an answer must not spin"
            assert len({r.xid for r in admin.requests[:4]}) == 1

    go(work())


def test_what_is_kept_over_a_restart_of_the_rack(tmp_path: Path) -> None:
    async def work() -> None:
        lane = free_lane()
        async with FakeAdmin(lane) as admin:
            rack = SimulatedRack(tmp_path, rack_spec(lane))
            await rack.start()
            await rack.order("press", ["all"])
            node = (await admin.hello())["node"]
            assert (await admin.run(node, "a.1", "os-install", "os-install", install_attributes()))["exit"] == 0
            before = await disks(rack)
            admin.boots[(await machine(rack))["mac"]] = "disk"
            await rack.close()
            rack = SimulatedRack(tmp_path, rack_spec(lane))
            await rack.start()
            try:
                assert await disks(rack) == before
                assert (await admin.hello(2))["environment"] == "debian-12", "power comes back as it was"
            finally:
                await rack.close()

    go(work())


def test_orders_that_make_no_sense(tmp_path: Path) -> None:
    async def work() -> None:
        async with racked(tmp_path) as (_, rack):
            for verb, words in (("press", ["m9"]), ("dance", []), ("fault", ["m1", '{"bmc": "sulks"}'])):
                with pytest.raises(WrongOrder):
                    await rack.order(verb, words)
            await rack.order("fault", ["all", '{"bmc": "lies", "drop_http": 5}'])
            assert rack._bmcs["m1"].mood.kind == "lies"

    go(work())
