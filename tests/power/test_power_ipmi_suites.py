"""IPMI: cipher suites, old versions, unknown commands."""

from __future__ import annotations

from typing import Any

import pytest
from ipmi_rig import open_session, power_of

from engine.power import PowerDone, PowerFailed, PowerState
from engine.power.ipmi_session import IpmiSession
from engine.racks.bmc import commands as bmc_commands
from engine.racks.bmc import ipmi as simulated
from engine.racks.bmc import session as bmc_session
from engine.racks.bmc.ipmi import BmcFarm


def test_only_one_suite(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bmc_session.suite_of
    for only in (3, 17):
        chosen: list[int] = []

        def suite_of(request: bytes, only: int = only, chosen: list[int] = chosen) -> bmc_session.Suite | None:
            suite = whole(request)
            chosen.append(suite.id if suite else 0)
            return suite if suite and suite.id == only else None

        monkeypatch.setattr(simulated, "suite_of", suite_of)
        assert isinstance(power_of(farm.add("127.0.0.1", 0, machine).port).read(), PowerDone)
        assert chosen == ([17, 3] if only == 3 else [17])


def test_a_bmc_that_answers_suite_3_whatever_is_offered(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "suite_of", lambda _request: bmc_session.SUITES[0])
    assert isinstance(power_of(farm.add("127.0.0.1", 0, machine).port).read(), PowerDone)


def test_a_bmc_of_ipmi_1_5_is_unsupported(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    old = (lambda *_: (0, b"\x01\x04\x04\x00\x00\x00\x00\x00")), 2, 0
    monkeypatch.setitem(bmc_commands.Commands._TABLE, (0x06, 0x38), old)
    result = power_of(farm.add("127.0.0.1", 0, machine).port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "unsupported"


def test_an_unknown_command_is_unsupported_and_boot_flags_are_optional_to_read(
    farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ((0x00, 0x09), (0x00, 0x04)):
        monkeypatch.delitem(bmc_commands.Commands._TABLE, command)
    power = power_of(farm.add("127.0.0.1", 0, machine).port)
    assert power.read() == PowerDone(state=PowerState.OFF)
    result = power.identify(1)
    assert isinstance(result, PowerFailed)
    assert result.kind == "unsupported"


def test_no_free_session_is_refused(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    held = [open_session(bmc.port, 60.0) for _ in range(16)]
    result = power_of(bmc.port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "refused"
    for session in held:
        session.logout()
    assert isinstance(power_of(bmc.port).read(), PowerDone)


def test_a_mistake_inside_is_a_failure_and_not_an_exception(
    farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    for method in ("command", "_got_rakp2"):
        with monkeypatch.context() as patch:
            patch.setattr(IpmiSession, method, lambda *_: 1 // 0)
            result = power_of(bmc.port).read()
        assert isinstance(result, PowerFailed)
        assert "ZeroDivisionError" in result.message
    assert caplog.text.count("talking to the BMC") == 2
    assert isinstance(power_of(bmc.port).read(), PowerDone)
