"""A cloud on a real machine: from off to Keystone, Swift and the retriever. Needs the image `debian-13-cloud`, built with `--variant cloud`. Slow."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from rack_run import ROOT, end_rack, lacking, logs, rack_of, within

from engine.images.shelf import image_states
from engine.racks.process import ENDS_WITH

IMAGE = "debian-13-cloud"
PLAN = Path(__file__).with_name("openstack-small.yml")
MOST_S = 3600


def why_not() -> str:
    whole = {row["name"] for row in image_states(ROOT / "no-store") if row["whole"]}
    return lacking() or ("" if IMAGE in whole else f"the image {IMAGE} is not built: crowbar image build {IMAGE} --variant cloud")


WHY_NOT = why_not()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def test_keystone_swift_and_the_retriever_on_one_machine(tmp_path: Path) -> None:
    store = tmp_path / "store"
    words = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), "rehearse", "--kind", "qemu", "--plan", str(PLAN)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, ENDS_WITH: str(os.getpid())}
    try:
        said, errors, code = within([*words, "--headless", "--json"], MOST_S, environment)
    finally:
        end_rack(rack_of(store))
    if code != 0:
        print(logs(store, said, errors, code))
    assert code == 0
    summary = json.loads(said.splitlines()[-1])
    assert (summary["ready"], summary["verdict"]) == (1, "ready"), summary
    assert summary["deployments"]["cloud"] == "validated", summary
