"""The pure parts of a rack of QEMU machines: what it is, its command lines, its protocols, its files. None of it needs QEMU."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowbar_tui.cli import main
from crowbar_tui.commands import run
from engine.racks import RackFileWrong, kinds
from engine.racks.bmc.commands import Commands
from engine.racks.bmc.label import About
from engine.racks.bmc.light import Light
from engine.racks.orders import WrongOrder, mood
from engine.racks.qemu import command, ipmi_bus, needs, network, nonvolatile, qmp, serial_log, smbios
from engine.racks.qemu.spec import BmcAccess, Faults, Guest, Own, QemuRackSpec, faults_of, guests, parse, render
from engine.racks.simulated.spec import SimulatedRackSpec, hardware
from engine.racks.simulated.switch import frame
from engine.wire.lldp import decode_frame

SIX = QemuRackSpec(nodes=6, bmc=BmcAccess(first="192.168.125.21"))
SOCKETS = command.Sockets(qmp=11, serial=12, ipmi=13)


def after(words: list[str], flag: str) -> list[str]:
    return [words[i + 1] for i, word in enumerate(words) if word == flag]


def device(words: list[str], name: str) -> str:
    (found,) = [one for one in after(words, "-device") if f"id={name}," in one]
    return found


# -- the spec ------------------------------------------------------------------------------------------------------


def test_a_description_is_read_back_as_it_was_written() -> None:
    given = QemuRackSpec(nodes=2, seed=7, machines={"m2": Own(disks_mb=(), firmware="seabios")}, faults={"all": Faults(bmc="lies")})
    assert parse(render(given)) == given
    assert kinds.parse(kinds.render(given)) == given
    assert (given.lane, given.namespace) == (None, True)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("kind: qemu\nnodes: 0", "nodes"),
        ("kind: qemu\nnodes: 2\nmachines: {m3: {}}", "machines"),
        ("kind: qemu\nfaults: {m2: {bmc: dead}}", "faults"),
        ("kind: qemu\nfaults: {m1: {bios_lies: true}}", "bios_lies"),
        ("kind: qemu\nmemory_mb: 1", "$"),
        ("kind: qemu\ndisks_mb: [0]", "disks_mb"),
        ("kind: qemu\nspeed: max", "speed"),
        ("[" * 900 + "]" * 900, "nested too deep"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(RackFileWrong) as wrong:
        kinds.parse(text)
    assert where in str(wrong.value)


def test_machines_differ_in_what_tells_them_apart_and_follow_from_the_seed() -> None:
    six = guests(SIX)
    assert guests(SIX) == six
    assert [one.firmware for one in six] == ["seabios", "ovmf"] * 3
    for of in (
        lambda one: one.uuid,
        lambda one: one.serial,
        lambda one: one.bmc_address,
        lambda one: one.nics[0].mac,
        lambda one: one.nics[1].mac,
    ):
        assert len({of(one) for one in six}) == 6
    assert guests(QemuRackSpec(nodes=1, bmc=SIX.bmc)) == six[:1], "a rack of one is the first of a rack of six"
    assert {one.nics[1].port for one in six} == {f"swp{i}" for i in range(1, 7)}
    assert all(len(nic.tap) <= 15 for one in guests(QemuRackSpec(nodes=250, bmc=SIX.bmc)) for nic in one.nics)
    assert all(len(disk.serial) <= 20 for one in six for disk in one.disks), "virtio-blk has room for 20"


def test_own_things_of_a_machine_win() -> None:
    made = QemuRackSpec(nodes=2, firmware="ovmf", machines={"m2": Own(disks_mb=(), memory_mb=512, cpus=2, firmware="seabios")})
    first, second = guests(made)
    assert (first.firmware, len(first.disks), first.memory_mb) == ("ovmf", 2, 2048)
    assert (second.firmware, len(second.disks), second.memory_mb, second.cpus) == ("seabios", 0, 512, 2)
    faulty = QemuRackSpec(nodes=2, faults={"all": Faults(bmc="lies"), "m2": Faults(cables={"1g1": ""})})
    assert faults_of(faulty, "m1") == Faults(bmc="lies")
    assert faults_of(faulty, "m2") == Faults(bmc="lies", cables={"1g1": ""})


# -- the command line ----------------------------------------------------------------------------------------------


def test_a_bios_machine_boots_from_the_network_first_by_an_option_rom() -> None:
    words = command.command(guests(SIX)[0], "network", "tcg", SOCKETS)
    assert words[0] == command.QEMU
    assert not any("pflash" in word for word in words)
    assert device(words, "nic0").endswith("bootindex=1")
    assert "romfile" not in device(words, "nic0"), "QEMU's own choice of ROM: one that is named does not get the NIC's ids"
    assert device(words, "nic1").endswith("romfile="), "one NIC boots"
    assert all("speed=1000,duplex=full" in device(words, nic) for nic in ("nic0", "nic1")), "a bond needs that for LACP"
    assert device(words, "drive0").endswith("bootindex=2")
    assert "-no-reboot" in words
    assert after(words, "-accel") == ["tcg,thread=multi"]


def test_a_uefi_machine_has_its_own_variables_and_no_rom() -> None:
    words = command.command(guests(SIX)[1], "disk", "kvm", SOCKETS)
    code, variables = after(words, "-drive")
    assert "readonly=on" in code
    assert command.CODE in code
    assert variables.endswith("file=vars.fd")
    assert "readonly" not in variables
    assert [device(words, name)[-11:] for name in ("drive0", "drive1", "nic0")] == ["bootindex=1", "bootindex=2", "bootindex=3"]
    assert "romfile=," in device(words, "nic0")
    assert after(words, "-accel") == ["kvm"]


@pytest.mark.parametrize("firmware", ["seabios", "ovmf"])
def test_a_servers_network_card_boots_by_its_rom(firmware: Any) -> None:
    (guest,) = guests(QemuRackSpec(nic="virtio", machines={"m1": Own(firmware=firmware, nic="e1000e")}))
    words = command.command(guest, "network", "tcg", SOCKETS)
    assert device(words, "nic0").startswith("e1000e,")
    assert "romfile" not in device(words, "nic0"), "OVMF has no driver for it, as SeaBIOS has for none"
    assert device(words, "nic1").endswith("romfile="), "one NIC boots"


@pytest.mark.parametrize(
    ("bus", "second"),
    [("nvme", "nvme,"), ("ahci", "ide-hd,bus=ide.1,"), ("megasas", "scsi-hd,bus=raid.0,scsi-id=1,"), ("virtio", "virtio-blk-pci,")],
)
def test_disks_of_a_server(bus: Any, second: str) -> None:
    (guest,) = guests(QemuRackSpec(bus=bus))
    words = command.command(guest, "disk", "tcg", SOCKETS)
    assert device(words, "drive1").startswith(second)
    assert device(words, "drive1").endswith(f"serial={guest.disks[1].serial},bootindex=2")
    assert ("megasas,id=raid" in words) is (bus == "megasas")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_who_lost_its_parent_before_it_was_bound_to_it_does_not_start() -> None:
    def said(parent: int) -> str:
        return subprocess.run([*command.bound_to(parent), "echo", "a b"], capture_output=True, text=True, timeout=60, check=False).stdout

    assert said(os.getpid()) == "a b\n"
    assert said(1) == ""


def test_identity_and_sockets_are_in_the_command_line() -> None:
    guest = guests(SIX)[0]
    words = command.command(guest, "network", "tcg", SOCKETS)
    assert after(words, "-uuid") == [guest.uuid]
    assert f"serial={guest.serial}" in after(words, "-smbios")[0]
    assert [w.split(",")[2] for w in after(words, "-chardev")] == ["fd=11", "fd=12", "fd=13"]
    assert f"serial={guest.disks[0].serial}" in device(words, "drive0")


def test_a_machine_without_disks_has_none() -> None:
    (guest,) = guests(QemuRackSpec(machines={"m1": Own(disks_mb=())}))
    words = command.command(guest, "disk", "tcg", SOCKETS)
    assert "-blockdev" not in words
    assert device(words, "nic0").endswith("bootindex=1")


def test_a_disk_that_was_pulled_is_not_there_and_the_other_keeps_its_name() -> None:
    words = command.command(guests(SIX)[0], "disk", "tcg", SOCKETS, Faults(disks_out=(0,)))
    assert "disk0.qcow2" not in "".join(words)
    assert device(words, "drive1").endswith("bootindex=1")
    assert device(words, "nic0").endswith("bootindex=2")


def test_secure_boot_has_its_own_code_and_variables_and_bios_has_none() -> None:
    bios, uefi = guests(SIX)[:2]
    words = command.command(uefi, "network", "tcg", SOCKETS, Faults(secure_boot=True))
    code, variables = after(words, "-drive")
    assert command.SECURE_CODE in code
    assert variables.endswith("file=vars-secure.fd")
    assert after(words, "-machine") == ["q35,graphics=off,smm=on"]
    assert after(words, "-global") == ["driver=cfi.pflash01,property=secure,value=on"]
    assert command.variables(uefi, True)[1] == command.SECURE_VARS
    assert command.command(bios, "network", "tcg", SOCKETS, Faults(secure_boot=True)) == command.command(bios, "network", "tcg", SOCKETS)


def test_the_disk_is_first_where_the_bmc_says_so() -> None:
    assert nonvolatile.next_boot(nonvolatile.NonVolatile()) == "network"
    assert nonvolatile.next_boot(nonvolatile.NonVolatile(boot_always="disk")) == "disk"
    assert nonvolatile.next_boot(nonvolatile.NonVolatile(boot_always="disk", boot_next="network")) == "network"


def test_the_state_of_a_machine_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert nonvolatile.load(file) == nonvolatile.NonVolatile()
    nonvolatile.save(file, nonvolatile.NonVolatile(power=True, boots=3, boot_next="disk"))
    assert nonvolatile.load(file) == nonvolatile.NonVolatile(power=True, boots=3, boot_next="disk")


# -- wires ---------------------------------------------------------------------------------------------------------


def test_all_nics_are_in_their_switch_and_all_bmcs_have_their_address() -> None:
    commands = [" ".join(words) for words in network.inner(SIX)]
    for guest in guests(SIX):
        for nic in guest.nics:
            assert f"link set {nic.tap} mtu {network.LARGEST} master {nic.switch}" in commands
            assert f"link set {nic.tap} up" in commands
        assert f"address add {guest.bmc_address}/32 dev mgmt0" in commands
    assert not any("group_fwd_mask" in one for one in commands), "a machine must not hear its neighbours' LLDP"
    assert any("tor1-tor2" in one for one in commands)
    alone = [" ".join(words) for words in network.inner(QemuRackSpec(uplink=False))]
    assert not any("tor1-tor2" in one for one in alone)


def test_every_interface_is_made_before_it_is_used() -> None:
    known = {"lo", network.UP, network.MGMT}
    for words in network.inner(SIX):
        match words:
            case ("link", "add", name, "type", "veth", "peer", "name", other):
                known |= {name, other}
            case ("link", "add", name, *_):
                known.add(name)
            case ("tuntap", "add", "dev", name, *_):
                known.add(name)
            case ("link", "set", name, "mtu", _, "master", switch):
                assert {name, switch} <= known
            case ("link", "set", name, "up") | ("address", "add", _, "dev", name) | ("route", "add", _, "dev", name):
                assert name in known
            case _:
                pytest.fail(f"not looked at: {words}")
    assert all(len(name) <= 15 for name in known)


def test_the_engine_gets_its_address_and_the_way_to_the_bmcs() -> None:
    commands = [" ".join(words) for words in (*network.moved(4711), *network.outer(SIX, 24))]
    assert "link set tor1-up netns 4711" in commands
    assert "address add 192.168.124.10/24 brd + dev crowbar0" in commands
    assert "route add 192.168.125.0/24 dev crowbar1 src 192.168.124.10" in commands


def test_each_port_says_its_own_name() -> None:
    ports = network.ports(SIX)
    assert len(ports) == 13
    heard = [decode_frame(frame(*of)) for of in ports.values()]
    assert {(one.system_name, one.port_id) for one in heard} == set(ports.values())


# -- QMP -----------------------------------------------------------------------------------------------------------


def test_messages_of_qmp() -> None:
    assert qmp.read(
        b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}'
    ) == qmp.Greeting("7.2.22")
    assert qmp.read(b'{"return": {}}') == qmp.Return({})
    assert qmp.read(b'{"error": {"class": "GenericError", "desc": "no"}}') == qmp.Refused("GenericError", "no")
    shut = b'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}'
    assert qmp.read(shut) == qmp.Event("SHUTDOWN", {"guest": True, "reason": "guest-reset"})
    assert json.loads(qmp.write("set_link", name="nic0", up=False)) == {"execute": "set_link", "arguments": {"name": "nic0", "up": False}}
    for bad in (b"", b"[]", b"{}", b'{"event": 3}', b"[" * 100_000):
        with pytest.raises(qmp.QmpError):
            qmp.read(bad)


class FakeQemu:
    """Greets, says yes to what it knows, tells of a shutdown when it is told to quit."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def run(self) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=self.sock)
        writer.write(b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}}}\r\n')
        while line := await reader.readline():
            asked = json.loads(line)
            if asked["execute"] == "quit":
                writer.write(b'{"return": {}}\r\n{"event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}\r\n')
                break
            known = asked["execute"] in ("qmp_capabilities", "set_link")
            writer.write(b'{"return": {}}\r\n' if known else b'{"error": {"class": "CommandNotFound", "desc": "unknown"}}\r\n')
        writer.close()


def test_a_conversation_over_qmp() -> None:
    async def talk() -> list[str]:
        near, far = socket.socketpair()
        fake = asyncio.create_task(FakeQemu(far).run())
        events: list[str] = []
        one = qmp.Qmp(*await asyncio.open_unix_connection(sock=near), lambda event: events.append(event.name))
        assert await one.start() == "7.2.0"
        assert await one.execute("set_link", name="nic0", up=True) == {}
        with pytest.raises(qmp.QmpError, match="CommandNotFound"):
            await one.execute("dance")
        assert await one.execute("quit") == {}
        await asyncio.wait_for(one.gone.wait(), 60)
        with pytest.raises(qmp.QmpError, match="has ended"):
            await one.execute("set_link", name="nic0", up=True)
        await one.close()
        await fake
        return events

    assert asyncio.run(talk()) == ["SHUTDOWN"]


def test_a_process_that_ends_before_it_greets_is_told_so() -> None:
    async def talk() -> None:
        near, far = socket.socketpair()
        far.close()
        one = qmp.Qmp(*await asyncio.open_unix_connection(sock=near), lambda event: None)
        with pytest.raises(qmp.QmpError, match="before it greeted"):
            await one.start()
        await one.close()

    asyncio.run(talk())


# -- the bus to the BMC --------------------------------------------------------------------------------------------


class Off:
    user = password = ""
    light = Light()

    def power_state(self) -> bool:
        return True

    def power(self, action: str) -> None: ...

    def boot_device(self) -> str:
        return "none"

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None: ...


def request(sequence: int, function: int, number: int, data: bytes = b"") -> bytes:
    body = bytes((sequence, function << 2, number)) + data
    return ipmi_bus.framed(body + bytes((-sum(body) & 0xFF,)), ipmi_bus.MESSAGE)


def unframed(octets: bytes) -> bytes:
    out, escaped = bytearray(), False
    for octet in octets[:-1]:
        if octet == ipmi_bus.ESCAPE:
            escaped = True
            continue
        out.append(octet & ~0x10 if escaped else octet)
        escaped = False
    return bytes(out)


def test_the_machine_asks_its_bmc_for_the_address() -> None:
    import uuid

    commands = Commands(Off(), About(guid=uuid.UUID(int=1)), "192.168.125.21", bytes(6))
    bus = ipmi_bus.Bus(lambda f, c, d: commands.execute(f, c, d, 4))
    answer = unframed(bus.feed(request(0xA0, 0x0C, 0x02, bytes((1, 3, 0, 0)))))
    assert answer[:4] == bytes((0xA0, 0x0D << 2, 0x02, 0))
    assert answer[5:9] == bytes((192, 168, 125, 21))
    assert sum(answer) & 0xFF == 0


@given(st.binary(max_size=40), st.integers(0, 255))
def test_frames_come_through_whatever_is_in_them_and_however_they_are_cut(data: bytes, sequence: int) -> None:
    seen: list[bytes] = []

    def execute(function: int, number: int, payload: bytes) -> tuple[int, bytes]:
        seen.append(payload)
        return 0, payload

    bus = ipmi_bus.Bus(execute)
    out = b"".join(bus.feed(bytes((octet,))) for octet in request(sequence, 6, 1, data))
    assert seen == [data]
    assert unframed(out)[4:-1] == data


@given(st.binary(max_size=600))
def test_noise_on_the_bus_harms_nobody(noise: bytes) -> None:
    bus = ipmi_bus.Bus(lambda *_: (0, b""))
    bus.feed(noise + bytes((ipmi_bus.MESSAGE,)))
    assert bus.feed(request(1, 6, 1))


# -- files ---------------------------------------------------------------------------------------------------------


def test_the_firmware_says_where_the_bmc_is() -> None:
    table = smbios.host_interface("a8a9a5bf-9eb4-4d03-bbff-a9d29777f8ab", "52:54:00:01:01:ff", "192.168.125.21")
    kind, length, _ = struct.unpack_from("<BBH", table)
    assert (kind, length) == (42, len(table) - 2)
    assert table[-2:] == b"\x00\x00"
    data = table[5]
    assert table[6 + data : 8 + data] == b"\x01\x04"
    assert table[60 + data : 65 + data] == bytes((1, 192, 168, 125, 21))


def test_console_logs_are_one_for_a_start_the_newest_first_and_bounded(tmp_path: Path) -> None:
    folder = tmp_path / "machines" / "m1"
    folder.mkdir(parents=True)
    (folder / "serial-x.log").touch()
    for boot in range(1, serial_log.KEPT + 4):
        recorder = serial_log.Recorder(folder, boot)
        recorder.write(f"start {boot}\r\n".encode())
        recorder.close()
    found = serial_log.serial_logs(tmp_path, "m1")
    assert [one.boot for one in found] == list(range(serial_log.KEPT + 3, 3, -1))
    assert found[0].path.read_bytes() == f"start {serial_log.KEPT + 3}\r\n".encode()
    assert serial_log.serial_logs(tmp_path, "m2") == []

    recorder = serial_log.Recorder(folder, 99)
    for _ in range(6):
        recorder.write(bytes(1 << 20))
    recorder.write(b"the end\n")
    recorder.close()
    newest = serial_log.serial_logs(tmp_path, "m1")[0]
    assert newest.size == serial_log.LARGEST + len(serial_log.CUT)
    assert recorder.screen == "the end", "the screen is still looked at"


def test_the_screen_is_the_last_line_as_plain_text() -> None:
    assert serial_log.last_line(b"\x1b[2J\x1b[0;1miPXE\x1b[0m 1.0\r\nnet0: ok\r\n\x1b[0m\r\n \r\n") == "net0: ok"
    assert serial_log.last_line(b"") == ""


def test_moods_of_bmcs() -> None:
    assert mood("slow:3").delay_s == 3
    for wrong in ("angry", "dead:3", "slow:x"):
        with pytest.raises(WrongOrder):
            mood(wrong)


def test_what_the_description_says_is_enough_for_every_machine() -> None:
    for guest in guests(QemuRackSpec(nodes=250, bmc=BmcAccess(first="192.168.125.1"))):
        assert isinstance(guest, Guest)
        assert command.command(guest, "network", "tcg", SOCKETS)


def test_what_is_missing_is_told_in_one_sentence_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for program in ("ip", "unshare", "nsenter", "setpriv"):
        (tmp_path / program).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(needs, "FILES", {str(tmp_path / "OVMF_CODE_4M.fd"): "ovmf"})
    monkeypatch.setattr(needs, "ROMS", (str(tmp_path),))
    why = needs.missing()
    assert "qemu-system-x86, qemu-utils, nftables, ovmf, ipxe-qemu" in why
    assert "\n" not in why
    code = main(["--store", str(tmp_path / "store"), "rehearse", "--kind", "qemu", "--nodes", "1", "--headless"])
    assert code == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "store.rack").exists()


def test_memory_that_is_not_there_is_told() -> None:
    assert needs.room(1) == ""
    assert "take fewer" in needs.room(1 << 40)


def test_kinds_of_racks_on_the_command_line() -> None:
    assert run._rack("qemu:2") == ("qemu", 2)
    assert run._rack("simulated:6") == ("simulated", 6)
    for wrong in ("qemu", "qemu:x", "bochs:1", "qemu:0"):
        with pytest.raises(argparse.ArgumentTypeError):
            run._rack(wrong)


def test_every_third_bmc_speaks_redfish_unless_it_is_said_otherwise() -> None:
    def spoken(**more: Any) -> str:
        return "".join(one.bmc_protocol[0] for one in guests(parse(render(QemuRackSpec(nodes=6, **more)))))

    assert spoken() == "iiriir"
    assert spoken(machines={"m3": Own(bmc="ipmi"), "m1": Own(bmc="redfish")}) == "riiiir"
    assert spoken(bmc=BmcAccess(protocol="redfish")) == "rrrrrr"
    assert spoken(bmc=BmcAccess(protocol="ipmi"), machines={"m2": Own(bmc="redfish")}) == "iriiii"
    assert "".join(one.bmc_protocol[0] for one in hardware(SimulatedRackSpec(nodes=6, lane=1))) == "iiriir"
