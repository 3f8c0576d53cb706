#!/usr/bin/env python3
"""The node's side of a SAN: `san_disk.py run|verify` logs in to the node's targets by open-iscsi, and finds each LUN by its serial number.

The node's other iSCSI sessions are left alone: an interface of its own (`crowbar`) has the initiator's name (open-iscsi README, 5.1).
The CHAP secret is written into the record of the target, mode 0600, because arguments of a command can be seen by every process.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

NOT_SO, OTHER = 1, 2
IFACE = "crowbar"
FOUND_S = float(os.environ.get("CROWBAR_SAN_WAIT") or 30)
"""Seconds within which the kernel shows the disk of a LUN."""
BLOCK = 4096
SESSION_EXISTS, NO_OBJECTS = 15, 21
"""Exit codes of iscsiadm (open-iscsi, include/iscsi_err.h)."""


class DiskError(Exception):
    """What went wrong, in one sentence for people, without a secret."""


class Node:
    """This machine's initiator."""

    def __init__(self):
        self.root = Path(os.environ.get("CROWBAR_ROOT") or "/")
        kept = self.root / "var/lib/iscsi"  # Red Hat; Debian 12 has them in /etc
        self.records = kept if (kept / "nodes").is_dir() else self.root / "etc/iscsi"

    # -- sessions --------------------------------------------------------------------------------------------------

    def prepare(self, initiator):
        if shutil.which("iscsiadm") is None:
            raise DiskError("iscsiadm is not installed: the package open-iscsi (Debian) or iscsi-initiator-utils (Red Hat) has it")
        text = f"iface.iscsi_ifacename = {IFACE}\niface.transport_name = tcp\niface.initiatorname = {initiator}\n"
        self._write(self.records / "ifaces" / IFACE, text)
        if shutil.which("systemctl") is not None:
            for unit in ("iscsid.service", "open-iscsi.service", "iscsi.service"):
                subprocess.run(["systemctl", "enable", "--now", unit], capture_output=True, timeout=60, check=False)

    def record_of(self, target, portal):
        address, _, port = portal.partition(":")
        return self.records / "nodes" / target / f"{address},{port},1" / IFACE

    def log_in(self, row, secret):
        file = self.record_of(row["target"], row["portal"])
        fresh = not file.exists()
        if fresh:
            self._iscsiadm(row, "-o", "new")
        changed = self._settle(file, row["user"], secret, row["initiator"])
        if changed and not fresh:
            self._iscsiadm(row, "--logout", good=(0, NO_OBJECTS))
        self._iscsiadm(row, "--login", good=(0, SESSION_EXISTS))
        self._iscsiadm(row, "-R")

    def leave(self, targets):
        """Logs out of the targets of this interface that are not among these. Returns their names."""
        left = []
        for file in sorted(self.records.glob(f"nodes/*/*/{IFACE}")):
            target, (address, port) = file.parts[-3], file.parts[-2].split(",")[:2]
            if target in targets and targets[target] == f"{address}:{port}":
                continue
            row = {"target": target, "portal": f"{address}:{port}"}
            self._iscsiadm(row, "--logout", good=(0, NO_OBJECTS))
            self._iscsiadm(row, "-o", "delete", good=(0, NO_OBJECTS))
            left.append(target)
        return left

    def other(self, targets):
        """The first target with a record that is not among these."""
        for file in sorted(self.records.glob(f"nodes/*/*/{IFACE}")):
            if file.parts[-3] not in targets:
                return file.parts[-3]
        return ""

    def _settle(self, file, user, secret, initiator):
        """Puts account and start into the record, and keeps the rest of it."""
        mine = {
            "node.startup": "automatic",
            "iface.initiatorname": initiator,
            "node.session.auth.authmethod": "CHAP",
            "node.session.auth.username": user,
            "node.session.auth.password": secret,
        }
        before = file.read_text(encoding="utf-8")
        lines = [line for line in before.splitlines() if line.partition(" = ")[0].strip() not in mine]
        at = next((i for i, line in enumerate(lines) if line.startswith("# END RECORD")), len(lines))
        after = "\n".join([*lines[:at], *(f"{key} = {value}" for key, value in mine.items()), *lines[at:]]) + "\n"
        same = sorted(before.splitlines()) == sorted(after.splitlines())
        if not same:
            self._write(file, after)
        return not same

    def _write(self, file, text):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.parent.parent / f".{file.name}.new"  # beside it iscsiadm would read it as a record
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, file)

    def _iscsiadm(self, row, *words, good=(0,)):
        portal = row["portal"] + ",1"
        command = ["iscsiadm", "-m", "node", "-T", row["target"], "-p", portal, "-I", IFACE, *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            raise DiskError(f"iscsiadm {words[-1]} of {row['target']} at {row['portal']} does not end") from None
        if done.returncode not in good:
            said = [line for line in done.stderr.splitlines() if line.startswith("iscsiadm:")] or [f"exit code {done.returncode}"]
            raise DiskError(f"iscsiadm {words[-1]} of {row['target']} at {row['portal']}: {said[-1][:160]}")

    # -- disks -----------------------------------------------------------------------------------------------------

    def find(self, serial):
        """The disk that shows this serial number (SPC-4 section 7.8.14, VPD page 80h). None: there is none."""
        for block in sorted((self.root / "sys/class/block").glob("sd*")):
            try:
                page = (block / "device/vpd_pg80").read_bytes()
            except OSError:
                continue
            if len(page) > 4 and page[1] == 0x80 and page[4 : 4 + page[3]].decode("latin-1").strip("\0 ") == serial:
                return block
        return None

    def about(self, block, row):
        """What the role gives of a disk. Raises DiskError if it is not the LUN that was made."""
        size = int((block / "size").read_text()) * 512
        if size != row["size"]:
            raise DiskError(f"{block.name} (serial number {row['serial']}) has {size} bytes, and {row['name']} was made with {row['size']}")
        try:
            with open(self.root / "dev" / block.name, "rb", buffering=0) as disk:
                got = len(disk.read(BLOCK))
        except OSError as error:
            raise DiskError(f"{block.name} cannot be read: {error.strerror}") from None
        if got != BLOCK:
            raise DiskError(f"{block.name} gave {got} of {BLOCK} bytes")
        wwn = ""
        with contextlib.suppress(OSError):
            wwn = re.sub(r"[^ -~]", "", (block / "device/wwid").read_text()).strip()[:200]
        return {"name": row["name"], "san": row["san"], "serial": row["serial"], "device": block.name, "size": size, "wwn": wwn}


def main(words):
    if words not in (["run"], ["verify"]):
        print("usage: san_disk.py run|verify", file=sys.stderr)
        return OTHER
    try:
        told = json.loads(Path(os.environ["CROWBAR_ATTRIBUTES"]).read_text(encoding="utf-8"))
        rows = (told.get("san-disks-wanted") or {}).get("disks") or []
        return _run(Node(), rows, str(told.get("san-account") or "")) if words == ["run"] else _verify(Node(), rows)
    except DiskError as error:
        print(f"san-disk: {error}", file=sys.stderr)
        return NOT_SO if words == ["run"] else OTHER
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        print(f"san-disk: the task cannot be carried out: {type(error).__name__}: {error}", file=sys.stderr)
        return OTHER


def _run(node, rows, secret):
    targets = {row["target"]: row["portal"] for row in rows}
    if rows:
        node.prepare(rows[0]["initiator"])
    for target in node.leave(targets):
        print(f"logged out of {target}", flush=True)
    for target in sorted(targets):
        node.log_in(next(row for row in rows if row["target"] == target), secret)
        print(f"logged in to {target} at {targets[target]}", flush=True)
    out, until = [], time.monotonic() + FOUND_S
    for row in rows:
        block = node.find(row["serial"])
        while block is None and time.monotonic() < until:
            time.sleep(0.5)
            block = node.find(row["serial"])
        if block is None:
            raise DiskError(f"{row['target']} shows no disk with the serial number {row['serial']} ({row['name']}) within {FOUND_S:.0f} s")
        out.append(node.about(block, row))
        print(f"{row['name']} is {block.name}, {row['size']} bytes", flush=True)
    return _give(out)


def _verify(node, rows):
    other = node.other({row["target"] for row in rows})
    if other:
        return _not_so(f"the node still has a session record of {other}")
    out = []
    for row in rows:
        block = node.find(row["serial"])
        if block is None:
            return _not_so(f"no disk has the serial number {row['serial']} ({row['name']})")
        out.append(node.about(block, row))
    return _give(out)


def _give(disks):
    Path(os.environ["CROWBAR_GIVES"]).write_text(json.dumps({"san-disks": disks}), encoding="utf-8")
    return 0


def _not_so(line):
    print(f"san-disk: {line}", file=sys.stderr)
    return NOT_SO


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
