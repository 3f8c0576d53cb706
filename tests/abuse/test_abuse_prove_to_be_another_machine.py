"""The attacker has the nonce of a node's boot, so its machine speaks for the node. It wants its claim confirmed, and does not run on the node's
machine: it gets the challenge, and cannot write into the node's BMC from within."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from bmc_scene import BMCS, REACH, Scene, scene
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.roles import confirm
from engine.effects import Effect, Prove
from engine.events import Event, Operate, Proved
from engine.jigs.agent import AgentJig
from engine.jigs.logs import Logs
from engine.model import State
from engine.quirks import PROOF_PRODUCTS
from engine.racks.bmc.farms import in_band
from engine.racks.simulated.proof import prove
from engine.runtime.last_values import LastValues
from engine.runtime.proofs import Proofs
from engine.runtime.runner import Ports, Runner
from engine.trust.tokens import Keys
from engine.wire import agent
from engine.wire.agent import Ended
from engine.wire.reach import Reach

__all__ = ["scene"]

OWN, THIEF_S = f"{BMCS}.23", f"{BMCS}.66"
BOTH = pytest.mark.parametrize("protocol", ["ipmi", "redfish"])


class Claim:
    """The engine's side of a claim, with its real runner, mailbox and sockets; `agent` is whoever speaks for node n1."""

    def __init__(self, scene: Scene, folder: Path, protocol: str) -> None:
        self.scene = scene
        self.machine = scene.bmc(OWN, protocol, 1)
        self.events: list[Event] = []
        self._came = threading.Condition()
        scene.server(1, claim="c")
        scene.reports("n1", OWN)
        self.mailbox = AgentJig(self.submit, Logs(folder / "logs"))
        nothing: Any = None
        self.runner = Runner(
            Ports(
                submit=self.submit,
                world=lambda: scene.rig.world,
                send_dhcp=nothing,
                answer=nothing,
                jigs={"agent": self.mailbox},
                power=scene.orders,
                proofs=Proofs(Keys(b"k" * 32), self.mailbox, scene.orders),
                is_there=nothing,
                open_handle=nothing,
                secrets=tuple,
                reach=Reach(),
                last_values=LastValues(lambda: 0.0, lambda: 0.0),
            )
        )

    def submit(self, event: Event) -> bool:
        with self._came:
            self.events.append(event)
            self._came.notify_all()
        return True

    @property
    def rig(self) -> WorldRig:
        return self.scene.rig

    def allocate(self) -> agent.Prove:
        """The engine asks; what the agent gets."""
        self.rig.change("n1", allocated=True)
        return self.order(self.rig.feed(*again()))

    def order(self, effects: list[Effect]) -> agent.Prove:
        self.runner.run([one for one in effects if isinstance(one, Prove)])
        command, _ = self.mailbox.take("n1", "b1")
        assert isinstance(command, agent.Prove)
        return command

    def says(self, command_id: str, **said: Any) -> Proved:
        """The agent's answer, and what the engine finds."""
        before = len(self.events)
        assert self.mailbox.posted("n1", command_id, Ended(**said)) == "told"
        with self._came:
            assert self._came.wait_for(lambda: len(self.events) > before, 30.0)
        event = self.events[-1]
        assert isinstance(event, Proved)
        self.rig.feed(event)
        return event

    @property
    def confirmed(self) -> str:
        return self.rig.node("n1").confirmed


def again() -> list[Event]:
    return [Operate(who="op", verb="hold", node="n1"), Operate(who="op", verb="release", node="n1")]


@pytest.fixture
def claim(scene: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    made = Claim(scene, tmp_path, request.param)
    yield made
    made.runner.close()


def sims(claim: Claim, address: str) -> Any:
    """What runs on the machine with that BMC, as far as its bus is concerned."""
    for farm, port in ((claim.scene.ipmi, 623), (claim.scene.redfish, 443)):
        for one in farm.bmcs:  # type: ignore[attr-defined]
            if (one.host, one.port) == REACH(address, port):
                return type("Machine", (), {"bmc": staticmethod(in_band(one))})()
    raise AssertionError(address)


CLAIMS = pytest.mark.parametrize("claim", ["ipmi", "redfish"], indirect=True)
WROTE = {"exit": 0, "gives": {"way": "system-name", "record": 0}}


@CLAIMS
def test_the_node_s_own_machine_is_confirmed(claim: Claim) -> None:
    command = claim.allocate()
    result = prove(sims(claim, OWN), command.text, command.ways)
    found = claim.says(command.id, exit=result.exit, gives=result.gives)
    assert (found.failure, claim.confirmed, found.way) == (None, "bmc", "system-name")
    assert found.took_s < 2.0
    assert claim.machine.log == [], "nothing was ordered"


@pytest.mark.parametrize("claim", ["ipmi"], indirect=True)
def test_a_product_with_a_line_of_its_own_writes_as_that_says(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line begins as the machine's inventory names its maker and product."""
    monkeypatch.setitem(PROOF_PRODUCTS, "acme corp. server x", "sel-entry")
    claim.scene.rig.role("inventory", "n1", gave={"vendor": "ACME Corp.", "product": "Server X100"}, succeeded=True, state=State.ACTIVE)
    command = claim.allocate()
    assert command.ways == "sel-entry"
    result = prove(sims(claim, OWN), command.text, command.ways)
    found = claim.says(command.id, exit=result.exit, gives=result.gives)
    assert (found.failure, claim.confirmed, found.way) == (None, "bmc", "sel-entry")


@CLAIMS
def test_by_a_lie(claim: Claim) -> None:
    found = claim.says(claim.allocate().id, **WROTE)
    assert found.failure is not None
    assert (found.failure.code, claim.confirmed) == ("not_shown", "")


@CLAIMS
def test_by_its_own_bmc(claim: Claim) -> None:
    """The node's BMC is proven, so the attacker's report moves it nowhere."""
    own = claim.rig.node("n1").bmc
    assert own is not None
    claim.rig.change("n1", bmc=replace(own, proven=True))
    claim.scene.bmc(THIEF_S, "ipmi", 1)
    claim.scene.reports("n1", THIEF_S)
    command = claim.allocate()
    prove(sims(claim, THIEF_S), command.text, command.ways)
    found = claim.says(command.id, **WROTE)
    assert found.failure is not None
    assert (found.failure.code, claim.confirmed) == ("not_shown", "")


@CLAIMS
def test_by_an_older_challenge(claim: Claim) -> None:
    """The BMC still shows what the machine wrote when it was asked last."""
    command = claim.allocate()
    prove(sims(claim, OWN), command.text, command.ways)
    assert claim.says(command.id, **WROTE).failure is None
    claim.rig.change("n1", boot_id="b1", confirmed="", proof=None)
    newer = claim.order(claim.rig.feed(*again()))
    assert (newer.id, newer.text == command.text) == ("prove-2", False)
    found = claim.says(newer.id, **WROTE)
    assert found.failure is not None
    assert (found.failure.code, claim.confirmed) == ("not_shown", "")


@CLAIMS
@pytest.mark.parametrize(
    "said",
    [
        {"exit": 0, "gives": {}},
        {"exit": 0, "gives": {"way": "trust-me", "record": 0}},
        {"exit": 0, "gives": {"way": ["system-name"], "record": 0}},
        {"exit": 0, "gives": {"way": "sel-entry", "record": -1}},
        {"exit": 0, "gives": {"way": "sel-entry", "record": 10**30}},
        {"exit": 0, "gives": {"way": "sel-entry", "record": "1"}},
        {"exit": 1, "gives": {"way": "system-name"}, "message": "x" * 4096},
        {"exit": None, "state": "lost"},
    ],
)
def test_by_an_answer_that_is_none(claim: Claim, said: dict[str, Any]) -> None:
    packets = claim.scene.packets
    found = claim.says(claim.allocate().id, **said)
    assert found.failure is not None
    assert (found.failure.code, claim.confirmed) == ("not_written", "")
    assert claim.scene.packets == packets, "nobody asked the BMC"


@CLAIMS
def test_by_the_answer_to_another_challenge(claim: Claim) -> None:
    command = claim.allocate()
    prove(sims(claim, OWN), command.text, command.ways)
    claim.rig.feed(Proved(node="n1", number=7))
    assert claim.confirmed == ""
    for other in ("prove-2", "prove-0", "prove-", "prove-01"):
        assert not isinstance(claim.events[-1] if claim.mailbox.posted("n1", other, Ended(**WROTE)) != "told" else None, Proved)
    assert claim.confirmed == ""


@CLAIMS
def test_by_an_earlier_boot(claim: Claim) -> None:
    """The challenge is for one boot: nobody else gets it, and its answer confirms no later one."""
    claim.rig.change("n1", allocated=True)
    claim.runner.run([one for one in claim.rig.feed(*again()) if isinstance(one, Prove)])
    assert claim.mailbox.take("n1", "b0")[0] is None
    assert claim.mailbox.take("n1", "b1")[0] is None, "it was for a boot that another hello has ended"


@CLAIMS
def test_it_is_asked_three_times_and_not_for_ever(claim: Claim) -> None:
    command = claim.allocate()
    for number in range(2, confirm.TRIES + 1):
        claim.says(command.id, **WROTE)
        command = claim.order(claim.rig.tick("n1", confirm.AGAIN_S))
        assert command.id == f"prove-{number}"
    claim.says(command.id, **WROTE)
    assert [one for one in claim.rig.tick("n1", 1000.0) if isinstance(one, Prove)] == []
    notice = claim.rig.node("n1").notice
    assert notice is not None
    assert (notice.code, claim.confirmed) == ("not_proved", "")
