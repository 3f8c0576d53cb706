"""The operator's hand on a node's power: parked when switched off, booted when switched on, and never a death that the engine fights."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL, plan
from msgspec.structs import replace
from rack import Rack

from engine import reasons
from engine.core.operator import light
from engine.core.roles.guards import blockers
from engine.core.roles.stages import node_state
from engine.effects import Accept, BootNode, Effect, Identify, Probe, Refuse, SetPower, Start
from engine.events import Operate, PowerSet, Spoken
from engine.model import Node, State
from engine.requests import Asker, Request


class PowerRack(Rack):
    """A rack whose BMCs obey operators as well."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.asked: list[SetPower | Identify] = []
        self.dead = False
        self.spoken: Spoken = ""
        super().__init__(*args, **more)

    def carry_out(self, effect: Effect) -> None:
        if isinstance(effect, SetPower | Identify):
            self.asked.append(effect)
            self.after(2.0, lambda: self._obey(effect), "engine")
        super().carry_out(effect)

    def _obey(self, effect: SetPower | Identify) -> None:
        machine = self.machine_of(effect.node)
        assert machine is not None
        action = effect.action if isinstance(effect, SetPower) else "identify"
        seconds = effect.seconds if isinstance(effect, Identify) else 0
        if self.dead:
            failure = reasons.power_failed(node=effect.node, address="10.0.1.1", message="unreachable: no answer")
            self.feed(PowerSet(node=effect.node, action=action, who=effect.who, request=effect.request, failure=failure, seconds=seconds))
            return
        if action in ("off", "soft"):
            self.off(machine)
        state = "off" if action in ("off", "soft") else "on"
        told = PowerSet(node=effect.node, action=action, who=effect.who, request=effect.request, state=state, seconds=seconds)
        self.feed(replace(told, bmc=self.spoken))

    def verb(self, verb: str, value: Any = None) -> list[Effect]:
        return self.feed(Operate(request=Request(Asker.OPERATOR, 7), who="ada", verb=verb, node="n1", value=value))

    def answered(self, verb: str, value: Any = None) -> Effect:
        """The answer, now or after the outcome."""
        before = len(self.effects)
        self.verb(verb, value)
        self.run(lambda: any(isinstance(e, Accept | Refuse) for e in self.effects[before:]), seconds=60.0)
        return next(e for e in self.effects[before:] if isinstance(e, Accept | Refuse))

    @property
    def node(self) -> Node:
        return self.world.nodes["n1"]


@pytest.fixture()
def ready() -> PowerRack:
    rack = PowerRack(USUAL, plan(), nodes=1, seed=1)
    assert rack.run(), "\n".join(rack.state())
    return rack


def test_off_parks_the_node_and_nothing_fights_it(ready: PowerRack) -> None:
    boots = sum(isinstance(e, BootNode) for e in ready.effects)
    answer = ready.answered("power", "off")
    assert answer == Accept(request=Request(Asker.OPERATOR, 7), message=f"{ready.node.name} is off")
    assert ready.node.off is not None
    assert (ready.node.off.who, ready.node.off.done) == ("ada", True)
    assert (ready.node.runs, ready.node.alive, ready.node.boot) == ("", False, None)
    seen = len(ready.effects)
    assert not ready.run(lambda: False, seconds=7200.0)
    assert [e for e in ready.effects[seen:] if isinstance(e, BootNode | Probe | Start)] == []
    assert sum(isinstance(e, BootNode) for e in ready.effects) == boots
    assert ready.node.problem is None
    assert node_state(ready.world, ready.node) == "hold"
    waiting = [r for r in ready.world.node_roles.values() if r.node == "n1" and blockers(ready.world, r) and r.recheck]
    assert waiting
    assert "powered_off" in {r.code for r in blockers(ready.world, waiting[0])}
    ready.indexes_agree()


def test_on_boots_it_into_what_it_was(ready: PowerRack) -> None:
    ready.answered("power", "off")
    answer = ready.answered("power", "on")
    assert isinstance(answer, Accept)
    assert ready.node.off is None
    assert ready.node.boot is not None
    assert ready.node.boot.environment == "debian-12"
    assert ready.run(seconds=7200.0), "\n".join(ready.state())
    assert node_state(ready.world, ready.node) == "ready"
    assert ready.machines[0].wipes == {"raid-configure": 1, "os-install": 1}
    ready.indexes_agree()


def test_an_order_that_fails_parks_nothing(ready: PowerRack) -> None:
    ready.dead = True
    answer = ready.answered("power", "off")
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "power_failed"
    assert ready.node.off is None
    assert ready.run(seconds=7200.0), "\n".join(ready.state())
    assert ready.node.alive


def test_a_restart_gives_an_order_that_was_not_read_back_again(ready: PowerRack) -> None:
    ready.verb("power", "soft")
    before = len(ready.asked)
    ready.restart()
    ready.run(lambda: ready.node.off is not None and ready.node.off.done, seconds=60.0)
    assert [e.action for e in ready.asked[before:] if isinstance(e, SetPower)] == ["soft"]
    assert ready.node.off is not None
    assert ready.node.off.done
    count = len(ready.asked)
    ready.restart()
    ready.run(lambda: False, seconds=60.0)
    assert len(ready.asked) == count, "what was read back is not ordered again"


def test_who_presses_the_button_ends_the_parking(ready: PowerRack) -> None:
    ready.answered("power", "off")
    ready.power_on(ready.machines[0], disk=True)
    assert ready.run(seconds=7200.0), "\n".join(ready.state())
    assert ready.node.off is None
    assert node_state(ready.world, ready.node) == "ready"


def test_a_boot_rom_that_asks_while_it_is_switched_off_changes_nothing() -> None:
    rack = PowerRack(USUAL, plan(), nodes=1, seed=1)
    assert rack.run(lambda: "n1" in rack.world.nodes and rack.node.bmc is not None, seconds=3600.0)
    assert rack.run(lambda: rack.node.boot is not None, seconds=3600.0), "\n".join(rack.state())
    rack.verb("power", {"action": "off", "force": True})
    rack._rom(rack.machines[0])
    rack.run(lambda: rack.node.off is not None and rack.node.off.done, seconds=60.0)
    assert rack.node.off is not None
    assert rack.node.boot is None


def test_cycle_is_a_fresh_boot_and_forgets_a_problem(ready: PowerRack) -> None:
    boot_id = ready.node.boot_id
    answer = ready.answered("power", "cycle")
    assert isinstance(answer, Accept)
    assert ready.node.boot is not None
    assert ready.node.intent.fresh
    assert ready.run(seconds=7200.0), "\n".join(ready.state())
    assert ready.node.boot_id != boot_id
    assert ready.node.problem is None


@pytest.mark.parametrize("action", ["off", "soft", "cycle"])
def test_a_running_attempt_is_not_cut_off_unless_forced(action: str) -> None:
    rack = PowerRack(USUAL, plan(), nodes=1, seed=1)

    def running() -> bool:
        return any(r.state is State.TRANSITION and r.role == "raid-configure" for r in rack.world.node_roles.values())

    assert rack.run(running, seconds=7200.0)
    refused = rack.answered("power", action)
    assert isinstance(refused, Refuse)
    assert refused.reason == reasons.busy(node=rack.node.name, what="raid-configure is running")
    assert rack.node.off is None
    forced = rack.answered("power", {"action": action, "force": True})
    assert isinstance(forced, Accept), forced
    if action != "cycle":
        rack.answered("power", "on")
    rack.bring_up()
    assert rack.machines[0].wipes["raid-configure"] <= 2


def test_status_and_light(ready: PowerRack) -> None:
    before = ready.node
    assert ready.answered("power", "status") == Accept(request=Request(Asker.OPERATOR, 7), message=f"{before.name} is on")
    assert ready.answered("identify", 15) == Accept(
        request=Request(Asker.OPERATOR, 7), message=f"the light of {before.name} blinks for 15 s"
    )
    assert [e.seconds for e in ready.asked if isinstance(e, Identify)] == [15]
    assert replace(ready.node, light=None) == before


@pytest.mark.parametrize("spoken", ["ipmi", "redfish"])
def test_a_light_goes_off_by_itself(ready: PowerRack, spoken: Any) -> None:
    """By Redfish the engine turns it off: Redfish knows no duration."""
    ready.spoken = spoken
    ready.answered("identify")
    light = ready.node.light
    assert light is not None
    assert light.who == "ada"
    assert light.ends == 1000.0 + light.until  # the rack's wall clock
    assert 59 < light.until - ready.now <= 60
    assert ready.run(lambda: ready.node.light is None, seconds=120.0)
    assert ready.now >= light.until
    assert lights(ready) == ([60] if spoken == "ipmi" else [60, 0])


def test_the_same_key_ends_it(ready: PowerRack) -> None:
    ready.answered("identify", 200)
    off = ready.answered("identify")
    assert off == Accept(request=Request(Asker.OPERATOR, 7), message=f"the light of {ready.node.name} is off")
    assert ready.node.light is None
    ready.answered("identify")
    assert lights(ready) == [200, 0, 60]


def test_a_light_that_does_not_go_off(ready: PowerRack) -> None:
    ready.spoken = "redfish"
    ready.answered("identify", 5)
    ready.dead = True
    assert not ready.run(lambda: ready.node.light is None, seconds=600.0)
    assert lights(ready) == [5, *[0] * light.TRIES]
    told = ready.node.light
    assert told is not None
    assert told.failure is not None
    assert told.failure.code == "power_failed"
    ready.dead = False
    ready.answered("identify")
    assert ready.node.light is None


@pytest.mark.parametrize("spoken", ["ipmi", "redfish"])
def test_a_node_whose_light_only_the_engine_turns_off_is_not_deleted(ready: PowerRack, spoken: Any) -> None:
    ready.spoken = spoken
    ready.answered("identify")
    answer = ready.answered("delete")
    if spoken == "ipmi":
        assert isinstance(answer, Accept), "its BMC counts the seconds"
        return
    assert answer == Refuse(request=Request(Asker.OPERATOR, 7), reason=reasons.light_on(node=ready.node.name))
    ready.answered("identify", 0)
    assert isinstance(ready.answered("delete"), Accept)


def test_a_light_is_off_after_a_restart(ready: PowerRack) -> None:
    ready.spoken = "redfish"
    ready.answered("identify", 5)
    ready.restart()
    assert ready.run(lambda: ready.node.light is None, seconds=120.0)


def test_a_bmc_without_a_light(ready: PowerRack) -> None:
    ready.dead = True
    assert isinstance(refused := ready.answered("identify"), Refuse)
    assert refused.reason.code == "power_failed"
    assert ready.node.light is None


def lights(rack: PowerRack) -> list[int]:
    return [e.seconds for e in rack.asked if isinstance(e, Identify)]


@pytest.mark.parametrize(
    ("verb", "value"), [("power", "burn"), ("power", None), ("power", {"force": True}), ("identify", 999), ("identify", True)]
)
def test_nonsense_is_refused_and_orders_nothing(ready: PowerRack, verb: str, value: Any) -> None:
    answer = ready.answered(verb, value)
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "bad_value"
    assert ready.asked == []


def test_no_power_over_this_machine_or_one_without_a_bmc(ready: PowerRack) -> None:
    refused = ready.operate("power", "admin", value="off")
    assert isinstance(refused, Refuse)
    assert refused.reason.code == "illegal"
    rack = PowerRack(USUAL, plan(), nodes=1, seed=1)
    assert rack.run(lambda: "n1" in rack.world.nodes)
    assert rack.node.bmc is None
    answer = rack.answered("power", "off")
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "no_power"


def test_what_a_bmc_speaks_is_remembered_until_it_is_silent(ready: PowerRack) -> None:
    bmc = ready.node.bmc
    assert bmc is not None
    assert bmc.protocol == ""
    for spoken, kept in (("redfish", "redfish"), ("", "redfish"), ("unknown", ""), ("ipmi", "ipmi")):
        ready.feed(PowerSet(node="n1", action="status", who="ada", state="on", bmc=spoken))  # type: ignore[arg-type]
        assert ready.node.bmc is not None
        assert ready.node.bmc == replace(bmc, protocol=kept)


@pytest.mark.parametrize(
    ("read", "shown"),
    [
        ([-300], -300),
        ([59], 0),
        ([-59], 0),
        ([60], 60),
        ([300, 330], 300),
        ([300, 361], 361),
        ([300, 2], 0),
        ([300, None], 300),
        ([None], 0),
        ([-220_000_000], -220_000_000),
    ],
)
def test_the_clock_of_a_bmc_is_kept_where_it_is_wrong(ready: PowerRack, read: list[int | None], shown: int) -> None:
    for off_s in read:
        ready.feed(PowerSet(node="n1", action="status", who="ada", state="on", bmc="redfish", clock_off_s=off_s))
    bmc = ready.node.bmc
    assert bmc is not None
    assert bmc.clock_off_s == shown
