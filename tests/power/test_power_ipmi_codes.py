"""IPMI with completion codes that are not as the specification has them: what reads back counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.power import Pace, PowerDone, PowerFailed, PowerState
from engine.power.gate import Gates, Limits
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.racks.bmc.commands import Commands
from engine.racks.bmc.ipmi import BmcFarm

CONTROL, STATUS, SET_BOOT = (0x00, 0x02), (0x00, 0x01), (0x00, 0x08)
Before = Callable[[Commands, bytes], tuple[int, bytes] | None]


def power_of(port: int) -> IpmiPower:
    target = IpmiTarget(address="127.0.0.1", port=port, user="root", password="calvin")
    return IpmiPower(target, gates=Gates(limits=Limits(burst=1000)), pace=Pace(rest_s=0.0, poll_s=0.05))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int], Before], None]:
    """Has a command answered by a function, or where that says None as ever."""

    def changed(command: tuple[int, int], before: Before) -> None:
        method, least, privilege = Commands._TABLE[command]
        monkeypatch.setitem(Commands._TABLE, command, (lambda self, data: before(self, data) or method(self, data), least, privilege))

    return changed


@pytest.mark.parametrize("code", [0xD5, 0xFF, 0xC1, 0xCC])
def test_refused_and_done_already(farm: BmcFarm, machine: Any, answers: Any, code: int) -> None:
    """The machine is on when the order comes; or it goes on with it, and the answer is wrong."""
    answers(CONTROL, lambda self, data: (self.chassis.power("on" if data[0] == 1 else "off"), (code, b""))[1])
    power = power_of(farm.add("127.0.0.1", 0, machine).port)
    for action, found in (("on", PowerState.ON), ("on", PowerState.ON), ("off", PowerState.OFF), ("off", PowerState.OFF)):
        assert power.set(action) == PowerDone(state=found)  # type: ignore[arg-type]


def test_refused_and_not_done(farm: BmcFarm, machine: Any, answers: Any) -> None:
    answers(CONTROL, lambda _, __: (0xD5, b""))
    power = power_of(farm.add("127.0.0.1", 0, machine).port)
    refused = power.set("on")
    assert isinstance(refused, PowerFailed)
    assert refused.kind == "refused"
    assert "D5h" in refused.message
    assert machine.log == []


@pytest.mark.parametrize("code", [0xC0, 0xC3, 0xCE, 0xD2])
@pytest.mark.parametrize("command", [STATUS, CONTROL, SET_BOOT])
def test_a_busy_bmc_is_asked_again(farm: BmcFarm, machine: Any, answers: Any, code: int, command: tuple[int, int]) -> None:
    busy = [1, 1]
    answers(command, lambda _, __: (code, b"") if busy and busy.pop() else None)
    power = power_of(farm.add("127.0.0.1", 0, machine).port)
    assert power.boot("network", persistent=False, uefi=None) == PowerDone(state=PowerState.ON, boot_device="network")
    assert not busy


def test_a_boot_order_with_the_wrong_code(farm: BmcFarm, machine: Any, answers: Any) -> None:
    def kept(self: Commands, data: bytes) -> tuple[int, bytes] | None:
        return (self._set_boot(data), (0xFF, b""))[1] if data[0] == 5 else None

    answers(SET_BOOT, kept)
    power = power_of(farm.add("127.0.0.1", 0, machine).port)
    assert power.set_boot("disk", persistent=True, uefi=True) == PowerDone(
        state=PowerState.OFF, boot_device="disk", persistent=True, uefi=True
    )
    answers(SET_BOOT, lambda _, data: (0xFF, b"") if data[0] == 5 else None)
    refused = power.set_boot("network", persistent=False, uefi=None)
    assert isinstance(refused, PowerFailed)
    assert refused.kind == "refused"


# -- the identify light (sections 28.2 and 28.5) ----------------------------------------------------------------------


def test_a_bmc_without_a_light(farm: BmcFarm, machine: Any, answers: Any) -> None:
    answers((0x00, 0x04), lambda _, __: (0xC1, b""))
    refused = power_of(farm.add("127.0.0.1", 0, machine).port).identify(30)
    assert isinstance(refused, PowerFailed)
    assert refused.kind == "unsupported"
    assert refused.message


@pytest.mark.parametrize(("shown", "kind"), [(0x40, "not_obeyed"), (0x50, ""), (0x60, ""), (0x00, ""), (0x20, "")])
def test_a_light_is_read_back_where_the_bmc_reports_it(farm: BmcFarm, machine: Any, answers: Any, shown: int, kind: str) -> None:
    """Without bit 6 the state says nothing, and the BMC is believed."""
    answers(STATUS, lambda _, __: (0x00, bytes((1, 0, shown, 0))))
    found = power_of(farm.add("127.0.0.1", 0, machine).port).identify(30)
    assert machine.log == [("identify", 30)]
    assert found.kind == kind if isinstance(found, PowerFailed) else not kind
