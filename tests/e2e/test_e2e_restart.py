"""What an engine that has just started must not do: order again by power what a command can still do, or fail what it only has not ordered again yet."""

from __future__ import annotations

from pathlib import Path

from crowbar_process import wait_until
from fake_machine import FakeMachine, running
from msgspec.structs import replace

from engine.events import Happened, Started
from engine.model import Boot, Intent, Signal, Way
from engine.runtime.engine import Engine
from engine.store.store import Store


def test_a_kexec_that_a_killed_engine_had_ordered_is_ordered_again(store: Path) -> None:
    """The order lay in the dead engine's process, which had said `powered` of it. The engine after it orders it again by itself, and the
    machine obeys it once."""
    with running(store) as engine:
        machine = FakeMachine(engine, 1)
        machine.script()
        assert machine.hello("boot-a").status == 200
        node = engine.world.nodes[machine.node]
    boot = Boot(
        generation=node.intent.generation + 1,
        way=Way.KEXEC,
        environment="debian-12",
        ordered=True,
        signal=Signal.POWERED,
        at=0.0,
        deadline=1e6,
    )
    intent = Intent(environment="debian-12", generation=boot.generation)
    with Store.open(store) as kept:
        booting = replace(node, boot=boot, intent=intent, runs="", alive=False, kexec=True, signal=Signal.POWERED)
        happened = Happened(0.0, kept.now(), Started(installation="", admin="admin"))
        kept.commit([(happened, [("nodes", node.id, booting)])])
    with running(store) as engine:
        machine = replace_engine(machine, engine)
        seen: list[str] = []

        def told() -> bool:
            seen.append(machine.next()["do"])
            return seen[-1] == "kexec"

        wait_until(told, lambda: str(seen), 30)
        assert engine.world.nodes[node.id].boot == boot, "no other order, and no power button"


def test_an_attempt_that_was_handed_out_and_not_fetched_is_handed_out_again(store: Path) -> None:
    """The order was on its way when the engine was killed."""
    with running(store) as engine:
        machine = FakeMachine(engine, 1)
        machine.script()
        assert machine.hello("boot-a").status == 200
        first = machine.next()
    with running(store) as engine:
        machine = replace_engine(machine, engine)
        again = machine.next()
        assert again["id"] == first["id"]
        assert again["do"] == "run"
        assert machine.call("GET", f"/agent/task/{again['id']}", token=machine.token).status == 200


def replace_engine(machine: FakeMachine, engine: Engine) -> FakeMachine:
    """The same machine, whose engine is another one by now."""
    fresh = FakeMachine(engine, 1)
    fresh.token, fresh.node, fresh.nonce = machine.token, machine.node, machine.nonce
    return fresh
