"""DMTF's interop validator as a process: its account is on no command line, its time is limited, its words are findings."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bmc_machine import Machine

from engine.doctor import interop
from engine.doctor.bmc import SHOWN, BmcSaid, _interop
from engine.doctor.interop import Interop, InteropRow, interpreter, profile_of, validated
from engine.racks.bmc.redfish import RedfishBmc, RedfishFarm, certificate

FAKE = """import json, sys, time
given = json.load(sys.stdin)
{body}
"""


def runs(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> None:
    """The script that runs the validator is this one."""
    script = folder / "run.py"
    script.write_text(FAKE.format(body=body))

    class Module:
        __file__ = str(script)

    monkeypatch.setattr(interop, "interop_run", Module)


def found(folder: Path, limit_s: float = 60.0) -> Interop:
    return validated(sys.executable, folder / "Profile.json", "127.0.0.1", 443, "root", "s3cret-word", limit_s)


def test_the_account_is_on_standard_input_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
seen = open("/proc/self/cmdline").read() + open("/proc/self/environ").read()
print(json.dumps({"passed": 3, "failure": given["password"] if "s3cret" in seen else "", "skipped": len(given["password"])}))
"""
    runs(monkeypatch, tmp_path, body)
    assert found(tmp_path) == Interop(profile="Profile", passed=3, skipped=11)


def test_one_that_hangs_is_ended_with_all_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = tmp_path / "pids"
    body = f"import os; child = os.fork(); open({str(pids)!r}, 'a').write(str(os.getpid()) + chr(10)); time.sleep(600)"
    runs(monkeypatch, tmp_path, body)
    begun = time.monotonic()
    assert found(tmp_path, 2.0).failure == "the validator was ended after 2 s"
    assert time.monotonic() - begun < 60
    deadline = time.monotonic() + 60
    for pid in pids.read_text().split():
        while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "body",
    ["print('no json')", "sys.exit(3)", 'print(\'{"passed": "many"}\')', "print('[' * 100000)", "sys.stdout.write('x' * (4 << 20))"],
    ids=["no-json", "exit", "types", "deep", "long"],
)
def test_what_it_says_is_not_believed(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, tmp_path, body)
    assert found(tmp_path).failure.startswith("the validator gave no result")


def test_findings() -> None:
    assert _interop(None) == []
    assert [one.grade for one in _interop(Interop(profile="P", passed=9))] == ["ok"]
    rows = tuple(InteropRow(path="/redfish/v1/Systems/1", name="Boot", grade="fail", text=f"{n}") for n in range(SHOWN + 2))
    checks = _interop(Interop(profile="P", failed=SHOWN + 2, rows=rows))
    assert [one.grade for one in checks] == ["warn"] * (SHOWN + 1)
    assert checks[-1].text == "2 more points of P are not met"
    assert BmcSaid().interop is None


def test_the_newest_profile(tmp_path: Path) -> None:
    assert profile_of(tmp_path) is None
    (tmp_path / "profiles").mkdir()
    for name in ("A.v1_0_0.json", "A.v1_1_0.json", "notes.txt"):
        (tmp_path / "profiles" / name).write_text("{}")
    assert profile_of(tmp_path) == tmp_path / "profiles" / "A.v1_1_0.json"


# -- the real one, where it is installed ---------------------------------------------------------------------------

PROFILE = {
    "SchemaDefinition": "RedfishInteroperabilityProfile.v1_8_0",
    "ProfileName": "Test",
    "ProfileVersion": "1.0.0",
    "OwningEntity": "test",
    "Purpose": "test",
    "Resources": {
        "ComputerSystem": {"PropertyRequirements": {"PowerState": {}, "AssetTag": {"ReadRequirement": "Mandatory"}}},
    },
}


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[RedfishBmc]:
    with RedfishFarm(certificate(tmp_path)) as farm:
        yield farm.add("127.0.0.1", 0, Machine())


@pytest.mark.client
def test_the_real_validator(bmc: RedfishBmc, tmp_path: Path) -> None:
    python = os.environ.get("CROWBAR_INTEROP_PYTHON") or interpreter()
    if not python:
        pytest.skip("the validator is not installed (pip install redfish_interop_validator)")
    profile = tmp_path / "Test.v1_0_0.json"
    told: dict[str, Any] = PROFILE
    profile.write_text(json.dumps(told))
    result = validated(python, profile, bmc.host, bmc.port, "root", "calvin")
    assert result.failure == ""
    assert [(one.path, one.name) for one in result.rows if one.grade == "fail"] == [("/redfish/v1/Systems/1", "/AssetTag")]
    assert result.passed
    wrong = validated(python, profile, bmc.host, bmc.port, "root", "not-the-word")
    assert wrong.failure
    assert "not-the-word" not in wrong.failure
