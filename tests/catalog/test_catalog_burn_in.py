"""The burn-in's scripts: tables of verdicts that name the part, and the real tools where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import burn_lab
import pytest
from burn_lab import edac, failed, port
from lossy_link import LossyLink
from node_folder import Machine, shipped

ROLES = Path(shipped().folders["burn-in"]) / "roles"


def verdict(role: str, *words: str, lines: list[str] | None = None) -> list[tuple[str, str, str]]:
    text = "".join(line + "\n" for line in lines or ())
    command = ["sh", str(ROLES / role / "verdict"), *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [[*line.split("\t"), ""][:3] for line in done.stdout.splitlines()]
    return [(result, name, line) for result, name, line in rows]


def wrong(found: list[tuple[str, str, str]]) -> dict[str, str]:
    return {name: line for result, name, line in found if result == "failed"}


# -- disks that are written --------------------------------------------------------------------------------------------


def output(name: str, speed: float, error: int = 0, kind: str = "hdd", model: str = "M") -> str:
    return f"{name}\tS-{name}\tat port {name[-1]}\t{kind}\t4000\t{model}\t{speed}\t{error}"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([output("sda", 180), output("sdb", 175)], {}),
        (
            [output("sda", 180), output("sdb", 90), output("sdc", 182)],
            {"sdb": "it writes 90 MB/s, and its 2 siblings 181 MB/s: 50 % slower"},
        ),
        ([output("sda", 180), output("sdb", 90, model="X")], {}),
        ([output("sda", 30)], {"sda": "it writes 30 MB/s, and at least 40 MB/s are expected"}),
        ([output("sda", 0, error=84), output("sdb", 180)], {"sda": "it gives back other data than were written"}),
        ([output("sda", 0, error=5)], {"sda": "error 5 (I/O error)"}),
    ],
)
def test_which_written_disk_is_named(lines: list[str], says: dict[str, str]) -> None:
    found = wrong(verdict("burn-in-write", "slower=40", "hdd=40", lines=lines))
    assert set(found) == {f"disk S-{name} at port {name[-1]} ({name})" for name in says}
    assert all(any(words in line for line in found.values()) for words in says.values())


def test_a_disk_that_gives_back_other_data_is_named_and_the_others_pass(machine: Machine) -> None:
    wanted = burn_lab.write(machine)
    machine.write("bad", "sdb")
    done = machine.run("burn-in-write", wanted)
    assert done.code == 1
    assert list(failed(done.gives, "burn-in-write-report")) == ["disk S-2 at pci-0000:00:17.0-ata-2 (sdb)"]
    assert "disk S-2" in done.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"serial": "S-9"}, "serial number S-9 is not written"),
        ({"size": 1 << 20}, "is not written"),
        ({"wwn": "naa.5000c50000000009"}, "is not written"),
        ({"serial": ""}, "without a serial number"),
    ],
)
def test_nothing_is_written_if_one_disk_is_another(machine: Machine, change: dict[str, Any], words: str) -> None:
    wanted = burn_lab.write(machine)
    wanted["burn-in-write-disks"]["disks"][2] |= change
    done = machine.run("burn-in-write", wanted)
    assert done.code != 0
    assert words in done.err
    assert not any(call.startswith("fio") for call in machine.calls)


def test_nothing_is_written_if_one_disk_holds_anything(machine: Machine) -> None:
    wanted = burn_lab.write(machine)
    machine.tool("blkid", 'case "$*" in *sdc) echo ext4 ;; *) exit 2 ;; esac')
    done = machine.run("burn-in-write", wanted)
    assert done.code == 66
    assert "holds ext4, so nothing is written" in done.err
    assert not any(call.startswith("fio") for call in machine.calls)
    refused = machine.run("burn-in-write", wanted | {"burn-in-write-disks": {"refused": "sda is not blank", "disks": []}})
    assert refused.code == 66
    assert "is not blank" in refused.err


@pytest.mark.client
def test_the_real_fio_writes_and_leaves_blank_disks(machine: Machine) -> None:
    program = shutil.which("fio")
    if program is None:
        pytest.skip("fio is not installed")
    wanted = burn_lab.write(machine)
    machine.tool("fio", f'exec {program} "$@"')
    wanted["burn-in-write-limits"] = {"slower": 99}
    done = machine.run("burn-in-write", wanted)
    assert (done.code, done.err) == (0, "")
    content = (machine.root / "dev/sda").read_bytes()
    assert content[: 1 << 20] == bytes(1 << 20), "it counts as blank"
    assert content[1 << 20 : 4 << 20] != bytes(3 << 20), "it was written"
    assert content[4 << 20 :] == bytes(4 << 20), "and no further than asked for"
    assert len(content) == burn_lab.SIZE


# -- disks -------------------------------------------------------------------------------------------------------------


def drive(
    name: str, speed: float, wait: float = 10, kind: str = "hdd", model: str = "M", size: str = "4000", error: int = 0, rose: str = ""
) -> str:
    return f"{name}\tS-{name}\tbay {name[-1]}\t{kind}\t{size}\t{model}\t{speed}\t{wait}\t{error}\t{rose}"


LIMITS = ("slower=30", "hdd=60", "ssd=150", "nvme=400", "wait_ms=500")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([drive("sda", 180), drive("sdb", 175), drive("sdc", 178)], {}),
        ([drive("sda", 180), drive("sdb", 100), drive("sdc", 178)], {"sdb": "it reads 100 MB/s, and its 2 siblings 179 MB/s: 44 % slower"}),
        ([drive("sda", 180), drive("sdb", 100)], {"sdb": "its sibling 180 MB/s"}),
        ([drive("sda", 180), drive("sdb", 100, model="X")], {"sdb": "44 % slower"}),  # nothing nearer to compare with
        ([drive("sda", 180), drive("sdb", 100, size="8000")], {}),
        ([drive("sda", 2000, kind="nvme"), drive("sdb", 180)], {}),
        ([drive("sda", 50)], {"sda": "it reads 50 MB/s, and at least 60 MB/s are expected"}),
        ([drive("sda", 180, wait=900)], {"sda": "longer than 900 ms"}),
        ([drive("sda", 0, error=5), drive("sdb", 180)], {"sda": "it cannot be read: error 5 (I/O error)"}),
        ([drive("sda", 180, rose="pending-sectors rose from 0 to 3")], {"sda": "pending-sectors rose from 0 to 3"}),
    ],
)
def test_verdicts_on_disks(lines: list[str], says: dict[str, str]) -> None:
    found = wrong(verdict("burn-in-disk", *LIMITS, lines=lines))
    assert set(found) == {f"disk S-{name} in bay {name[-1]} ({name})" for name in says}
    for name, text in says.items():
        assert text in found[f"disk S-{name} in bay {name[-1]} ({name})"]


def test_the_limit_of_the_siblings_is_the_operators() -> None:
    lines = [drive("sda", 180), drive("sdb", 150), drive("sdc", 178)]
    assert not wrong(verdict("burn-in-disk", "slower=30", lines=lines))
    assert wrong(verdict("burn-in-disk", "slower=10", lines=lines))
    assert not wrong(verdict("burn-in-disk", "slower=0", lines=lines))


# -- cables ------------------------------------------------------------------------------------------------------------


def measured(
    to: str,
    state: str = "ok",
    mbps: float = 9400,
    lost: int = 0,
    counted: str = "0 1 0 1",
    speed: int = 10000,
    theirs: int = 10000,
    nic: str = "e0",
    switch: str = "tor1",
) -> str:
    ends = f"n1 {nic} {speed} tor1 swp1 {to} {nic} {theirs} {switch} swp{to[-1]}"
    return f"{ends} {state} {mbps * 1e6} 0 {lost} 10000 {counted}"


MINE, THEIRS = "the cable of n1 e0 to tor1:swp1", "the cable of n2 e0 to tor1:swp2"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([measured("n2"), measured("n3")], {}),
        (
            [measured("n2", lost=100), measured("n3", lost=120)],
            {"e0 to n2 e0": f"{MINE} loses 1.0 % of its frames, with all", "e0 to n3 e0": f"{MINE} loses 1.2 %"},
        ),
        ([measured("n2", lost=100), measured("n3")], {"e0 to n2 e0": f"{THEIRS} loses 1.0 % of its frames; e0 works with another"}),
        ([measured("n2", lost=100)], {"e0 to n2 e0": f"{MINE} or {THEIRS} loses"}),
        ([measured("n2", mbps=2000), measured("n3")], {"e0 to n2 e0": f"{THEIRS} carries 2000 Mbit/s of 9000"}),
        ([measured("n2", mbps=940, theirs=1000), measured("n3")], {}),  # the slower port counts
        ([measured("n2", counted="0 1 7 1"), measured("n3")], {"port e0": f"{MINE} had 7 frames with errors"}),
        ([measured("n2", counted="0 1 0 3"), measured("n3")], {"port e0": "changed 2 times"}),
        ([measured("n2", speed=1000, mbps=940), measured("n3", speed=1000, mbps=940)], {"port e0": f"{MINE} runs at 1000 Mbit/s"}),
        ([measured("n2", state="unreachable"), measured("n3")], {"e0 to n2 e0": f"{THEIRS} carries nothing"}),
        ([measured("n2", state="unreachable", switch="tor9"), measured("n3")], {}),
        ([measured("n2", state="busy"), measured("n3")], {}),
        (["n1 e0 10000 - - - - - - - alone 0 0 0 0 0 0 0 0"], {}),
    ],
)
def test_verdicts_on_cables(lines: list[str], says: dict[str, str]) -> None:
    found = wrong(verdict("burn-in-network", "least=80", "lost=10", "most=9000", lines=lines))
    assert set(found) == set(says), found
    for name, text in says.items():
        assert text in found[name]


# -- processors, memory, errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "before", "behind", "says"),
    [
        (0, "package-0 3\n", "package-0 3\n", {}),
        (0, "package-0 3\npackage-1 0\n", "package-0 3\npackage-1 9\n", {"package 1": "it throttled 9 times"}),
        (2, "", "", {"computation": "a processor computed a wrong result: fail: cpu-float"}),
        (3, "", "", {"computation": "stress-ng ended with 3"}),
    ],
)
def test_verdicts_on_processors(tmp_path: Path, code: int, before: str, behind: str, says: dict[str, str]) -> None:
    for name, text in (("before", before), ("behind", behind), ("said", "stress-ng: fail: cpu-float\n" if code == 2 else "")):
        (tmp_path / name).write_text(text)
    found = wrong(verdict("burn-in-load", str(code), *(str(tmp_path / name) for name in ("before", "behind", "said"))))
    assert set(found) == set(says)
    assert all(text in found[name] for name, text in says.items())


def test_a_processor_that_computes_wrongly_fails_the_role(machine: Any) -> None:
    attributes = burn_lab.load(machine)
    machine.tool("stress-ng", 'echo "stress-ng: fail:  [7] cpu: wrong"; exit 2')
    done = machine.run("burn-in-load", attributes)
    assert done.code == 1
    assert "a processor computed a wrong result" in failed(done.gives, "burn-in-load-report")["computation"]
    assert "computation" in done.err


def test_memory_that_reads_back_otherwise_names_the_dimm_that_counts(machine: Any) -> None:
    attributes = burn_lab.memory(machine)
    edac(machine, "CPU0_DIMM_B1", number=1)
    at = machine.root / "sys/devices/system/edac/mc/mc0/dimm1/dimm_ce_count"
    machine.tool("memtester", f'echo 5 >"{at}"; printf "  Random Value : \\b\\bFAILURE: 0x1 != 0x3 at offset 0x7\\n"; exit 4')
    done = machine.run("burn-in-memory", attributes)
    assert done.code == 1
    told = failed(done.gives, "burn-in-memory-report")
    assert "FAILURE: 0x1 != 0x3" in told["part 1 of the memory"]
    assert "errors were counted on CPU0_DIMM_B1" in told["part 1 of the memory"]
    assert told["DIMM CPU0_DIMM_B1"].startswith("5 corrected and 0 uncorrected errors")


KERNEL = """\
[    1.000000] EDAC MC0: Giving out device to module skx_edac
[  100.000000] mce: [Hardware Error]: Machine check events logged
[  100.000001] mce: [Hardware Error]: CPU 4: Machine Check: 0 Bank 7: 8c00004000010091
[  200.000000] blk_update_request: critical medium error, dev sdb, sector 123 op 0x0:(READ)
[  201.000000] I/O error, dev sdb1, sector 456 op 0x0:(READ)
"""


def test_what_the_hardware_counted_names_its_part(machine: Any) -> None:
    attributes = burn_lab.errors(machine)
    edac(machine, "CPU0_DIMM_C1", corrected=3, number=2)
    edac(machine, "CPU1_DIMM_A1", uncorrected=1, number=3)
    machine.write("sys/bus/pci/devices/0000:3b:00.0/aer_dev_correctable", "RxErr 0\nTOTAL_ERR_COR 512\n")
    machine.write("sys/bus/pci/devices/0000:3b:00.0/net/ens1f0/address", "x\n")
    machine.write("sys/bus/pci/devices/0000:5e:00.0/aer_dev_correctable", "TOTAL_ERR_COR 2\n")
    machine.write("sys/bus/pci/devices/0000:5e:00.0/aer_dev_fatal", "TOTAL_ERR_FATAL 1\n")
    machine.write("kernel.log", KERNEL)
    done = machine.run("burn-in-errors", attributes)
    assert done.code == 1
    told = failed(done.gives, "burn-in-errors-report")
    assert told["DIMM CPU0_DIMM_C1"].startswith("3 corrected errors since the boot, and 0 are tolerated")
    assert "not corrected" in told["DIMM CPU1_DIMM_A1"]
    assert "512 corrected PCI errors" in told["PCI device 0000:3b:00.0 (ens1f0)"]
    assert "1 PCI errors that were not corrected" in told["PCI device 0000:5e:00.0"]
    assert "CPU 4: Machine Check" in told["memory channel 1 of CPU 4 Bank 7"]
    assert told["disk S-2 (sdb) at pci-0000:00:17.0-ata-2"].startswith("2 times in the kernel log")
    assert len(told) == 6
    attributes["burn-in-error-limits"] = {"memory": 3, "pci": 512}
    told = failed(machine.run("burn-in-errors", attributes).gives, "burn-in-errors-report")
    assert sorted(told) == ["DIMM CPU1_DIMM_A1", "PCI device 0000:5e:00.0", "disk S-2 (sdb) at pci-0000:00:17.0-ata-2"]


@pytest.mark.parametrize(
    ("status", "part"),
    [
        ("8c00004000010091", "memory channel 1 of CPU 4 Bank 7"),
        ("cc0000800001009f", "memory of CPU 4 Bank 7"),
        ("8c000040000110c3", "memory channel 3 of CPU 4 Bank 7"),
        ("bd80000000100094", "memory channel 4 of CPU 4 Bank 7"),
        ("9000004000010135", "processor, CPU 4 Bank 7"),
        ("8c0000400001", "processor, CPU 4 Bank 7"),
        ("9400000000000e0b", "processor, CPU 4 Bank 7"),
    ],
)
def test_a_machine_check_names_memory_or_the_processor(machine: Any, status: str, part: str) -> None:
    """The low 16 bits of a bank's status tell what failed (Intel SDM volume 3B, Compound Error Codes)."""
    attributes = burn_lab.errors(machine)
    machine.write("kernel.log", f"[    9.5] mce: [Hardware Error]: CPU 4: Machine Check: 0 Bank 7: {status}\n" * 2)
    told = failed(machine.run("burn-in-errors", attributes).gives, "burn-in-errors-report")
    assert list(told) == [part]
    assert told[part].startswith("2 ")
    attributes["burn-in-error-limits"] = {"memory": 2, "pci": 0}
    corrected = part.startswith("memory") and status[0] in "8c"
    assert list(failed(machine.run("burn-in-errors", attributes).gives, "burn-in-errors-report")) == ([] if corrected else [part])


def test_the_kernel_asks_for_machine_checks_while_a_machine_is_burnt_in(machine: Any) -> None:
    interval = "sys/devices/system/machinecheck/machinecheck0/check_interval"
    for scene, role in ((burn_lab.load, "burn-in-load"), (burn_lab.errors, "burn-in-errors")):
        attributes = scene(machine)
        machine.write(interval, "300\n")
        assert machine.run(role, attributes).code == 0
        assert (machine.root / interval).read_text() == "10\n"


def test_old_drivers_count_by_rows(machine: Any) -> None:
    attributes = burn_lab.errors(machine)
    shutil.rmtree(machine.root / "sys/devices/system/edac/mc/mc0/dimm0")
    for name, text in (("ch0_ce_count", "4"), ("ch0_dimm_label", "DIMM_3"), ("ue_count", "0"), ("size_mb", "4096")):
        machine.write(f"sys/devices/system/edac/mc/mc0/csrow0/{name}", f"{text}\n")
    assert list(failed(machine.run("burn-in-errors", attributes).gives, "burn-in-errors-report")) == ["DIMM DIMM_3"]


def test_a_slow_disk_among_siblings(machine: Any) -> None:
    attributes = burn_lab.disk(machine)
    machine.write("slow", "sdb\n")
    done = machine.run("burn-in-disk", attributes)
    assert done.code == 1
    assert "72 % slower" in failed(done.gives, "burn-in-disk-report")["disk S-2 in bay Slot 02 (sdb)"]


def test_no_disk_and_no_partner(machine: Any) -> None:
    attributes = burn_lab.disk(machine)
    shutil.rmtree(machine.root / "sys/block")
    done = machine.run("burn-in-disk", attributes)
    assert (done.code, done.gives["burn-in-disk-report"]["skipped"]) == (0, 1)


@pytest.mark.parametrize(
    ("role", "tool"),
    [("burn-in-load", "stress-ng"), ("burn-in-memory", "memtester"), ("burn-in-disk", "fio"), ("burn-in-server", "iperf3")],
)
def test_a_missing_tool_is_told_with_the_image_that_has_it(machine: Any, role: str, tool: str) -> None:
    attributes = burn_lab.SCENES[role](machine)
    (machine.tools / tool).unlink()
    done = machine.run(role, attributes)
    assert done.code == 1
    assert f"{tool} is missing: build the image with crowbar image build sledgehammer --variant burn-in" in done.err


# -- the real tools ----------------------------------------------------------------------------------------------------


def real(machine: Machine, tool: str) -> None:
    found = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{tool} is not installed")
    (machine.tools / tool).unlink(missing_ok=True)
    (machine.tools / tool).symlink_to(found)


def test_the_real_stress_ng(machine: Any) -> None:
    attributes = burn_lab.load(machine)
    real(machine, "stress-ng")
    done = machine.run("burn-in-load", attributes)
    assert (done.code, done.err) == (0, "")
    assert "successful run completed" in done.out


def test_the_real_memtester(machine: Any) -> None:
    attributes = burn_lab.memory(machine) | {"burn-in-memory-percent": 2, "burn-in-memory-seconds": 1}
    real(machine, "memtester")
    real(machine, "timeout")
    done = machine.run("burn-in-memory", attributes)
    assert done.code == 0, done.err
    assert done.gives["burn-in-memory-report"]["passed"] == 2


@pytest.fixture
def loops(tmp_path: Path) -> Iterator[list[str]]:
    if os.geteuid() != 0:
        pytest.skip("only root makes loop devices")
    made: list[str] = []
    try:
        for number in range(2):
            backing = tmp_path / f"backing{number}"
            backing.write_bytes(os.urandom(8 << 20))
            done = subprocess.run(["losetup", "--find", "--show", str(backing)], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no loop devices: {done.stderr.strip()}")
            made.append(done.stdout.strip())
        yield made
    finally:
        for one in made:
            subprocess.run(["losetup", "--detach", one], check=False)


def test_the_real_fio_reads_and_writes_nothing(machine: Any, loops: list[str]) -> None:
    attributes = burn_lab.disk(machine)
    real(machine, "fio")
    shutil.rmtree(machine.root / "sys/block/sdc")
    for name, device in zip(("sda", "sdb"), loops, strict=True):
        there = machine.root / "dev" / name
        there.unlink()
        there.symlink_to(device)
    before = [Path(device).read_bytes() for device in loops]
    attributes["burn-in-disk-limits"] = {"slower": 99, "hdd": 1, "ssd": 1, "nvme": 1, "wait_ms": 60000}
    done = machine.run("burn-in-disk", attributes)
    assert done.code == 0, done.err
    assert done.gives["burn-in-disk-report"]["passed"] == 2
    assert done.out.count("MB/s in order") == 2
    assert " 0.0 MB/s" not in done.out
    assert [Path(device).read_bytes() for device in loops] == before
    attributes["burn-in-disk-limits"] = {"hdd": 10_000_000}
    assert len(failed(machine.run("burn-in-disk", attributes).gives, "burn-in-disk-report")) == 2


@pytest.mark.parametrize(("every", "result"), [(0, 0), (25, 1)])
def test_the_real_iperf3_over_a_cable_that_loses_frames(tmp_path: Path, every: int, result: int) -> None:
    """Two machines, each in a network namespace of its own; every 25th frame is lost on the way."""
    if os.geteuid() != 0 or not shutil.which("iperf3"):
        pytest.skip("needs root and iperf3")
    with ExitStack() as stack:
        try:
            link = stack.enter_context(LossyLink(f"cb{os.getpid() % 10000}{result}", every))
        except OSError as error:
            pytest.skip(f"no namespaces here: {error}")
        machines = []
        for number, space in enumerate(link.spaces):
            (tmp_path / space).mkdir()
            machine = Machine(tmp_path / space)
            burn_lab.tools(machine)
            shutil.rmtree(machine.root)
            machine.root.symlink_to("/")
            machine.environment = {"CROWBAR_ROOT": ""}
            for tool in ("iperf3", "timeout", "sleep", "ip"):
                real(machine, tool)
            shell = machine.tools / "shell"
            # `ip netns exec` gives a mount namespace too, so the servers' files are on a tmpfs that ends with them.
            mount = shutil.which("mount", path="/usr/bin:/bin")
            shell.write_text(f'#!/bin/sh\nexec ip netns exec {space} sh -c \'{mount} -t tmpfs none /run; exec sh "$@"\' sh "$@"\n')
            shell.chmod(0o755)
            machine.shell = str(shell)
            machines.append((machine, port(number + 1, speed=20, address=f"fe80::5054:ff:fe00:a0{number + 1}")))
        (left, mine), (right, theirs) = machines
        wait_for_address(link.spaces)
        served = right.run("burn-in-server", {"burn-in-peers": {"node": "n2", "ports": [{**theirs, "peers": []}]}}, tidy=False)
        assert served.code == 0, served.err
        try:
            limits = {"least": 50, "lost": 100, "most": 9000}
            attributes = {"burn-in-peers": {"node": "n1", "ports": [{**mine, "peers": [theirs]}]}, "burn-in-network-seconds": 1}
            done = left.run("burn-in-network", {**attributes, "burn-in-network-limits": limits}, tidy=False)
        finally:
            for space in link.spaces:
                for pid in subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=True).stdout.split():
                    subprocess.run(["kill", pid], check=False)
        assert done.code == result, done.out + done.err
        told = failed(done.gives, "burn-in-network-report")
        assert len(told) == result
        if result:
            assert "the cable of n1 eno1 to tor1:swp1 or the cable of n2 eno1 to tor1:swp2 loses" in told["eno1 to n2 eno1"]


def wait_for_address(spaces: tuple[str, str]) -> None:
    """Until duplicate address detection is over."""
    for space in spaces:
        for _ in range(200):
            said = subprocess.run(
                ["ip", "-n", space, "-j", "-6", "address", "show", "dev", "eno1"], capture_output=True, text=True, check=True
            )
            if any(not one.get("tentative") for row in json.loads(said.stdout) for one in row.get("addr_info", ())):
                break
            time.sleep(0.05)
