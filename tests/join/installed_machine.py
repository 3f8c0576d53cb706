"""An installed machine that nobody's engine installed: this system under an overlay, in namespaces of its own, with a real sshd.

What it writes stays in the overlay. Its firmware, its ports and its boot_id are files: `start` again with another boot_id is a reboot.
Needs root, for the mounts.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PATIENCE_S = 60.0
UUID = "4c4c4544-0044-1044-8036-b4c04f4d3577"
SERIAL = "7DXY6M3"
MAC = "b4:2e:99:01:02:03"
PASSWORD = "correct horse $(id) 'battery'"
USER = "ops"

# The kernel of a container has no DMI, and its ports are on no bus: so /sys is the overlay's own. So is root's home: bash, started by sshd, reads
# its start-up files, and those of the person here may take minutes.
_START = """\
set -eu
mount -t tmpfs machine "$1"
cd "$1"
mkdir upper work root
mount -t overlay machine -o lowerdir=/,upperdir=upper,workdir=work root
mount -t tmpfs -o mode=0700 home root/root
mount -t proc proc root/proc
mount --bind /dev root/dev
mount --bind "$1.boot_id" root/proc/sys/kernel/random/boot_id
cp -a "$1.files/." root/
chroot root chpasswd -c SHA512 <"$1.passwords"
mkdir -p root/run/sshd
exec chroot root "$2" -D -e -f /etc/ssh/sshd_config
"""


def why_not() -> str:
    """Why such a machine cannot be made here, in one sentence; empty: it can."""
    if os.geteuid() != 0:
        return "an overlay of this system needs root"
    missing = [name for name in ("sshd", "ssh-keygen", "unshare", "chpasswd") if not shutil.which(name, path=_path())]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: openssh-server, util-linux, passwd)"
    tried = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/m && mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"no overlay file system: {tried.stderr.strip()[:160]}" if tried.returncode else ""


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Installed:
    """The machine, as it listens at `host` and `port`. `files`: what its system has besides, path -> text."""

    def __init__(self, folder: Path, host: str, port: int, *, sshd: str = "", files: dict[str, str] | None = None) -> None:
        self.folder, self.host, self.port = folder, host, port
        folder.mkdir(parents=True)
        self._said = folder.with_suffix(".said")
        self._files = folder.with_suffix(".files")
        self._process: subprocess.Popen[bytes] | None = None
        config = (
            f"Port {port}\nListenAddress {host}\nHostKey /etc/ssh/ssh_host_ed25519_key\nUsePAM no\nPidFile none\n"
            f"PermitRootLogin yes\nPasswordAuthentication yes\n"
        )
        for name, text in {
            "etc/ssh/sshd_config": sshd + config,  # the first value of a keyword counts
            "etc/hostname": "Old-DB.example.org\n",
            "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "root/.ssh/authorized_keys": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB the-owner",
            "sys/class/dmi/id/product_uuid": UUID + "\n",
            "sys/class/dmi/id/product_serial": SERIAL + "\n",
            "sys/class/net/eth0/address": MAC + "\n",
            "sys/class/net/eth0/device/vendor": "0x8086\n",
            **(files or {}),
        }.items():
            (self._files / name).parent.mkdir(parents=True, exist_ok=True)
            (self._files / name).write_text(text)
        (self._files / "root").chmod(0o700)
        (self._files / "root/.ssh").chmod(0o700)
        (self._files / "root/.ssh/authorized_keys").chmod(0o600)
        key = self._files / "etc/ssh/ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.host_key = (key.with_suffix(".pub")).read_text().strip()
        shown = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True).stdout
        self.fingerprint = shown.split()[1]
        passwords = f"root:{PASSWORD}\n"
        if "etc/passwd" in (files or {}):
            passwords += f"{USER}:{PASSWORD}\n"
        folder.with_suffix(".passwords").write_text(passwords)
        self.start("boot-1")

    def start(self, boot_id: str) -> None:
        self.folder.with_suffix(".boot_id").write_text(boot_id + "\n")
        sshd = shutil.which("sshd", path=_path())
        assert sshd is not None
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c", _START, "machine", str(self.folder), sshd],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert self._process.poll() is None, self._said.read_text()[-2000:]
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, self._said.read_text()[-2000:]
                time.sleep(0.02)

    def stop(self) -> None:
        """Its power is gone. What it had written is kept for the next `start`."""
        process, self._process = self._process, None
        if process is None:
            return
        written = Path(f"/proc/{self._inner(process)}/root")
        for name in ("root/.ssh", "etc/motd"):
            if (written / name).exists():
                kept = self._files / name
                if (written / name).is_dir():
                    shutil.copytree(written / name, kept, dirs_exist_ok=True)
                else:
                    shutil.copy2(written / name, kept)
        process.kill()
        process.wait(PATIENCE_S)

    def reboot(self, boot_id: str) -> None:
        self.stop()
        self.start(boot_id)

    def read(self, name: str) -> str:
        """A file of its system. Empty: there is none."""
        assert self._process is not None
        file = Path(f"/proc/{self._inner(self._process)}/root") / name
        return file.read_text() if file.exists() else ""

    @property
    def keys(self) -> list[str]:
        """The lines of root's authorized_keys."""
        return self.read("root/.ssh/authorized_keys").splitlines()

    @staticmethod
    def _inner(process: subprocess.Popen[bytes]) -> int:
        """The pid of its sshd, the first process of its namespace."""
        below = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return int(below[0])
