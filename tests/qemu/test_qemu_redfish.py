"""A machine with real firmware behind a Redfish BMC: from off to ready, then off and on again by it. Needs QEMU and the built images."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import lacking, run

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def test_one_machine_by_redfish(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 1, 2400, program="redfish_on_rack.py")
    assert found.get("verdict") == "ready"
    assert (found["machine"]["bmc_protocol"], found["node"]["bmc"]["protocol"]) == ("redfish", "redfish")
    assert found["status"]["message"].endswith(" is on")
    assert found["lit"] == [True, False]
    assert found["off"][0]["message"].endswith(" is off")
    assert found["off"][1] is False
    first, again = found["installed"], found["again"]
    assert (first["exit"], again["exit"]) == (0, 0), again["errors"]
    assert again["lines"][0] == first["lines"][0]
    assert again["lines"][-1] == found["node"]["boot_id"] != first["lines"][-1], "the same system, from its disk, once more"
    assert found["node"]["problem"] is None
    assert found["counters"]["bmc-refused"] == 0
    known = tmp_path / "store.keys" / "known_bmcs"
    assert known.read_text().startswith(f"{found['machine']['bmc']}:443 "), "its certificate is pinned"
