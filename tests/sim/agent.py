"""What an environment says to the engine: hello, then in sledgehammer the agent's calls, as `images/node/agent` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.effects import Welcome
from engine.events import Bye
from engine.jigs import Order

from . import boots, work
from .machine import Machine, Record

if TYPE_CHECKING:
    from .simulation import Simulation

PAUSE_S = 5.0


def up(sim: Simulation, machine: Machine, environment: str, nonce: str) -> None:
    sim.boots += 1
    machine.runs, machine.boot_id, machine.nonce = environment, f"b{machine.number}-{sim.boots}", nonce
    hello(sim, machine)


def hello(sim: Simulation, machine: Machine, tries: int = 0) -> None:
    """Until it is welcome. One that is refused asks again, ever more slowly."""
    scope = machine.scope

    def answered(answer: Any) -> None:
        if isinstance(answer, Welcome):
            machine.node, machine.token = answer.node, True
            if machine.runs == "sledgehammer":
                poll(sim, machine)
            for record in list(machine.records.values()) if machine.runs == "sledgehammer" else ():
                tell(sim, machine, record)
        else:
            sim.clock.after(min(PAUSE_S * 2**tries, 120.0), lambda: hello(sim, machine, min(tries + 1, 8)), scope)

    sim.net.request(machine, scope, lambda reply: sim.admin.hello(machine, machine.boot_id, machine.nonce, reply), answered)


def poll(sim: Simulation, machine: Machine) -> None:
    """Ask what is to be done, wait for the answer, ask again."""
    scope, node, boot_id = machine.scope, machine.node, machine.boot_id

    def answered(answer: Any) -> None:
        if answer == "refused":
            machine.token = False
            sim.clock.after(PAUSE_S, lambda: hello(sim, machine), scope)
            return
        if isinstance(answer, dict):
            if not _do(sim, machine, node, answer):
                return
            poll(sim, machine)
        else:
            sim.clock.after(1.0 if answer == "nothing" else PAUSE_S, lambda: poll(sim, machine), scope)

    sim.net.request(machine, scope, lambda reply: sim.admin.next(node, boot_id, reply), answered, timeout_s=80.0)


def _do(sim: Simulation, machine: Machine, node: str, body: dict[str, Any]) -> bool:
    """Carry out a command; False: this boot is at its end."""
    attempt = str(body.get("id", ""))
    record = machine.memory.get(attempt)
    match body["do"]:
        case "run" if record is None:
            _fetch(sim, machine, node, attempt)
        case "run" if record is not None:
            tell(sim, machine, record)
        case "query":
            if record is not None and record.ended is not None:
                tell(sim, machine, record)
            else:
                state = "lost" if record is None and attempt not in machine.fetching else "running"
                sim.counters.hit(f"the agent says {state}")
                said = {"state": state, "exit": 0}
                sim.net.request(
                    machine, machine.scope, lambda reply: sim.admin.result(node, machine.boot_id, attempt, said, reply), _ignore
                )
        case "ack":
            if record is not None and record.ended is not None:
                record.acknowledged = True
        case "prove":
            machine.note = str(body["text"])
            said = {"state": "ended", "exit": 0, "gives": {"way": "system-name"}}
            sim.net.request(machine, machine.scope, lambda reply: sim.admin.result(node, machine.boot_id, attempt, said, reply), _ignore)
        case "kexec" | "reboot":
            machine.nothing = (0, 0)
            bye(sim, machine)
            if body["do"] == "kexec" and machine.kexec and machine.system is not None:
                sim.counters.hit("kexec")
                boots.kexec(sim, machine)
            elif body["do"] == "reboot":
                sim.counters.hit("rebooted by its agent")
                boots.power_cycle(sim, machine)
            else:
                return True
            return False
    return True


def _ignore(_answer: Any) -> None:
    """Nobody waits for it."""


def bye(sim: Simulation, machine: Machine) -> None:
    if machine.token:
        event = Bye(node=machine.node, boot_id=machine.boot_id)
        sim.net.datagram(machine, lambda: sim.admin.submit(event))


def _fetch(sim: Simulation, machine: Machine, node: str, attempt: str) -> None:
    scope, boot_id = machine.scope, machine.boot_id

    def answered(answer: Any) -> None:
        machine.fetching.discard(attempt)
        if isinstance(answer, Order):
            if attempt not in machine.memory:
                work.begin(sim, machine, answer, machine.memory)
        elif answer is None:
            machine.fetching.add(attempt)
            sim.clock.after(PAUSE_S, ask, scope)

    def ask() -> None:
        sim.net.request(machine, scope, lambda reply: sim.admin.task(node, boot_id, attempt, reply), answered)

    if attempt not in machine.fetching:
        machine.fetching.add(attempt)
        ask()


def tell(sim: Simulation, machine: Machine, record: Record) -> None:
    """Tell how it ended, until it is acknowledged."""
    if record.ended is None or record.acknowledged or not machine.token or machine.runs != "sledgehammer":
        return
    scope, node, attempt, ended = machine.scope, machine.node, record.attempt, record.ended
    said = {"state": "ended", "exit": ended.exit, "gives": ended.gives, "message": ended.message, "after": ended.after, "log": "log"}

    def answered(answer: Any) -> None:
        if answer == "acknowledged":
            record.acknowledged = True
        else:
            sim.clock.after(PAUSE_S, lambda: tell(sim, machine, record), scope)

    if len(machine.told) < 64:
        machine.told.append((node, attempt, ended))
    sim.net.request(machine, scope, lambda reply: sim.admin.result(node, machine.boot_id, attempt, said, reply), answered)
