"""What the boot tests share: the way to their helpers, the kernel and the system in memory, made once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "net")]

import boot_rig  # noqa: E402  they are beside this file
import net_lab  # noqa: E402


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = boot_rig.why_not()
    if missing:
        pytest.skip(missing)
    try:
        return boot_rig.kernel_package(tmp_path_factory.mktemp("kernel"))
    except RuntimeError as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def system(kernel: Path) -> dict[str, bytes]:
    """Files of a discovery image."""
    return {"vmlinuz": next(kernel.glob("boot/vmlinuz-*")).read_bytes(), "initrd.img": boot_rig.initramfs(kernel)}


@pytest.fixture
def begin(tmp_path: Path, system: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., boot_rig.Site]]:
    """Starts the engine with these loaders and this plan; ended with the test, machines and all."""
    lab = net_lab.why_no_lab()
    if lab:
        pytest.skip(lab)
    sites: list[boot_rig.Site] = []

    def start(
        loaders: dict[str, bytes] | None = None, plan: str = "", *, before: Callable[[boot_rig.Site], None] = lambda _: None
    ) -> boot_rig.Site:
        monkeypatch.delenv("CROWBAR_IMAGES", raising=False)  # the engine's images are those of its store
        boot_rig.image(tmp_path / "store", "sledgehammer", system)
        boot_rig.image(tmp_path / "store", "loader", loaders or boot_rig.ipxe())
        site = boot_rig.Site(tmp_path, plan or net_lab.plan_text("ignore"))
        sites.append(site)
        before(site)
        site.start()
        return site

    yield start
    for site in sites:
        site.lab.close()
