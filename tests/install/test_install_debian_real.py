"""Debian's own installer, for real, under QEMU without KVM: answers, hello over TLS, the order, progress, its log, and its report.

The whole installation (a quarter of an hour and more, then hello from the disk and SSH with the pinned host key) needs a package mirror that has the
installer's own packages (udebs); the other test is about one that has not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import debian_machine as lab
import pytest

from engine.config import Config, keys_beside
from engine.effects import Accept
from engine.engine import Engine
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import NodeRole, State
from engine.reasons import sentence
from engine.views.summary import settled

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lab.fit()), reason=lab.fit() or "-")]
UDEB = "http://deb.debian.org/debian/pool/main/f/finish-install/"


class Lab:
    """The engine and the machine that is to be installed."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.begun = time.monotonic()
        self.times: dict[str, int] = {}

    @property
    def install(self) -> NodeRole:
        (role,) = [role for role in self.engine.world.node_roles.values() if role.role == "os-install"]
        return role

    @property
    def runs(self) -> str:
        return self.engine.world.nodes[self.install.node].runs

    def now(self) -> str:
        node = self.engine.world.nodes[self.install.node]
        return f"{node.stage} {node.runs} {node.boot} {node.problem} {node.notice} {self.install}\n{lab.tail(self.folder / 'installer.serial')}"

    def took(self, what: str) -> None:
        self.times[what] = round(time.monotonic() - self.begun)

    @property
    def log(self) -> str:
        file = self.engine.config.store / "logs" / f"{self.install.attempt}.{max(self.install.leg, 1)}.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


@contextmanager
def installing(folder: Path, refused: str) -> Iterator[Lab]:
    """From nothing until the installer has its order, in QEMU."""
    store = folder / "store"
    engine = Engine(Config(store=store, keys=keys_beside(store), interface=lab.BRIDGE))
    with lab.bridge(), lab.package_cache(folder / "packages", refused):
        engine.start()
        try:
            answer = engine.commit(plan_file.read(lab.PLAN, "plan.yml", shipped()), "test")
            assert isinstance(answer, Accept), answer
            lab.discover()
            one = Lab(engine, folder)
            line = lab.kernel_line()
            linux, initrd = lab.fetched(folder, "linux"), lab.fetched(folder, "initrd.gz")
            with lab.machine(folder, "installer", "-kernel", str(linux), "-initrd", str(initrd), "-append", line):
                lab.wait_for(lambda: one.runs == "debian-12-installer", 600, one.now)
                one.took("hello of the installer")
                lab.wait_for(lambda: one.install.state is not State.WAITING, 60, one.now)
                yield one
        finally:
            engine.stop()


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installer as `crowbar image build` makes it."""
    monkeypatch.setenv("CROWBAR_IMAGES", str(tmp_path / "images"))
    lab.build(tmp_path)


@pytest.mark.usefixtures("image")
def test_an_installer_whose_mirror_has_no_udebs_says_so(tmp_path: Path) -> None:
    with installing(tmp_path, refused=".udeb") as one:
        lab.wait_for(lambda: one.install.state is State.ERROR, 900, one.now)
        one.took("the reason")
        assert one.install.failure is not None
        assert "the installer cannot use its package mirror: package retrieval failed" in sentence(one.install.failure)
        lab.wait_for(lambda: "Menu item 'network-preseed' selected" in one.log, 60, lambda: one.log[-2000:])
        credential = one.engine._keys.credential(one.install.node)  # planted by the engine in the order
        node = one.engine.world.nodes[one.install.node]
        assert node.alive, "the installer stands there, and its agent answers"
        for file in [*tmp_path.glob("*.serial"), *(tmp_path / "store").rglob("*")]:
            assert not file.is_file() or credential.encode() not in file.read_bytes(), file
        print(one.times)


@pytest.mark.usefixtures("image")
def test_preseed_installs_debian_and_it_says_hello(tmp_path: Path) -> None:
    if not lab.is_there(UDEB):
        pytest.skip(f"the package mirror has no udebs: {UDEB}")
    with installing(tmp_path, refused="") as one:
        lab.wait_for(lambda: one.install.state in (State.ACTIVE, State.ERROR), 4500, one.now)
        one.took("installed")
        assert one.install.state is State.ACTIVE, one.install.failure
        lab.wait_for(lambda: not lab.runs(tmp_path, "installer"), 120, one.now)  # it goes down by itself
        with lab.machine(tmp_path, "system"):
            lab.wait_for(lambda: settled(one.engine.world, 1) != "", 900, lambda: one.now() + lab.tail(tmp_path / "system.serial"))
            one.took("ready")
            assert settled(one.engine.world, 1) == "ready", one.now()
        print(one.times)
