"""Each dialect against a simulated command line of its vendor, with the real netmiko over SSH: read, change, read back, keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_server import CliServer
from sim_ios import AosCxSim, ComwareSim, IosSim, SimSwitch
from sim_linux import LinuxSim
from sim_others import JunosSim, NvueSim, ProcurveSim
from thinned import thinned

from engine.core.hardware.port_table import OwnPath, PortWish, WantedPorts
from engine.switches.apply import SwitchByLine, apply, look
from engine.switches.dialects import DIALECTS
from engine.switches.session import NetmikoLine, SwitchTarget
from engine.switches.table import SwitchError

GI = [f"GigabitEthernet1/0/{n}" for n in range(1, 7)]
ETH = [f"Ethernet1/{n}" for n in range(1, 7)]
VENDORS: dict[str, tuple[Callable[[], SimSwitch], list[str]]] = {
    "cisco_ios": (lambda: IosSim("ios", GI), ["Gi1/0/1", "Gi1/0/2", "Gi1/0/3", "Gi1/0/4", "Gi1/0/5"]),
    "cisco_nxos": (lambda: IosSim("nxos", ETH), ETH[:5]),
    "arista_eos": (lambda: IosSim("eos", [f"Ethernet{n}" for n in range(1, 7)]), [f"Et{n}" for n in range(1, 6)]),
    "dell_os10": (lambda: IosSim("os10", [f"ethernet1/1/{n}" for n in range(1, 7)]), [f"ethernet1/1/{n}" for n in range(1, 6)]),
    "dell_sonic": (lambda: IosSim("sonic", [f"Ethernet{n}" for n in range(0, 24, 4)]), [f"Ethernet{n}" for n in range(0, 20, 4)]),
    "aruba_aoscx": (lambda: AosCxSim([f"1/1/{n}" for n in range(1, 7)]), [f"1/1/{n}" for n in range(1, 6)]),
    "hp_comware": (lambda: ComwareSim([f"Ten-GigabitEthernet1/0/{n}" for n in range(1, 7)]), [f"XGE1/0/{n}" for n in range(1, 6)]),
    "hp_procurve": (lambda: ProcurveSim([str(n) for n in range(1, 7)]), [str(n) for n in range(1, 6)]),
    "juniper_junos": (lambda: JunosSim([f"xe-0/0/{n}" for n in range(6)]), [f"xe-0/0/{n}" for n in range(5)]),
    "linux": (lambda: LinuxSim([f"swp{n}" for n in range(1, 7)]), [f"swp{n}" for n in range(1, 6)]),
    "cumulus": (lambda: NvueSim([f"swp{n}" for n in range(1, 7)]), [f"swp{n}" for n in range(1, 6)]),
}
PASSWORD = "s3cr3t-Pw"


class Bench:
    def __init__(self, vendor: str, folder: Path) -> None:
        make, self.names = VENDORS[vendor]
        self.vendor, self.sim, self.folder = vendor, make(), folder
        self.server = CliServer(self.sim)  # type: ignore[arg-type]

    def open(self, password: str = PASSWORD, host_key: str = "") -> NetmikoLine:
        target = SwitchTarget(name="tor1", address="127.0.0.1", port=self.server.port, password=password, host_key=host_key)
        return NetmikoLine(target, DIALECTS[self.vendor], self.folder / "hosts")

    def with_switch(self, work: Callable[[SwitchByLine], Any]) -> Any:
        line = self.open()
        try:
            return work(SwitchByLine(line, DIALECTS[self.vendor]))
        finally:
            line.close()

    @property
    def truth(self) -> list[tuple[int, list[int], str]]:
        return [(untagged, sorted(tagged), lag) for untagged, tagged, lag in self.sim.truth().values()]


@pytest.fixture(params=sorted(VENDORS))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    found = Bench(request.param, tmp_path)
    yield found
    found.server.close()


@pytest.fixture
def ios(tmp_path: Path) -> Iterator[Bench]:
    found = Bench("cisco_ios", tmp_path)
    yield found
    found.server.close()


def wish(names: list[str], own: OwnPath | None = None) -> WantedPorts:
    a, b, c, d, e = names
    return WantedPorts(
        ports=(
            PortWish(port=a, tagged=(10, 20, 21, 22), description="node-1 10g0"),
            PortWish(port=b, untagged=30, description="node-2 bmc"),
            PortWish(port=c, tagged=(200,), lag="node-3 bond", mode="lacp", description="node-3 10g0"),
            PortWish(port=d, tagged=(200,), lag="node-3 bond", mode="lacp", description="node-3 10g1"),
            PortWish(port=e, tagged=(10,), untagged=30),
        ),
        own=own or OwnPath(),
    )


def test_a_switch_becomes_what_the_plan_wants(bench: Bench) -> None:
    said: list[str] = []
    want = wish(bench.names)
    before = bench.truth[5]

    def both(switch: SwitchByLine) -> None:
        assert look(switch, want).left
        apply(switch, want, said.append)

    bench.with_switch(both)
    one, two, three, four, five, last = bench.truth
    assert one == (1, [10, 20, 21, 22], "")
    assert two == (30, [], "")
    assert three == four
    assert three[:2] == (1, [200]), "frames without a tag still pass: the machine boots by them"
    assert three[2]
    assert five == (30, [10], "")
    assert last == before, "a port that the plan does not name was changed"
    assert bench.sim.saved == bench.sim.truth() or bench.vendor == "linux", "a Linux bridge keeps nothing"
    assert said[-1] == "read back as wanted, and saved"
    assert PASSWORD not in " ".join([*said, *bench.server.lines])
    typed = len(bench.server.lines)
    again: list[str] = []
    bench.with_switch(lambda switch: apply(switch, want, again.append))
    assert again == ["the switch is as wanted"]
    assert not [line for line in bench.server.lines[typed:] if line.startswith(("conf", "system-view", "nv set", "write", "save"))]


def test_what_the_plan_no_longer_wants_goes(bench: Bench) -> None:
    bench.with_switch(lambda switch: apply(switch, wish(bench.names), lambda _: None))
    a, _, c, d, e = bench.names
    later = WantedPorts(
        ports=(
            PortWish(port=a, tagged=(20, 300)),
            PortWish(port=c, tagged=(200,)),
            PortWish(port=d, tagged=(201,)),
            PortWish(port=e, untagged=31),
        )
    )
    bench.with_switch(lambda switch: apply(switch, later, lambda _: None))
    one, two, three, four, five, _ = bench.truth
    assert one == (1, [20, 300], "")
    assert two == (30, [], ""), "a port that the plan names no longer stays as it is"
    assert (three[1:], four[1:]) == (([200], ""), ([201], ""))
    assert five == (31, [], "")


@pytest.mark.parametrize("bench", thinned(sorted(VENDORS), each=4), indirect=True)
def test_the_own_way_is_never_cut(bench: Bench) -> None:
    want = wish(bench.names, OwnPath(port=bench.names[0]))
    before = bench.truth[0]
    applied = bench.with_switch(lambda switch: apply(switch, want, lambda _: None))
    assert bench.truth[0][0] == before[0]
    assert set(bench.truth[0][1]) >= set(before[1])
    assert bench.vendor == "cumulus" or bench.truth[0] == before, "a port of a VLAN-aware bridge carries new VLANs, too"
    assert len(applied.left.refused) == 1
    assert "the engine's own cable ends there" in applied.left.refused[0]
    assert bench.truth[1] == (30, [], ""), "the others are set all the same"


def test_a_line_that_is_refused_ends_it_and_nothing_is_saved(ios: Bench) -> None:
    original = ios.sim._port  # type: ignore[attr-defined]
    ios.sim._port = lambda port, text: "% Invalid input detected at '^' marker." if "allowed" in text else original(port, text)  # type: ignore[attr-defined]
    with pytest.raises(SwitchError, match="did not take") as caught:
        ios.with_switch(lambda switch: apply(switch, wish(ios.names), lambda _: None))
    assert caught.value.code == "not_obeyed"
    assert ios.sim.saved is None


def test_a_switch_that_only_nods_is_found_out(ios: Bench) -> None:
    ios.sim._port = lambda port, text: ""  # type: ignore[attr-defined]
    with pytest.raises(SwitchError, match="reads back as something else"):
        ios.with_switch(lambda switch: apply(switch, wish(ios.names), lambda _: None))
    assert ios.sim.saved is None


def test_a_wrong_password_says_so_without_the_password(ios: Bench) -> None:
    with pytest.raises(SwitchError) as caught:
        ios.open("wrong-Pw")
    assert caught.value.code == "login"
    assert "wrong-Pw" not in str(caught.value)


def test_another_host_key_is_refused(ios: Bench) -> None:
    ios.open().close()
    ios.server.new_key()
    with pytest.raises(SwitchError) as caught:
        ios.open()
    assert caught.value.code == "refused", caught.value


def test_nobody_there(ios: Bench) -> None:
    ios.server.close()
    with pytest.raises(SwitchError) as caught:
        ios.open()
    assert caught.value.code == "unreachable"


def test_the_wrong_driver_is_no_empty_switch(tmp_path: Path) -> None:
    """A configuration without ports must not read as a switch that has none."""
    bench = Bench("cisco_ios", tmp_path)
    try:
        bench.sim.running = lambda: "version 15.2\nhostname tor1\n"  # type: ignore[attr-defined]
        with pytest.raises(SwitchError, match="shows no port"):
            bench.with_switch(lambda switch: switch.read())
    finally:
        bench.server.close()


SOME = 4
"""Steps at which a run is disturbed."""


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["cisco_ios", "cumulus", "juniper_junos"])
@pytest.mark.parametrize("how", ["refused", "cut"])
def test_an_error_or_a_cut_at_each_step(vendor: str, how: str, tmp_path: Path) -> None:
    """After either, a next run comes to the same as one clean run, and nothing half done was saved."""
    bench = Bench(vendor, tmp_path)
    try:
        want = wish(bench.names)
        bench.with_switch(lambda switch: apply(switch, want, lambda _: None))
        clean = [(*one[:2], bool(one[2])) for one in bench.truth]
        words = ("vlan", "interface", "switchport", "channel", "sudo -n nv set", "set vlans", "set interfaces")
        changing = [line for line in bench.server.lines if line.startswith(words)]
        assert len(changing) > SOME
        for step in sorted({len(changing) * i // SOME for i in range(SOME)}):
            bench.sim = VENDORS[vendor][0]()
            bench.server.cli = bench.sim  # type: ignore[assignment]
            bench.server.fault = Fault(vendor, how, step, changing)
            with pytest.raises(SwitchError):
                bench.with_switch(lambda switch: apply(switch, want, lambda _: None))
            assert bench.sim.saved is None, changing[step]
            bench.server.fault = lambda _line: ""
            bench.with_switch(lambda switch: apply(switch, want, lambda _: None))
            assert [(*one[:2], bool(one[2])) for one in bench.truth] == clean, changing[step]
    finally:
        bench.server.close()


class Fault:
    """Disturbs one of the lines that change something."""

    def __init__(self, vendor: str, how: str, step: int, changing: list[str]) -> None:
        complaint = {"juniper_junos": "syntax error.", "cumulus": "Error: no"}.get(vendor, "% Invalid input detected")
        self.answer, self.step, self.changing, self.count = "cut" if how == "cut" else complaint, step, changing, 0

    def __call__(self, line: str) -> str:
        if line not in self.changing:
            return ""
        self.count += 1
        return self.answer if self.count == self.step + 1 else ""


def test_an_empty_answer_is_asked_for_again(tmp_path: Path) -> None:
    bench = Bench("hp_comware", tmp_path)
    asked: list[str] = []

    def once(line: str) -> str:
        asked.append(line)
        return " " if asked.count("display current-configuration") == 1 and line == "display current-configuration" else ""

    bench.server.fault = once
    try:
        have = bench.with_switch(lambda switch: switch.read())
    finally:
        bench.server.close()
    assert len(have.ports) == 6
    assert asked.count("display current-configuration") == 2
