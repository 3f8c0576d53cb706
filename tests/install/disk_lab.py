"""The image writer on a disk that is one: the discovery image in QEMU, with the barclamps' scripts of this checkout, and then the disk that
they wrote, by either firmware. User-mode networking: no privilege is needed. The admin node is a small HTTP server that fails on purpose.

Needs qemu-system-x86, ovmf, openssh-client, and the images sledgehammer and debian-12 in $CROWBAR_IMAGES (`crowbar image build`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from node_folder import REPO

from engine.netboot.site_image import Entry, cpio

OVMF = Path("/usr/share/OVMF")
HERE, ADMIN, GUEST = "127.0.0.1", "10.0.2.2", "10.0.2.15"
MAC = "52:54:00:00:00:01"
NODE = REPO / "images" / "node"
CREDENTIAL = "c2VjcmV0LW9mLXRoaXM.n1"
INSTALL_S, BOOT_S = 1500.0, 900.0
"""On a slow machine without KVM that others use as well."""

INITTAB = "::sysinit:/usr/lib/crowbar/start\n::once:/try\n"
TRY = f"""#!/bin/sh
export PATH=/usr/lib/crowbar:/usr/sbin:/usr/bin:/sbin:/bin CROWBAR_HOME=/var/lib/crowbar
exec >/dev/console 2>&1
cd /tmp
until ip -o -4 addr show | grep -q {GUEST}; do sleep 0.5; done
url=$(tr ' ' '\\n' </proc/cmdline | sed -n 's/^try=//p')
udevadm settle
curl -fsS "$url/roles.tar" | tar -x
for task in $(cat list); do
    export CROWBAR_ATTRIBUTES=/tmp/$task.json CROWBAR_GIVES=/tmp/$task.gives CROWBAR_PROGRESS=/tmp/$task.progress
    cd "/tmp/$(cat /tmp/$task.role)"
    echo "TRY $task"
    "./$(cat /tmp/$task.action)" >/tmp/$task.log 2>&1 </dev/null
    printf 'EXIT %s\\n' $? >>/tmp/$task.log
    cat /tmp/$task.log
    curl -fsS -o /dev/null --data-binary "@/tmp/$task.log" "$url/$task.log"
    [ ! -e "$CROWBAR_GIVES" ] || curl -fsS -o /dev/null --data-binary "@$CROWBAR_GIVES" "$url/$task.gives"
    cd /tmp
done
curl -fsS -o /dev/null --data-binary "@/var/lib/crowbar/kexec/cmdline" "$url/kexec-cmdline"
sync
poweroff -f
"""


def images() -> Path:
    return Path(os.environ.get("CROWBAR_IMAGES", "/nowhere"))


def missing() -> str:
    """What this machine lacks, in one line; empty: nothing."""
    for program, package in {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ssh": "openssh-client"}.items():
        if shutil.which(program) is None:
            return f"{program} is missing: install {package}"
    if not (OVMF / "OVMF_CODE_4M.fd").exists():
        return "UEFI firmware is missing: install ovmf"
    for name in ("sledgehammer/vmlinuz", "sledgehammer/initrd.img", "debian-12/root.ext4.zst"):
        if not (images() / name).exists():
            return f"no {name} in $CROWBAR_IMAGES: crowbar image build {name.partition('/')[0]}"
    return ""


class Admin:
    """Serves files with ranges, takes what is posted. Files in `cut` end after so many bytes in each answer; while `away` nobody answers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | Path] = {}
        self.posted: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []
        self.refuse = 0
        """So many requests for files that are cut find nobody."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posted[self.path.rpartition("/")[2]] = body
                answer = b'{"node":"n1","token":"dG9rZW4","name":"node-1"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                outer.asked.append((name, self.headers.get("Range", "")))
                there = outer.files.get(name)
                if there is None:
                    self.send_error(404)
                    return
                if name in outer.cut and outer.refuse > 0 and len(outer.asked) > 4:
                    outer.refuse -= 1
                    self.close_connection = True
                    return
                size = len(there) if isinstance(there, bytes) else there.stat().st_size
                match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                first, last = (int(match[1]), min(int(match[2]), size - 1)) if match else (0, size - 1)
                self.send_response(206 if match else 200)
                self.send_header("Content-Length", str(last - first + 1))
                self.end_headers()
                left = min(last - first + 1, outer.cut.get(name, size))
                with io.BytesIO(there) if isinstance(there, bytes) else there.open("rb") as file:
                    file.seek(first)
                    while left and (block := file.read(min(left, 65536))):
                        self.wfile.write(block)
                        left -= len(block)
                self.close_connection = True

        self._server = ThreadingHTTPServer((HERE, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{ADMIN}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Guest:
    """A QEMU machine with its serial console in a file."""

    def __init__(self, folder: Path, name: str, *arguments: str, forward: int = 0) -> None:
        self.serial = folder / f"{name}.serial"
        net = f"user,id=n0{f',hostfwd=tcp:{HERE}:{forward}-:22' if forward else ''}"
        self.process = subprocess.Popen(
            [
                "nice",
                "-n",
                "10",
                "qemu-system-x86_64",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
                "-machine",
                "q35",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
                "-smp",
                "2",
                "-m",
                "2048",
                "-serial",
                f"file:{self.serial}",
                "-netdev",
                net,
                "-device",
                f"virtio-net-pci,netdev=n0,mac={MAC}",
                *arguments,
            ]
        )

    @property
    def console(self) -> str:
        return self.serial.read_text(encoding="utf-8", errors="replace") if self.serial.exists() else ""

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@contextlib.contextmanager
def guest(folder: Path, name: str, *arguments: str, forward: int = 0) -> Iterator[Guest]:
    one = Guest(folder, name, *arguments, forward=forward)
    try:
        yield one
    finally:
        one.end()


def role_tar(tasks: dict[str, tuple[str, str, dict[str, Any]]]) -> bytes:
    """Task -> role, action, attributes: what `TRY` carries out in this order."""
    out = io.BytesIO()

    def put(tar: tarfile.TarFile, name: str, text: str) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(text.encode())
        tar.addfile(member, io.BytesIO(text.encode()))

    with tarfile.open(fileobj=out, mode="w") as tar:
        for role in {role for role, _, _ in tasks.values()}:
            tar.add(role_folder(role), arcname=role)
            tar.add(NODE / "disks", arcname=f"{role}/disks")
        for task, (role, action, attributes) in tasks.items():
            put(tar, f"{task}.json", json.dumps(attributes))
            put(tar, f"{task}.role", role)
            put(tar, f"{task}.action", action)
        put(tar, "list", " ".join(tasks))
    return out.getvalue()


def role_folder(role: str) -> Path:
    (folder,) = REPO.glob(f"barclamps/*/roles/{role}")
    return folder


def attempt_tar(role: str, action: str, attributes: dict[str, Any]) -> bytes:
    """What the engine hands to `attempt start`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        text = json.dumps(attributes).encode()
        member = tarfile.TarInfo("attributes.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
        for file in role_folder(role).iterdir():
            if file.name != "run":
                tar.add(file, arcname=file.name)
        tar.add(role_folder(role) / action, arcname="run")
        tar.add(NODE / "disks", arcname="disks")
    return out.getvalue()


def initrd(folder: Path) -> Path:
    """The discovery image with this checkout's tools, and `TRY` in place of its services."""
    more = [
        Entry(name="etc/inittab", mode=0o100644, content=INITTAB.encode()),
        Entry(name="try", mode=0o100755, content=TRY.encode()),
        *(
            Entry(name=f"usr/lib/crowbar/{one}", mode=0o100755, content=(NODE / one).read_bytes())
            for one in ("agent", "attempt", "attribute")
        ),
    ]
    made = folder / "initrd.img"
    with made.open("wb") as file:
        for part in ((images() / "sledgehammer" / "initrd.img").read_bytes(), cpio(more)):
            file.write(part + b"\0" * (-len(part) % 512))
    return made


def until(met: Any, seconds: float, guest: Guest, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = met()
        if seen:
            return seen
        assert guest.process.poll() is None or met(), f"the machine went off before {what}:\n{guest.console[-3000:]}"
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {what}\n{guest.console[-3000:]}")


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
