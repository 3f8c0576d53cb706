"""`package-sources`: the files of apt and dnf, those of the distribution set aside and put back, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from node_folder import Machine
from scenes import package_sources

KEY = "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9"


def test_debian(machine: Machine) -> None:
    wanted = package_sources(machine)
    machine.write("etc/apt/sources.list.d/ceph.list", "deb http://ceph.example bookworm main\n")
    assert machine.run("package-sources", wanted, "verify").code == 1
    assert machine.run("package-sources", wanted).code == 0
    text = machine.read("etc/apt/sources.list.d/crowbar.sources")
    assert "URIs: http://192.168.124.10/packages/debian-12/debian\nSuites: bookworm bookworm-updates\nComponents: main\n" in text
    assert "URIs: http://192.168.124.10/packages/debian-12/debian-security\nSuites: bookworm-security\n" in text
    assert text.count("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\nCheck-Valid-Until: no\n") == 2
    assert not (machine.root / "etc/apt/sources.list").exists()
    assert "bookworm" in machine.read("etc/apt/sources.list.save")
    assert machine.read("etc/apt/sources.list.d/ceph.list"), "the site's own stay"
    assert machine.run("package-sources", wanted, "verify").code == 0


def test_the_node_s_own_sources_come_back(machine: Machine) -> None:
    wanted = package_sources(machine)
    before = machine.read("etc/apt/sources.list")
    assert machine.run("package-sources", wanted).code == 0
    own = wanted | {"package-sources": "own"}
    assert machine.run("package-sources", own, "verify").code == 1
    assert machine.run("package-sources", own).code == 0
    assert machine.read("etc/apt/sources.list") == before
    assert not (machine.root / "etc/apt/sources.list.d/crowbar.sources").exists()
    assert machine.run("package-sources", own, "verify").code == 0


def test_a_mirror_of_the_site_and_dates(machine: Machine) -> None:
    wanted = package_sources(machine) | {"package-mirror": "http://mirror.lan/debian", "package-dates": True}
    assert machine.run("package-sources", wanted).code == 0
    text = machine.read("etc/apt/sources.list.d/crowbar.sources")
    assert "URIs: http://mirror.lan/debian\nSuites: bookworm\n" in text
    assert "packages/debian-12" not in text
    assert "Check-Valid-Until" not in text


def test_ubuntu(machine: Machine) -> None:
    wanted = package_sources(machine)
    machine.write("etc/os-release", 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n')
    machine.write("usr/share/keyrings/ubuntu-archive-keyring.gpg", "keys\n")
    machine.write("etc/apt/sources.list.d/ubuntu.sources", "Types: deb\n")
    assert machine.run("package-sources", wanted).code == 0
    text = machine.read("etc/apt/sources.list.d/crowbar.sources")
    assert "/packages/ubuntu-24.04/ubuntu\nSuites: noble noble-updates noble-security\nComponents: main universe\n" in text
    assert machine.read("etc/apt/sources.list.d/ubuntu.sources.save") == "Types: deb\n"


def test_alma(machine: Machine) -> None:
    wanted = package_sources(machine)
    machine.write("etc/os-release", 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n')
    own = f"[baseos]\nname=BaseOS\nmirrorlist=https://x\ngpgcheck=1\ngpgkey={KEY}\n"
    machine.write("etc/yum.repos.d/almalinux-baseos.repo", own)
    machine.write("etc/yum.repos.d/almalinux-appstream.repo", own)
    machine.write("etc/yum.repos.d/site.repo", "[site]\n")
    for _ in range(2):
        assert machine.run("package-sources", wanted).code == 0
    text = machine.read("etc/yum.repos.d/crowbar.repo")
    assert "baseurl=http://192.168.124.10/packages/alma-9/9/BaseOS/x86_64/os\nenabled=1\ngpgcheck=1\n" in text
    assert "baseurl=http://192.168.124.10/packages/alma-9/9/AppStream/x86_64/os\n" in text
    assert text.count(f"gpgkey={KEY}\n") == 2
    assert sorted(path.name for path in (machine.root / "etc/yum.repos.d").glob("*.repo")) == ["crowbar.repo", "site.repo"]
    assert machine.run("package-sources", wanted, "verify").code == 0
    assert machine.run("package-sources", wanted | {"package-sources": "own"}).code == 0
    assert machine.read("etc/yum.repos.d/almalinux-baseos.repo") == own


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"os-release": "ID=plan9\nVERSION_ID=4\n"}, "no sources are known for the system 'plan9'"),
        ({"os-release": "ID=debian\nVERSION_ID=12\n"}, "names no release"),
        ({"os-release": 'ID=debian\nVERSION_ID="12 $(reboot)"\nVERSION_CODENAME=x\n'}, "names a system that is not usable"),
        ({"os-release": "ID=almalinux\nVERSION_ID=9.4\n"}, "names the distribution's keys"),
        ({"keys": ""}, "the keys of the distribution are missing"),
        ({"package-mirror": "http://x y"}, "package-mirror is not a URL"),
        ({"engine-url": "http://x;y"}, "the engine's URL is not usable"),
    ],
)
def test_what_cannot_work_is_said(machine: Machine, change: dict[str, Any], words: str) -> None:
    wanted = package_sources(machine)
    if "os-release" in change:
        machine.write("etc/os-release", change.pop("os-release"))
    if "keys" in change:
        change.pop("keys")
        (machine.root / "usr/share/keyrings/debian-archive-keyring.gpg").unlink()
    done = machine.run("package-sources", wanted | change)
    assert done.code == 2
    assert words in done.err
    assert not list(machine.root.rglob("crowbar.*"))
