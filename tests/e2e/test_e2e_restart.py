"""What an engine that has just started must not do: order again by power what a command can still do, or fail what it only has not ordered again yet."""

from __future__ import annotations

from pathlib import Path

from crowbar_process import wait_until
from fake_machine import FakeMachine, running
from msgspec.structs import replace

from engine.effects import BootNode
from engine.engine import Engine
from engine.model import Way


def test_a_kexec_that_a_killed_engine_had_ordered_is_ordered_again(store: Path) -> None:
    """Nobody was heard yet by the engine that comes after it, though the agent is there: no reason to use the power button."""
    with running(store) as engine:
        machine = FakeMachine(engine, 1)
        machine.script()
        assert machine.hello("boot-a").status == 200
        node = engine.world.nodes[machine.node]
    with running(store) as engine:
        order = BootNode(node=node.id, generation=1, way=Way.KEXEC, environment="debian-12")
        outcome = engine._power.carry_out(order, replace(node, kexec=True))
        assert outcome.failure is None
        machine = replace_engine(machine, engine)
        seen: list[str] = []

        def told() -> bool:
            seen.append(machine.next()["do"])
            return seen[-1] == "kexec"

        wait_until(told, lambda: str(seen), 30)


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
