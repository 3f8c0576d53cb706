"""A claim on real firmware and the real discovery image: the agent writes a challenge over KCS, and the engine reads it from the BMC."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import ROOT, lacking, run

from engine.files.paths import images_folder
from engine.images.build import locked


def without_driver() -> str:
    """Why the discovery image here cannot write into a BMC; empty: it can."""
    variant = locked.parse((images_folder(ROOT / "no-store") / "sledgehammer" / locked.FILE).read_text()).variant
    return f"sledgehammer is of variant {variant}, whose kernel has no driver for a BMC" if variant == "cloud" else ""


WHY_NOT = lacking() or without_driver()
pytestmark = [pytest.mark.qemu, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def test_the_bmc_confirms_the_claim(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 1, 1200, program="scene_confirm.py")
    assert found.get("confirmed") == "bmc", found
    (challenge,) = found["challenges"]
    assert challenge["failure"] is None
    print(f"hello after {found['hello_s']} s, confirmed in {challenge['took_s']} s ({challenge['way']}, {challenge['bmc']})")
