"""Mailboxes of nodes."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from jig_orders import Inbox, order, role_folder

from engine import reasons
from engine.events import Outcome
from engine.jigs.agent import MAX_COMMANDS, MAX_ORDERS, AgentJig
from engine.jigs.logs import Logs
from engine.wire.agent import Ack, Ended, Kexec, Query, Reboot, Run


class Rig:
    def __init__(self, tmp_path: Path) -> None:
        self.inbox = Inbox()
        self.logs = Logs(tmp_path / "logs")
        self.now = 100.0
        self.woken: list[str] = []
        self.told: set[tuple[str, str]] = set()
        self.boot = 0
        self.jig = AgentJig(self.inbox, self.logs, lambda: self.now, open_boot=lambda _node: self.boot)
        self.jig.listen(self.woken.append, lambda node, attempt: (node, attempt) in self.told)

    def take(self, boot_id: str = "boot-1", node: str = "n1") -> object:
        return self.jig.take(node, boot_id)[0]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_run_task_result_acknowledge(rig: Rig, tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "true")
    rig.jig.start(order(folder=folder, gives=("size",), timeout_s=59.2))
    assert rig.woken == ["n1"]
    assert rig.take() == Run(id="ab-1.0", timeout=60)
    assert rig.jig.task("n1", "ab-1.0") is not None
    assert rig.jig.take("n1", "boot-1") == (None, math.inf)
    assert rig.jig.posted("n1", "ab-1.0", Ended(exit=0, gives={"size": 4})) == "wait"
    assert rig.inbox.outcomes == [Outcome(attempt="ab-1.0", node="n1", what="done", gives={"size": 4})]
    rig.jig.acknowledge("ab-1.0", "n1")
    assert rig.take() == Ack(id="ab-1.0")
    assert rig.take() is None
    assert rig.jig.task("n1", "ab-1.0") is None
    assert rig.jig.knows("n1", "ab-1.0") is False


def test_an_acknowledgement_that_a_call_carries_is_no_command(rig: Rig) -> None:
    rig.jig.start(order())
    rig.told.add(("n1", "ab-1.0"))
    rig.jig.acknowledge("ab-1.0", "n1")
    assert rig.take() is None


def test_a_command_that_got_lost_is_handed_out_again_at_growing_distance(rig: Rig) -> None:
    rig.jig.start(order())
    times = []
    while rig.now < 300:
        body, soon = rig.jig.take("n1", "boot-1")
        if body is None:
            assert soon < 31
            rig.now += soon
        else:
            times.append(rig.now - 100)
    distances = [b - a for a, b in itertools.pairwise(times)]
    assert distances[:4] == pytest.approx([0.5, 1, 2, 4])
    assert distances == sorted(distances)
    assert max(distances) == pytest.approx(30)
    assert rig.jig.knows("n1", "ab-1.0")
    rig.now += 1000
    assert rig.take() is None


def test_a_resumed_leg_is_asked_after_and_not_started(rig: Rig, tmp_path: Path) -> None:
    rig.jig.start(order(folder=role_folder(tmp_path / "r", "true")))
    rig.jig.start(order(folder=tmp_path / "r", resume=True))
    assert rig.take() == Query(id="ab-1.0")
    assert rig.jig.task("n1", "ab-1.0") is None
    assert rig.jig.progress("n1", "ab-1.0") is True
    assert rig.jig.progress("n1", "ab-1.0") is True
    assert [o.what for o in rig.inbox.outcomes] == ["running"]
    rig.now += 1000
    assert rig.take() is None


def test_a_query_is_answered_by_lost_or_running_without_acknowledgement(rig: Rig) -> None:
    rig.jig.start(order(resume=True))
    assert rig.jig.posted("n1", "ab-1.0", Ended(state="running")) == "told"
    assert rig.jig.posted("n1", "ab-1.0", Ended(state="lost")) == "told"
    assert [o.what for o in rig.inbox.outcomes] == ["running", "lost"]


def test_commands_of_another_boot_are_never_seen(rig: Rig) -> None:
    rig.jig.start(order("ab-1.0", boot_id="boot-1"))
    rig.jig.command("n1", "boot-1", Reboot())
    assert rig.take("boot-2") is None
    assert rig.take("boot-1") is None
    rig.jig.start(order("ab-1.0", boot_id="boot-2", resume=True))
    assert rig.take("boot-2") == Query(id="ab-1.0")


def test_a_power_order_that_got_lost_is_handed_out_again_while_its_boot_is_open(rig: Rig) -> None:
    """An agent that asks again in the same boot has not obeyed it."""
    rig.boot = 7
    rig.jig.command("n1", "boot-1", Kexec(environment="debian-12"), generation=7)
    assert rig.take() == Kexec(environment="debian-12")
    assert rig.take() is None
    rig.now += 1.0
    assert rig.take() == Kexec(environment="debian-12")
    rig.now += 60.0
    assert rig.take("boot-2") is None


@pytest.mark.parametrize("now", [0, 8])
def test_a_power_order_ends_with_its_boot(rig: Rig, now: int) -> None:
    """The machine came up, was given up, or is ordered to boot otherwise: a late agent obeys nothing."""
    rig.boot = 7
    rig.jig.command("n1", "boot-1", Kexec(environment="debian-12"), generation=7)
    rig.boot = now
    assert rig.take() is None


def test_other_commands_are_handed_out_once_in_order(rig: Rig) -> None:
    rig.jig.command("n1", "boot-1", Kexec(environment="debian-12"))
    rig.jig.command("n1", "boot-1", Reboot())
    rig.jig.command("n1", "boot-1", Reboot())
    assert [rig.take(), rig.take(), rig.take()] == [Kexec(environment="debian-12"), Reboot(), None]


def test_a_result_that_nobody_ordered_claims_nothing(rig: Rig) -> None:
    assert rig.jig.posted("n1", "xx-9.0", Ended(exit=0)) == "wait"
    (got,) = rig.inbox.outcomes
    assert (got.attempt, got.what, got.unreachable) == ("xx-9.0", "failed", True)
    assert rig.jig.progress("n1", "xx-9.0") is False


def test_nodes_do_not_see_each_other(rig: Rig, tmp_path: Path) -> None:
    rig.jig.start(order(folder=role_folder(tmp_path / "r", "true")))
    assert rig.take(node="n2") is None
    assert rig.jig.task("n2", "ab-1.0") is None
    assert rig.jig.knows("n2", "ab-1.0") is False
    rig.jig.posted("n2", "ab-1.0", Ended(exit=0))
    assert rig.inbox.outcomes[0].unreachable
    assert rig.inbox.outcomes[0].node == "n2"


def test_a_full_lane_is_said_and_the_query_stays(rig: Rig) -> None:
    rig.jig.start(order(resume=True))
    rig.inbox.full = 1
    assert rig.jig.posted("n1", "ab-1.0", Ended(exit=0)) == "full"
    assert rig.take() == Query(id="ab-1.0")
    assert rig.jig.posted("n1", "ab-1.0", Ended(exit=0)) == "wait"


def test_a_role_that_cannot_be_packed_fails(rig: Rig, tmp_path: Path) -> None:
    rig.jig.start(order(folder=tmp_path / "nowhere"))
    assert rig.jig.task("n1", "ab-1.0") is None
    (got,) = rig.inbox.outcomes
    assert got.failure is not None
    assert got.failure.code == "script_failed"
    assert "cannot read" in str(got.failure.fields["line"])


def test_the_cause_comes_from_the_log_that_was_sent(rig: Rig) -> None:
    rig.jig.start(order(secrets=("sesame-open",)))
    rig.logs.write("ab-1.0", 0, b"start\nlogin with sesame-open failed\n")
    rig.jig.posted("n1", "ab-1.0", Ended(exit=3))
    line = "login with *** failed"
    assert rig.inbox.outcomes[0].failure == reasons.script_failed(role="demo", exit=3, line=line)


def test_mailboxes_are_bounded(rig: Rig) -> None:
    for i in range(MAX_ORDERS + 5):
        rig.jig.start(order(f"ab-{i}.0"))
    assert not rig.jig.knows("n1", "ab-4.0")
    assert rig.jig.knows("n1", "ab-5.0")
    for i in range(MAX_COMMANDS * 3):
        rig.jig.acknowledge(f"xx-{i}.0", "n1", "boot-1")
    got = []
    while (body := rig.take()) is not None:
        got.append(body)
    assert len(got) == MAX_COMMANDS
    rig.jig.forget("n1")
    assert not rig.jig.knows("n1", "ab-30.0")


def test_a_question_is_answered_to_whoever_asked_and_to_nobody_else(rig: Rig, tmp_path: Path) -> None:
    asked = order("look-1.1", folder=role_folder(tmp_path / "r", "true"), timeout_s=7.5)
    answer = rig.jig.question(asked)
    assert rig.woken == ["n1"]
    assert rig.take() == Run(id="look-1.1", timeout=8)
    assert rig.jig.task("n1", "look-1.1") is not None
    assert rig.jig.posted("n1", "look-1.1", Ended(state="running")) == "told"
    assert not answer.done()
    assert rig.jig.posted("n2", "look-1.1", Ended(exit=0, gives={"size": 1})) != "wait" or not answer.done(), "of another node"
    assert rig.jig.posted("n1", "look-1.1", Ended(exit=0, gives={"size": 4})) == "told"
    assert rig.jig.posted("n1", "look-1.1", Ended(exit=0, gives={"size": 5})) == "told", "sent twice"
    assert answer.result(0).gives == {"size": 4}
    assert [one for one in rig.inbox.outcomes if one.node == "n1"] == []
    rig.jig.drop_question(asked)
    assert rig.jig.task("n1", "look-1.1") is None
    assert rig.take() is None


def test_a_question_that_nobody_took_leaves_nothing_behind(rig: Rig) -> None:
    asked = order("look-1.1")
    rig.jig.question(asked)
    rig.jig.drop_question(asked)
    assert rig.take() is None
    assert rig.jig.posted("n1", "look-1.1", Ended(exit=0, gives={})) == "wait", "as any late outcome is: the engine acknowledges it"
