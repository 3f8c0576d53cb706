"""Exit code, gives and message of a task -> the engine's event."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from engine import reasons
from engine.definitions import RoleDef
from engine.events import Outcome
from engine.jigs.outcome import outcome
from engine.wire.agent import Ended

RAID = RoleDef(name="raid-configure", barclamp="raid", stage="hardware", jig="agent", gives=("volumes",), delay_s=3.0)
PLAIN = RoleDef(name="network-admin", barclamp="network", stage="system", jig="script")
Action = Literal["run", "verify"]


def end(role: RoleDef = PLAIN, action: Action = "run", **said: Any) -> Outcome:
    return outcome(attempt="ab-1.2", node="n1", role=role, action=action, timeout_s=60.0, ended=Ended(**said))


def test_done_gives_what_the_role_promises() -> None:
    assert end(RAID, exit=0, gives={"volumes": []}) == Outcome(attempt="ab-1.2", node="n1", what="done", gives={"volumes": []})
    assert end(RAID, exit=64, gives={"volumes": [1]}).reboot is True
    assert end(RAID, "verify", exit=0, gives={"volumes": []}).what == "done"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"exit": 0}, "it does not give volumes"),
        ({"exit": 64, "gives": {"other": 1}}, "it does not give volumes"),
        ({"exit": 0, "gives": {"volumes": 1, "x\x1b[2J": 2}}, "it gives what it does not declare: x"),
        ({"exit": 0, "error": "gives are not a JSON object"}, "gives are not a JSON object"),
        ({"exit": 0, "message": "gives are too large"}, "it does not give volumes (gives are too large)"),
        ({"exit": None}, "it ended without an exit code"),
    ],
)
def test_a_success_that_does_not_keep_its_promise_failed(said: dict[str, Any], message: str) -> None:
    got = end(RAID, **said)
    assert got.what == "failed"
    assert got.failure == reasons.bad_result(role="raid-configure", message=message)
    assert got.gives == {}


@pytest.mark.parametrize(
    ("code", "after", "reboot", "wait"),
    [
        (128, None, False, 3.0),
        (128, 0.5, False, 0.5),
        (192, None, True, 0.0),
        (192, 7.0, True, 7.0),
        (128, float("nan"), False, 86400.0),
        (128, -1.0, False, 86400.0),
        (128, 1e9, False, 86400.0),
    ],
)
def test_again(code: int, after: float | None, reboot: bool, wait: float) -> None:
    got = end(RAID, exit=code, after=after, gives={"half": 1})
    assert (got.what, got.reboot, got.after, got.gives) == ("again", reboot, wait, {})


def test_a_verify_that_finds_a_change_by_hand_names_the_file() -> None:
    got = end(exit=65, action="verify", log="/x/a.conf was changed by hand: it differs from line 3 on\n")
    line = "/x/a.conf was changed by hand: it differs from line 3 on"
    assert got.failure == reasons.changed_by_hand(role="network-admin", line=line)
    ran = end(exit=65, log="sorry\n").failure
    assert ran is not None
    assert ran.code == "script_failed", "only a verify can say so"


def test_failures_say_why() -> None:
    assert end(exit=124).failure == reasons.timed_out(role="network-admin", seconds=60.0)
    assert end(exit=5, log="a\nip: cannot find eth9\n").failure == reasons.script_failed(
        role="network-admin", exit=5, line="ip: cannot find eth9"
    )
    assert end(exit=5, message="the\x07 disk is gone", log="other error").failure == reasons.script_failed(
        role="network-admin", exit=5, line="the disk is gone"
    )
    assert end(exit=-9).failure == reasons.script_failed(role="network-admin", exit=-9, line="signal 9 ended it, and it wrote nothing")


def test_packages_that_are_missing_are_named() -> None:
    needs = replace(PLAIN, jig="script", packages={"debian": ("chrony",)})
    log = "E: an earlier error\npackages: missing chrony jq: E: Unable to locate package jq\nmore errors\n"
    failure = end(needs, exit=67, log=log).failure
    assert failure == reasons.packages_missing(role=PLAIN.name, line="chrony jq: E: Unable to locate package jq")
    assert end(PLAIN, exit=67, log=log).failure == reasons.script_failed(role=PLAIN.name, exit=67, line="E: an earlier error")


def test_verify_tells_not_so_from_could_not_tell() -> None:
    assert end(action="verify", exit=1, log="no address on eth0").failure == reasons.verify_failed(
        role="network-admin", line="no address on eth0"
    )
    for code in (2, 64, 128, 192):
        failure = end(action="verify", exit=code, log="x").failure
        assert failure == reasons.script_failed(role="network-admin", exit=code, line="x")
    assert end(action="verify", exit=124).failure == reasons.timed_out(role="network-admin", seconds=60.0)


def test_a_script_may_say_that_another_attempt_would_do_harm() -> None:
    for action in ("run", "verify"):
        got = end(action=action, exit=66, log="network: storage on eth1 was taken back: no call came\n").failure
        assert got == reasons.not_retried(role="network-admin", line="network: storage on eth1 was taken back: no call came")


def test_states_without_an_end() -> None:
    assert end(state="running").what == "running"
    assert end(state="lost").what == "lost"
    assert end(state="acknowledged").what == "lost"
    refused = end(state="unstarted", error="no setsid on this node")
    assert refused.failure == reasons.refused(node="n1", attempt="ab-1.2", message="no setsid on this node")
    assert not refused.unreachable


def test_a_source_says_why_its_service_does_not_come_from_there() -> None:
    role = RoleDef(name="page", barclamp="about", stage="system", jig="script", source="gunicorn")
    log = "error: earlier\nsource: source_no_revision: x v1: there is no such tag\n"
    assert end(role, exit=68, log=log).failure == reasons.source_no_revision(role="page", line="x v1: there is no such tag")
    assert end(role, exit=68, log="source: made_up: x\n").failure.code == "script_failed"  # type: ignore[union-attr]
    assert end(PLAIN, exit=68, log=log).failure.code == "script_failed"  # type: ignore[union-attr]
    assert end(role, "verify", exit=68, log=log).failure.code == "script_failed"  # type: ignore[union-attr]


def test_a_failed_run_of_a_role_that_validates_brings_its_report() -> None:
    proof = RoleDef(name="proof", barclamp="proof", stage="system", jig="script", gives=("found",), validates=True)
    gives = {"found": {"passed": 0, "failed": 1}}
    assert end(proof, exit=1, gives=gives, message="404 != 200").gives == gives
    assert end(proof, exit=66, gives=gives, message="404 != 200").gives == gives
    assert end(proof, exit=1, gives={**gives, "more": 1}, message="404 != 200").gives == {}
    assert end(proof, "verify", exit=1, gives=gives, message="404 != 200").gives == {}
    assert end(replace(proof, validates=False), exit=1, gives=gives, message="404 != 200").gives == {}
