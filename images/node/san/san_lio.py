"""iSCSI targets by LIO, the target of the Linux kernel, through configfs (Documentation/target/tcmu-design.rst; drivers/target).

A folder that is made or removed is an object of the kernel, a file in it is an attribute, and a link exports one object by another:

    core/fileio_0/crowbar-SERIAL            the data of a LUN: `control`, `enable`, `wwn/vpd_unit_serial`
    iscsi/TARGET/tpgt_1/lun/lun_N/unit      -> the data
    iscsi/TARGET/tpgt_1/np/ADDRESS:PORT     where it listens
    iscsi/TARGET/tpgt_1/acls/INITIATOR      who may log in: `auth/userid`, `auth/password`; lun_N/unit -> the LUN

A secret is written into a file of the kernel, so no process list has it. LIO forgets everything at a reboot: `san.py restore`.
"""

import contextlib
import os
import re
import subprocess
from pathlib import Path

from san_model import Export, SanError, Unit

CONFIGFS = "/sys/kernel/config"
MODULES = ("target_core_mod", "target_core_file", "iscsi_target_mod")
_PREFIX = "crowbar-"


class Tree:
    """The objects of configfs, as files."""

    def __init__(self, root):
        self.root = Path(root)

    def make(self, path):
        os.makedirs(self.root / path, exist_ok=True)

    def remove(self, path):
        os.rmdir(self.root / path)

    def write(self, path, value):
        with open(self.root / path, "w", encoding="ascii") as file:
            file.write(value)

    def read(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def link(self, path, to):
        os.symlink(self.root / to, self.root / path)

    def unlink(self, path):
        os.unlink(self.root / path)

    def names(self, path):
        """Folders and links there. Attributes are left out."""
        here = self.root / path
        return sorted(one.name for one in here.iterdir() if one.is_dir()) if here.is_dir() else []

    def target_of(self, path):
        """The name of what a link points to."""
        return Path(os.readlink(self.root / path)).name


def kernel():
    """The kernel's own tree. Raises SanError if it has none."""
    if not os.path.isdir(f"{CONFIGFS}/target/iscsi"):
        for words in (["modprobe", "-a", *MODULES], ["mount", "-t", "configfs", "none", CONFIGFS]):
            if not (words[0] == "mount" and os.path.isdir(f"{CONFIGFS}/target")):
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # the next line says it
                    subprocess.run(words, capture_output=True, timeout=20, check=False)
        try:
            os.makedirs(f"{CONFIGFS}/target/iscsi", exist_ok=True)
        except OSError:
            raise SanError(f"this kernel has no LIO ({', '.join(MODULES)}): use the driver tgt in san-access") from None
    return Tree(f"{CONFIGFS}/target")


class Lio:
    """Every method raises SanError."""

    def __init__(self, portal, tree=None):
        """`portal`: ADDRESS:PORT at which new targets listen."""
        self._portal, self._tree = portal, tree or kernel()

    def have(self, prefix):
        out = {}
        for name in self._tree.names("iscsi"):
            if name.startswith(prefix):
                out[name] = self._try("read", name, lambda name=name: self._export(name))
        return out

    def expose(self, export):
        self._try("expose", export.target, lambda: self._expose(export))

    def unexpose(self, target):
        self._try("unexpose", target, lambda: self._unexpose(target))

    def add(self, target, number, unit):
        self._try("expose", f"LUN {number} of {target}", lambda: self._add(f"iscsi/{target}/tpgt_1", number, unit))

    def take(self, target, number):
        self._try("unexpose", f"LUN {number} of {target}", lambda: self._take(f"iscsi/{target}/tpgt_1", number))

    # -- the parts -------------------------------------------------------------------------------------------------

    def _try(self, verb, what, work):
        try:
            return work()
        except OSError as error:
            raise SanError(f"LIO cannot {verb} {what}: {error.strerror} ({os.path.basename(str(error.filename or ''))})") from None

    def _expose(self, export):
        tree, group = self._tree, f"iscsi/{export.target}/tpgt_1"
        tree.make(group)
        for name, value in (("generate_node_acls", "0"), ("authentication", "1"), ("demo_mode_write_protect", "1")):
            tree.write(f"{group}/attrib/{name}", value)
        tree.make(f"{group}/np/{self._portal}")
        who = f"{group}/acls/{export.initiator}"
        tree.make(who)
        tree.write(f"{who}/auth/userid", export.user)
        tree.write(f"{who}/auth/password", export.secret)
        for number in sorted(export.units):
            self._add(group, number, export.units[number])
        tree.write(f"{group}/enable", "1")

    def _add(self, group, number, unit):
        tree, data = self._tree, f"core/fileio_0/{_PREFIX}{unit.serial}"
        tree.make(data)
        if tree.read(f"{data}/enable").strip() != "1":
            tree.write(f"{data}/control", f"fd_dev_name={unit.path},fd_dev_size={unit.size}")
            tree.write(f"{data}/enable", "1")
        if unit.serial not in tree.read(f"{data}/wwn/vpd_unit_serial"):
            tree.write(f"{data}/wwn/vpd_unit_serial", unit.serial)
        tree.make(f"{group}/lun/lun_{number}")
        tree.link(f"{group}/lun/lun_{number}/unit", data)
        for who in tree.names(f"{group}/acls"):
            tree.make(f"{group}/acls/{who}/lun_{number}")
            tree.link(f"{group}/acls/{who}/lun_{number}/unit", f"{group}/lun/lun_{number}")

    def _take(self, group, number):
        tree = self._tree
        for who in tree.names(f"{group}/acls"):
            self._drop(f"{group}/acls/{who}/lun_{number}")
        serial = self._drop(f"{group}/lun/lun_{number}")
        if serial.startswith(_PREFIX):
            tree.remove(f"core/fileio_0/{serial}")

    def _drop(self, path):
        """Removes a mapped LUN. Returns what it exported; empty: it is not there."""
        tree, out = self._tree, ""
        if path.rpartition("/")[2] not in tree.names(path.rpartition("/")[0]):
            return out
        if "unit" in tree.names(path):
            out = tree.target_of(f"{path}/unit")
            tree.unlink(f"{path}/unit")
        tree.remove(path)
        return out

    def _unexpose(self, target):
        tree, group = self._tree, f"iscsi/{target}/tpgt_1"
        if "tpgt_1" in tree.names(f"iscsi/{target}"):
            tree.write(f"{group}/enable", "0")  # ends its sessions
            for lun in tree.names(f"{group}/lun"):
                self._take(group, int(lun.rpartition("_")[2]))
            for who in tree.names(f"{group}/acls"):
                tree.remove(f"{group}/acls/{who}")
            for portal in tree.names(f"{group}/np"):
                tree.remove(f"{group}/np/{portal}")
            tree.remove(group)
        tree.remove(f"iscsi/{target}")

    def _export(self, name):
        tree, group = self._tree, f"iscsi/{name}/tpgt_1"
        units = {}
        for lun in tree.names(f"{group}/lun"):
            if "unit" not in tree.names(f"{group}/lun/{lun}"):
                continue
            data = tree.target_of(f"{group}/lun/{lun}/unit")
            shown = re.search(r"File: (\S+)", tree.read(f"core/fileio_0/{data}/info"))
            units[int(lun.rpartition("_")[2])] = Unit(shown[1] if shown else "", data[len(_PREFIX) :])
        who = tree.names(f"{group}/acls")
        users = [tree.read(f"{group}/acls/{one}/auth/userid").strip() for one in who]
        listens = tree.names(f"{group}/np") == [self._portal] and tree.read(f"{group}/enable").strip() == "1"
        return Export(name, " ".join(who), " ".join(users) if listens else "", units)
