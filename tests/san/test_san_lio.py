"""The driver for LIO, on a tree that keeps the kernel's rules for configfs: what may be made, linked, written and removed, and when.

Real configfs needs a kernel with target_core_mod, and root. The rules are those of drivers/target/target_core_configfs.c and
fs/configfs/dir.c.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from san_lab import TOOL

sys.path.insert(0, str(TOOL))

import san_lio
import san_model as model

SECRET = "Abcdefgh12345678"
PORTAL = "10.0.0.5:3260"
ATTRIBUTES = {
    "core": ("control", "enable", "info", "wwn/vpd_unit_serial"),
    "tpgt": ("enable", "attrib/generate_node_acls", "attrib/authentication", "attrib/demo_mode_write_protect"),
    "acls": ("auth/userid", "auth/password"),
}
GROUPS = ("lun", "np", "acls")


class Kernel(san_lio.Tree):
    """`calls`: how many changes are left before one fails as by a kill. None: no end."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls: int | None = None
        for folder in ("core", "iscsi"):
            (root / folder).mkdir()

    def _count(self) -> None:
        if self.calls is not None:
            self.calls -= 1
            if self.calls < 0:
                raise KeyboardInterrupt

    def make(self, path: str) -> None:
        self._count()
        parts = path.split("/")
        for depth in range(2, len(parts) + 1):
            self._made(self.root.joinpath(*parts[:depth]), parts[:depth])

    def _made(self, here: Path, parts: list[str]) -> None:
        if here.exists():
            return
        here.mkdir()
        kind = ("", "", "hba", "core")[len(parts)] if parts[0] == "core" else "tpgt" if parts[-1] == "tpgt_1" else parts[-2]
        for name in ATTRIBUTES.get(kind, ()):
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).write_text("T10 VPD Unit Serial Number: \n" if "vpd" in name else "0\n" if name == "enable" else "\n")
        for group in GROUPS if kind == "tpgt" else ():
            (here / group).mkdir()

    def write(self, path: str, value: str) -> None:
        self._count()
        file = self.root / path
        if not file.is_file():
            raise OSError(errno.ENOENT, "No such attribute", path)
        if file.name == "enable" and path.startswith("core") and value == "1":
            told = dict(one.split("=") for one in (file.parent / "control").read_text().strip().split(","))
            if os.path.getsize(told["fd_dev_name"]) != int(told["fd_dev_size"]):
                raise OSError(errno.EINVAL, "Invalid argument", path)
            (file.parent / "info").write_text(
                f"TCM FILEIO ID: 0        File: {told['fd_dev_name']}  Size: {told['fd_dev_size']}  Mode: Buffered\n"
            )
        if file.name == "vpd_unit_serial":
            if any(link.is_symlink() and link.resolve() == file.parents[1] for link in self.root.rglob("unit")):
                raise OSError(errno.EINVAL, "Invalid argument", path)
            value = f"T10 VPD Unit Serial Number: {value}"
        file.write_text(value + "\n")

    def link(self, path: str, to: str) -> None:
        self._count()
        data = self.root / to
        if to.startswith("core") and (data / "enable").read_text() != "1\n":
            raise OSError(errno.ENODEV, "No such device", path)
        super().link(path, to)

    def unlink(self, path: str) -> None:
        self._count()
        super().unlink(path)

    def remove(self, path: str) -> None:
        self._count()
        here = self.root / path
        inside = [one for one in here.rglob("*") if one.is_symlink() or (one.is_dir() and one.parent.name in GROUPS)]
        linked = any(link.is_symlink() and link.resolve() == here.resolve() for link in self.root.rglob("unit"))
        if inside or linked or (path.count("/") == 1 and [one for one in here.iterdir() if one.is_dir()]):
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        for one in sorted(here.rglob("*"), reverse=True):
            one.rmdir() if one.is_dir() else one.unlink()
        here.rmdir()


def export(tmp_path: Path, *serials: str, node: str = "n1", secret: str = SECRET) -> model.Export:
    units = {}
    for number, serial in enumerate(serials, 1):
        file = tmp_path / f"{serial}.img"
        file.write_bytes(bytes(4096))
        units[number] = model.Unit(str(file), serial, 4096)
    name = model.target("san1", node, "r1.test")
    return model.Export(name, model.initiator(node, "r1.test"), f"san1.{node}", units, secret)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    root = tmp_path / "target"
    root.mkdir()
    return Kernel(root)


def settle(lio: san_lio.Lio, *want: model.Export) -> None:
    wanted = {one.target: one for one in want}
    for step in model.changes(lio.have("iqn.2026-01"), wanted, ()):
        if step.verb == "expose":
            lio.expose(step.export)
        elif step.verb == "unexpose":
            lio.unexpose(step.target)
        elif step.verb == "add":
            lio.add(step.target, step.number, step.export.units[step.number])
        else:
            lio.take(step.target, step.number)
    assert model.changes(lio.have("iqn.2026-01"), wanted, ()) == []


def test_a_target_is_for_one_initiator_with_its_secret(tmp_path: Path, kernel: Kernel) -> None:
    lio, one = san_lio.Lio(PORTAL, kernel), export(tmp_path, "aa", "bb")
    settle(lio, one)
    group = kernel.root / "iscsi" / one.target / "tpgt_1"
    assert (group / "attrib/authentication").read_text() == "1\n"
    assert (group / "attrib/generate_node_acls").read_text() == "0\n"
    assert (group / "np" / PORTAL).is_dir()
    who = group / "acls" / one.initiator
    assert ((who / "auth/userid").read_text(), (who / "auth/password").read_text()) == ("san1.n1\n", f"{SECRET}\n")
    assert (who / "lun_2/unit").resolve() == (group / "lun/lun_2").resolve()
    assert (kernel.root / "core/fileio_0/crowbar-aa/wwn/vpd_unit_serial").read_text().endswith(": aa\n")


def test_luns_come_and_go_while_the_target_stays(tmp_path: Path, kernel: Kernel) -> None:
    lio = san_lio.Lio(PORTAL, kernel)
    settle(lio, export(tmp_path, "aa", "bb"), export(tmp_path, "cc", node="n2"))
    settle(lio, export(tmp_path, "aa"), export(tmp_path, "cc", "dd", node="n2"))
    settle(lio, export(tmp_path, "xx"))
    settle(lio)
    assert not list((kernel.root / "iscsi").iterdir())
    assert [one.name for one in (kernel.root / "core/fileio_0").iterdir()] == [], "no data stays open"


def test_killed_at_any_change_the_next_run_ends_well(tmp_path: Path) -> None:
    for before, after in (((), ("aa", "bb")), (("aa", "bb"), ()), (("aa", "bb"), ("bb",))):
        for at in range(60):
            root = tmp_path / f"{len(before)}{len(after)}-{at}"
            root.mkdir()
            kernel = Kernel(root)
            lio = san_lio.Lio(PORTAL, kernel)
            first, last = ([export(tmp_path, *some)] if some else [] for some in (before, after))
            settle(lio, *first)
            kernel.calls = at
            try:
                settle(lio, *last)
                break
            except KeyboardInterrupt:
                kernel.calls = None
            settle(lio, *last)
        else:
            pytest.fail("it never came to its end")


def test_what_the_kernel_refuses_is_said_without_the_secret(tmp_path: Path, kernel: Kernel) -> None:
    one = export(tmp_path, "aa")
    Path(one.units[1].path).write_bytes(b"short")
    with pytest.raises(model.SanError, match="LIO cannot expose iqn") as caught:
        san_lio.Lio(PORTAL, kernel).expose(one)
    assert SECRET not in str(caught.value)
