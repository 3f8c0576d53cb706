"""Debian's own installer on a machine that boots from the network, without KVM.

The test follows discovery, answers, the hello over TLS, the order, progress, the log, packages through the engine, and the reboot. It then
reaches the installed system by SSH with the pinned host key.

An installation takes half an hour on a quiet machine, and more than an hour beside other work.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import debian_machine as lab
import pytest

from engine.model import State
from engine.reasons import sentence
from engine.views.summary import settled

IMAGES = ("debian-13-installer", "loader", "sledgehammer")
WHY_NOT = lab.unfit(*IMAGES)
pytestmark = [pytest.mark.slow, pytest.mark.qemu, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
WANTED = {"target_os": "debian-13", "install_method": "preseed", "kernel_package": "linux-image-cloud-amd64"}


def to_the_installer(site: lab.Site) -> None:
    site.until("hello", lambda: site.runs == "sledgehammer", 400)
    site.until("discovered", lambda: site.node is not None and site.node.stage != "discovery", 400)
    site.until("hello of the installer", lambda: site.runs == "debian-13-installer", 900)
    site.until("order", lambda: site.installed(State.TRANSITION), 300)


def secrets_are_nowhere(site: lab.Site) -> None:
    assert site.node is not None
    credential = site.engine.adapters.keys.credential(site.node.id, site.node.installing)  # planted by the engine in the order
    for file in [*site.folder.glob("*.serial"), *(site.folder / "store").rglob("*")]:
        assert not file.is_file() or credential.encode() not in file.read_bytes(), file


def test_preseed_installs_debian_and_it_is_ready(tmp_path: Path) -> None:
    with lab.site(tmp_path, **WANTED) as site:
        to_the_installer(site)
        site.until("installed", lambda: site.installed(State.ACTIVE), 6000)
        site.until("hello of the system", lambda: site.runs == "debian-13", 900)
        site.until("ready", lambda: settled(site.engine.world, 1) == "ready", 900)
        print(site.times)
        assert site.engine.services.http is not None
        counters = site.engine.services.http.counters()
        assert counters["packages_octets"] > 50_000_000, "packages came through the engine"
        assert not [name for name in counters if name.startswith("packages_5")], counters
        secrets_are_nowhere(site)
        node = site.node
        assert node is not None
        key = site.engine.config.keys / "engine_ed25519"
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=30"]
        words = ["ssh", "-F", "/dev/null", "-i", str(key), *(word for option in options for word in ("-o", option)), f"root@{node.address}"]
        asked = "hostname; uname -r; cat /etc/debian_version; cat /proc/sys/kernel/random/boot_id; lsblk -rno NAME,MOUNTPOINT"
        said = subprocess.run([*words, asked], capture_output=True, text=True, timeout=200, check=True).stdout.splitlines()
        assert said[0] == node.name.split(".")[0]
        assert said[1].endswith("-cloud-amd64")
        assert said[2].startswith("13.")
        assert said[3] == node.boot_id, "alive is: reached, and verified to be this boot"
        assert any(line.startswith("vda") and line.endswith(" /") for line in said), said


class Mirror:
    """A mirror of the site: what it has is that of the engine's own cache, until it is gone."""

    def __init__(self, cache: str) -> None:
        self.gone = False
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if mirror.gone:
                    self.close_connection = True
                    return
                self.send_response(302)
                self.send_header("Location", cache + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not to the tests' output."""

        self.server = ThreadingHTTPServer((lab.ADMIN, 3142), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def own_mirror() -> Iterator[Mirror]:
    made = Mirror(f"http://{lab.ADMIN}/packages")
    try:
        yield made
    finally:
        made.close()


def test_a_mirror_that_is_gone_in_the_middle_is_the_reason_on_the_node(tmp_path: Path) -> None:
    where = f"http://{lab.ADMIN}:3142/debian-13-installer/debian"
    with lab.site(tmp_path, **WANTED, package_mirror=where) as site, own_mirror() as mirror:
        to_the_installer(site)
        site.until("packages", lambda: "Menu item 'bootstrap-base' selected" in site.log, 1500)
        mirror.gone = True
        site.until("the reason", lambda: site.installed(State.ERROR), 900)
        print(site.times)
        role = site.install
        assert role is not None
        assert role.failure is not None
        assert "the installer cannot use its package mirror: Couldn't download" in sentence(role.failure)
        assert site.node is not None
        assert site.node.alive, "the installer stands there, and its agent answers"
        secrets_are_nowhere(site)
