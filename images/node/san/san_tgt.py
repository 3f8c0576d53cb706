"""iSCSI targets by tgt, the target daemon in user space (Debian package `tgt`): where the kernel has no LIO.

tgt keeps nothing: `san.py restore` exposes everything again when the daemon has started. `tgtadm` does what has no secret in it. A CHAP
secret goes through the daemon's socket, because arguments of a command can be seen by every process (tgt 1.0.85, usr/tgtadm.h).
"""

import os
import re
import shutil
import socket
import struct
import subprocess

from san_model import Export, SanError, Unit

WAIT_S = 20
_REQUEST = struct.Struct("=ii64sIiQQIIIIII")
"""struct tgtadm_req: mode, op, driver, length, target, session, unit, connection, host, type, direction, pack, force."""
_ANSWER = struct.Struct("=II")
_ACCOUNT, _NEW, _NONE = 7, 0, 0xFFFFFFFFFFFFFFFF
_TARGET = re.compile(r"Target (\d+): (\S+)")


class Tgt:
    """The daemon of this machine. Every method raises SanError."""

    def __init__(self):
        if shutil.which("tgtadm") is None:
            raise SanError("tgtadm is not installed here: install the package tgt (the role san-target does it on a node)")

    def have(self, prefix):
        """The targets whose names begin so. Sizes are not told."""
        out = {}
        for _, name, text in self._shown():
            if name.startswith(prefix):
                out[name] = _export(name, text)
        return out

    def expose(self, export):
        tid = max([tid for tid, _, _ in self._shown()], default=0) + 1
        self._tgtadm("target", "new", "--tid", str(tid), "--targetname", export.target)
        for number in sorted(export.units):
            self._unit(tid, number, export.units[number])
        if export.user in self._accounts():
            self._tgtadm("account", "delete", "--user", export.user)
        self._account(export.user, export.secret)
        self._tgtadm("account", "bind", "--tid", str(tid), "--user", export.user)
        self._tgtadm("target", "bind", "--tid", str(tid), "--initiator-name", export.initiator)  # last: now it is seen

    def unexpose(self, target):
        """Ends the sessions too: the node must not write any more."""
        tid, text = self._of(target)
        self._tgtadm("target", "delete", "--force", "--tid", str(tid))
        for user in _lines(text, "Account information:"):
            if user in self._accounts():
                self._tgtadm("account", "delete", "--user", user)

    def add(self, target, number, unit):
        self._unit(self._of(target)[0], number, unit)

    def take(self, target, number):
        self._tgtadm("logicalunit", "delete", "--tid", str(self._of(target)[0]), "--lun", str(number))

    # -- the parts -------------------------------------------------------------------------------------------------

    def _unit(self, tid, number, unit):
        where = ("--tid", str(tid), "--lun", str(number))
        self._tgtadm("logicalunit", "new", *where, "--backing-store", unit.path)
        shown = f"vendor_id=CROWBAR,product_id=SAN,product_rev=0001,scsi_sn={unit.serial}"
        self._tgtadm("logicalunit", "update", *where, "--params", shown)

    def _of(self, target):
        for tid, name, text in self._shown():
            if name == target:
                return tid, text
        raise SanError(f"tgtd has no target {target}")

    def _shown(self):
        text = self._tgtadm("target", "show")
        found = list(_TARGET.finditer(text))
        ends = [one.start() for one in found[1:]] + [len(text)]
        return [(int(one[1]), one[2], text[one.end() : end]) for one, end in zip(found, ends)]  # noqa: B905  - Python 3.9

    def _accounts(self):
        return set(self._tgtadm("account", "show").split()[2:])

    def _tgtadm(self, mode, op, *words):
        command = ["tgtadm", "--lld", "iscsi", "--mode", mode, "--op", op, *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SanError(f"tgtadm {mode} {op}: {error}") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise SanError(f"tgtadm {mode} {op}: {said[0][:200]}; is the daemon tgtd running?")
        return done.stdout

    def _account(self, user, secret):
        path = os.environ.get("TGT_IPC_SOCKET", "/var/run/tgtd/socket") + ".0"
        told = f"user={user},password={secret}".encode("ascii") + b"\0"
        head = _REQUEST.pack(_ACCOUNT, _NEW, b"iscsi", _REQUEST.size + len(told), -1, 0, _NONE, 0, 0, 0, 0, 0, 0)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(WAIT_S)
                line.connect(path)
                line.sendall(head + told)
                answer = line.recv(_ANSWER.size, socket.MSG_WAITALL)
        except OSError as error:
            raise SanError(f"tgtd does not answer at {path}: {error}") from None
        if len(answer) < _ANSWER.size or _ANSWER.unpack(answer)[0] != 0:
            raise SanError(f"tgtd did not take the account {user}")


def _export(name, text):
    units = {}
    for part in text.split("        LUN: ")[1:]:
        number = int(part.split(None, 1)[0])
        serial, path = _value(part, "SCSI SN"), _value(part, "Backing store path")
        if number and path != "None":
            units[number] = Unit(path, serial)
    accounts, initiators = _lines(text, "Account information:"), _lines(text, "ACL information:")
    return Export(name, " ".join(initiators), " ".join(accounts), units)


def _value(text, key):
    found = re.search(rf"^ *{key}: (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _lines(text, title):
    """The lines under a title, until a line that is less indented."""
    out, on = [], False
    for line in text.splitlines():
        if line.strip() == title:
            on = True
        elif on and line.startswith("        "):
            out.append(line.strip())
        elif on:
            break
    return out
