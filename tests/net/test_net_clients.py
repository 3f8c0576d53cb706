"""Real clients against the whole engine: ports 67, 69 and 80 of the plan's address, on a switch in a network namespace."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from net_lab import ADMIN, EngineProcess, Lab, plan_text, program, wait_for, why_no_lab

from engine.core.boot.leases import STRANGER
from engine.images.shelf import synthetic_bytes

WHY = why_no_lab()
pytestmark = [pytest.mark.net, pytest.mark.client, pytest.mark.skipif(bool(WHY), reason=f"no lab: {WHY}")]

POOL = {f"192.168.124.{i}" for i in range(21, 81)}
LOADER = "undionly.kpxe"
SCRIPT = """#!/bin/sh
# what a DHCP client calls: writes down what it was told, and sets the address
printf 'event=%s\\n%s\\n\\n' "${{1:-$reason}}" "$(env)" >> {log}
[ -n "$1" ] || ip=$new_ip_address
[ -z "$ip" ] || ip address replace "$ip/24" dev c0
exit 0
"""


def needs(*names: str) -> Any:
    return pytest.mark.skipif(not program(*names), reason=f"none of these is installed: {', '.join(names)}")


class Site:
    """A lab with an engine, which can be started again on the same store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lab = Lab("one", "two")
        try:
            self.engine = EngineProcess(self.lab, path / "store", plan_text())
        except BaseException:
            self.lab.close()
            raise

    def restart(self) -> None:
        self.engine.stop()
        self.engine = EngineProcess(self.lab, self.path / "store", plan_text())

    def lease(self, where: str = "one") -> dict[str, Any] | None:
        mac = self.lab.mac(where)
        return next((lease for lease in self.engine.ask("leases") if lease["mac"] == mac), None)

    def bound(self, where: str = "one") -> dict[str, Any]:
        found = self.lease(where)
        assert found is not None
        assert found["state"] == "bound"
        assert found["address"] in POOL
        return found

    def script(self, name: str) -> tuple[Path, Path]:
        """A script for a DHCP client, and the file in which it writes down what it is told."""
        log, script = self.path / f"{name}.log", self.path / f"{name}.sh"
        log.touch()
        script.write_text(SCRIPT.format(log=log))
        script.chmod(0o755)
        return script, log

    def udhcpc(self, where: str, *words: str, name: str = "udhcpc") -> dict[str, str]:
        """One lease by udhcpc; what its script was told of it."""
        script, log = self.script(name)
        self.lab.run(where, *UDHCPC, "-i", "c0", "-f", "-q", "-n", "-t", "5", "-T", "1", "-s", str(script), *words)
        return told(log, "bound")


UDHCPC = (program("udhcpc"),) if program("udhcpc") else (program("busybox"), "udhcpc")


def told(log: Path, event: str) -> dict[str, str]:
    """The environment of the last call of a script with this event."""
    calls = [part for part in log.read_text().split("\n\n") if part.startswith(f"event={event}\n")]
    assert calls, log.read_text()
    return dict(line.partition("=")[::2] for line in calls[-1].splitlines() if "=" in line)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    path = tmp_path_factory.mktemp("net")
    path.chmod(0o755)
    found = Site(path)
    yield found
    found.lab.close()


@needs("udhcpc", "busybox")
def test_udhcpc_gets_renews_and_releases_and_has_its_address_again_after_a_restart(site: Site) -> None:
    script, log = site.script("renewing")
    client = site.lab.popen("one", *UDHCPC, "-i", "c0", "-f", "-R", "-t", "5", "-T", "1", "-s", str(script), stderr=subprocess.DEVNULL)
    wait_for(lambda: "event=bound" in log.read_text(), "a lease")
    first = told(log, "bound")
    lease = site.bound()
    assert first["ip"] == lease["address"]
    assert (first["subnet"], first["serverid"], first["lease"]) == ("255.255.255.0", ADMIN, str(STRANGER))

    client.send_signal(signal.SIGUSR1)
    wait_for(lambda: "event=renew" in log.read_text(), "the renewal")
    assert told(log, "renew")["ip"] == first["ip"]
    assert site.bound()["expires"] > lease["expires"]

    site.restart()
    assert site.bound()["address"] == first["ip"], "a lease outlives the engine"
    client.send_signal(signal.SIGUSR1)
    wait_for(lambda: log.read_text().count("event=renew") == 2, "the renewal at the new engine")

    client.send_signal(signal.SIGUSR2)
    wait_for(lambda: site.lease() is None, "the release")
    client.terminate()
    client.wait()

    assert site.udhcpc("one")["ip"] == first["ip"], "the same machine gets the same address again"
    site.restart()
    assert site.udhcpc("one")["ip"] == first["ip"]


@needs("dhclient")
def test_dhclient_gets_and_releases(site: Site) -> None:
    script, log = site.script("dhclient")
    files = ["-lf", str(site.path / "dhclient.leases"), "-pf", str(site.path / "dhclient.pid"), "-sf", str(script)]
    quiet = {**os.environ, "PATH_DHCLIENT_SCRIPT": str(script)}
    client = site.lab.popen("two", program("dhclient"), "-4", "-d", "-1", *files, "c0", stderr=subprocess.DEVNULL, env=quiet)
    wait_for(lambda: "event=BOUND" in log.read_text(), "a lease")
    got = told(log, "BOUND")
    lease = site.bound("two")
    assert got["new_ip_address"] == lease["address"]
    assert got["new_subnet_mask"] == "255.255.255.0"
    assert got["new_dhcp_server_identifier"] == ADMIN
    assert got["new_domain_name"] == "local"
    client.kill()
    client.wait()

    # It comes back with the address that it remembers (RFC 2131 4.3.2, init-reboot).
    again = site.lab.popen("two", program("dhclient"), "-4", "-d", "-1", *files, "c0", stderr=subprocess.DEVNULL, env=quiet)
    wait_for(lambda: "event=REBOOT" in log.read_text(), "the lease confirmed")
    assert told(log, "REBOOT")["new_ip_address"] == lease["address"]
    again.kill()
    again.wait()

    site.lab.run("two", program("dhclient"), "-4", "-r", *files, "c0", env=quiet)
    wait_for(lambda: site.lease("two") is None, "the release")


@needs("curl")
@needs("udhcpc", "busybox")
def test_curl_fetches_the_loader_by_tftp_script_and_kernel_by_http(site: Site) -> None:
    got = site.udhcpc("one", "-V", "PXEClient:Arch:00000:UNDI:002001", "-x", "0x5d:0000")
    assert got["boot_file"] == LOADER
    assert got["siaddr"] == ADMIN

    body = synthetic_bytes("loader", LOADER, 1025 * 1024)
    file = site.path / "loader"
    site.lab.run("one", "curl", "-sS", "--tftp-blksize", "1468", "-o", str(file), f"tftp://{ADMIN}/{LOADER}")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == hashlib.sha256(body).hexdigest()
    missing = site.lab.run("one", "curl", "-sS", f"tftp://{ADMIN}/../../etc/passwd", "--path-as-is", check=False)
    assert missing.returncode in (68, 69), "TFTP says that it is not there"

    script = site.lab.run("one", "curl", "-sSf", f"http://{ADMIN}/boot/script?mac={site.lab.mac('one')}").stdout
    assert script.startswith("#!ipxe")
    assert re.search(r"crowbar\.nonce=[0-9a-f]{48}\b", script)
    url = f"http://{ADMIN}/image/sledgehammer/vmlinuz"
    assert f"{ADMIN}/image/sledgehammer" in script
    assert "vmlinuz" in script

    kernel = site.path / "kernel"
    site.lab.run("one", "curl", "-sSf", "-r", "0-99999", "-o", str(kernel), url)
    first = kernel.read_bytes()
    assert len(first) == 100_000
    site.lab.run("one", "curl", "-sSf", "-C", "-", "-o", str(kernel), url)
    assert kernel.read_bytes() == synthetic_bytes("sledgehammer", "vmlinuz", 1024 * 1024), "a range, then the rest"
    site.lab.run("one", "curl", "-sSf", "-o", os.devnull, f"http://{ADMIN}/image/sledgehammer/initrd.img")

    counted = site.engine.ask("counters")
    assert counted["TftpService"]["done"] == 1
    assert counted["HttpService"]["image_206"] >= 2
    assert counted["letters"] == []


@needs("udhcpc", "busybox")
@pytest.mark.parametrize(
    ("vendor", "arch", "file"),
    [
        ("PXEClient:Arch:00000:UNDI:002001", 0, "undionly.kpxe"),
        ("PXEClient:Arch:00007:UNDI:003016", 7, "snponly.efi"),
        ("PXEClient:Arch:00009:UNDI:003016", 9, "snponly.efi"),
        ("PXEClient:Arch:00011:UNDI:003016", 11, "snponly-arm64.efi"),
        ("HTTPClient:Arch:00016:UNDI:003016", 16, f"http://{ADMIN}/image/loader/snponly.efi"),
        ("HTTPClient:Arch:00019:UNDI:003016", 19, f"http://{ADMIN}/image/loader/snponly-arm64.efi"),
    ],
)
def test_each_kind_of_firmware_is_told_its_loader(site: Site, vendor: str, arch: int, file: str) -> None:
    got = site.udhcpc("two", "-V", vendor, "-x", f"0x5d:{arch:04x}", "-O", "bootfile", "-O", "vendor", name=f"arch{arch}")
    assert got["bootfile"] == file
    assert got["vendor"].startswith(vendor.partition(":")[0]) or bytes.fromhex(got["vendor"]).startswith(vendor.partition(":")[0].encode())
    if arch < 15:
        assert got["boot_file"] == file
        assert got["siaddr"] == ADMIN


@needs("udhcpc", "busybox")
def test_ipxe_is_sent_to_its_script(site: Site) -> None:
    """User class `iPXE` (RFC 3004), as iPXE sends it, without a length octet."""
    got = site.udhcpc("two", "-V", "PXEClient:Arch:00000:UNDI:002001", "-x", "0x4d:69505845", "-O", "bootfile", name="ipxe")
    assert got["bootfile"] == f"http://{ADMIN}/boot/script?mac={site.lab.mac('two')}"


@needs("dnsmasq")
@pytest.mark.skipif(os.geteuid() != 0, reason="dnsmasq sets its groups, which a user namespace forbids: run it as root")
@needs("udhcpc", "busybox")
def test_a_foreign_server_that_answers_first_confuses_nobody(site: Site) -> None:
    """The engine is stopped until the client took the other's offer, so that is what it finds on its socket when it goes on."""
    site.udhcpc("one", name="before")
    site.lab.run("one", "ip", "address", "flush", "dev", "c0")
    held = site.bound()
    site.lab.run("two", "ip", "address", "flush", "dev", "c0")
    site.lab.run("two", "ip", "address", "add", "192.168.124.250/24", "dev", "c0")
    foreign = site.lab.popen(
        "two",
        program("dnsmasq"),
        "--keep-in-foreground",
        "--port=0",
        "--interface=c0",
        "--no-ping",
        "--dhcp-authoritative",
        "--conf-file=/dev/null",
        "--dhcp-range=192.168.124.200,192.168.124.220,255.255.255.0,600",
        "--user=root",
        f"--dhcp-leasefile={site.path / 'dnsmasq.leases'}",
        f"--pid-file={site.path / 'dnsmasq.pid'}",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    before = site.engine.ask("counters")
    site.engine.process.send_signal(signal.SIGSTOP)
    try:
        wait_for(lambda: ":67 " in site.lab.run("two", "ss", "-lun").stdout, "dnsmasq")
        got = site.udhcpc("one", name="foreign")
    finally:
        site.engine.process.send_signal(signal.SIGCONT)
    assert got["serverid"] == "192.168.124.250"
    wait_for(lambda: site.engine.ask("counters")["live"].get("ignored.other_server", 0) >= 1, "the choice is heard")
    after = site.engine.ask("counters")
    assert after["DhcpService"]["received"] >= before["DhcpService"]["received"] + 2
    assert after["letters"] == []
    lease = site.lease()
    assert lease is None or lease["address"] == held["address"], "nothing is promised for an address of the other server"

    # It moves back: the engine refuses the other's address at once, and gives its own.
    foreign.terminate()
    foreign.wait()
    site.lab.run("one", "ip", "address", "flush", "dev", "c0")
    assert site.udhcpc("one", "-r", got["ip"], name="back")["ip"] == held["address"]
    site.lab.run("two", "ip", "address", "flush", "dev", "c0")
