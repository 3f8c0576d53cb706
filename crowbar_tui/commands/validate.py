"""`crowbar validate [DEPLOYMENT]`: runs the roles that prove that a deployment works again, waits, and says what they found.

It needs the running engine. What it shows is read from the store, as the engine records it. If the command ends early, the roles go on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.api.control import Attached, AttachError, Reason, Receipt, sentence, site_catalog, to_json
from engine.api.views import Follower, NodeRole, Proof, proofs, validating, validation

from .. import lines
from ..console.formats import tests_told
from ..junit import junit
from ..paths import path

LIMIT_S = 7200.0
STUCK_S = 5.0
"""Seconds for which roles that are left must wait for a person before the command gives up."""
LOOK_S = 0.25
"""Seconds between two looks at the store."""
PROGRESS_S = 2.0

Key = tuple[str, str]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = commands.add_parser("validate", help="prove again that a deployment works: run its validating roles, and show what they found")
    made.add_argument("deployment", nargs="?", default="", metavar="DEPLOYMENT", help="only this deployment and those below it")
    made.add_argument("--show", action="store_true", help="run nothing: show what the roles found last")
    made.add_argument("--junit", type=path, default=None, metavar="FILE", help="write the results as JUnit XML, too")
    made.add_argument("--timeout", type=float, default=LIMIT_S, metavar="SECONDS", help=f"end without a verdict then ({LIMIT_S:.0f})")
    made.add_argument("--json", action="store_true", help="print one JSON object per line; the last one is the summary")
    made.set_defaults(run=_validate)


def _validate(arguments: argparse.Namespace) -> int:
    follower = Follower(arguments.store, site_catalog(arguments.store))
    try:
        return _run(arguments, follower)
    finally:
        follower.close()


def _run(arguments: argparse.Namespace, follower: Follower) -> int:
    world, deployment = follower.world, arguments.deployment
    if deployment and deployment not in world.deployments:
        known = ", ".join(sorted(world.deployments)) or "none"
        print(f"crowbar: there is no deployment {deployment}; known: {known}", file=sys.stderr)
        return 2
    roles = validating(world, deployment)
    if not roles:
        where = f"deployment {deployment}" if deployment else "this rack"
        print(f"crowbar: no role of {where} validates: bind one that does, for example ready, in the plan", file=sys.stderr)
        return 1
    begun, wait, verdict = time.monotonic(), _Wait(arguments, follower), ""
    if not arguments.show:
        try:
            with Attached(arguments.store) as engine:
                verdict = wait.order(engine, roles) or wait.until_done(engine)
        except AttachError as error:
            print(f"crowbar: {error}", file=sys.stderr)
            return 1
    found = proofs(follower.world, deployment, {role.key for role in roles})
    return _tell(arguments, found, verdict, time.monotonic() - begun)


class _Wait:
    """Waits until each role has ended anew."""

    def __init__(self, arguments: argparse.Namespace, follower: Follower) -> None:
        self._arguments = arguments
        self._follower = follower
        self._before: dict[Key, str] = {}
        """Node role -> its attempt that does not count, because it ended before."""
        self._said: dict[str, str] = {}

    def order(self, engine: Attached, roles: Sequence[NodeRole]) -> str:
        """Empty: all run or will run."""
        for one in roles:
            self._follower.catch_up()
            role = self._follower.world.node_roles.get(one.key, one)
            answer = engine.operate("validate", role.node, role.role)
            if isinstance(answer, Receipt):
                self._before[role.key] = role.attempt
            elif answer.code == "busy":  # it runs already, so that attempt counts
                self._before[role.key] = ""
            elif answer.code == "proves_earlier":
                continue
            else:
                self._refused(role, answer)
                return "refused"
        return ""

    def _refused(self, role: NodeRole, reason: Reason) -> None:
        print(f"crowbar: {role.role} on {self._name(role.node)}: {sentence(reason)}", file=sys.stderr)

    def until_done(self, engine: Attached) -> str:
        """The verdict: empty if all have ended, `stuck` or `timeout`."""
        end, stuck_since, told = time.monotonic() + self._arguments.timeout, 0.0, 0.0
        while True:
            self._follower.catch_up()
            now = time.monotonic()
            left = [key for key in self._before if not self._ended(key)]
            if not left:
                return ""
            found = [one for one in proofs(self._follower.world, only=left) if one.result != "passed"]
            stuck = bool(found) and all(one.stuck for one in found)
            stuck_since = (stuck_since or now) if stuck else 0.0
            if stuck and now - stuck_since > STUCK_S:
                return "stuck"
            if now > end:
                return "timeout"
            if now - told > PROGRESS_S:
                told = now
                self._progress(engine, left)
            engine.wait(self._follower.seq, LOOK_S)

    def _ended(self, key: Key) -> bool:
        role = self._follower.world.node_roles.get(key)
        if role is None:  # a commit dropped it
            return True
        return role.attempt != self._before[key] and role.state.value in ("active", "error", "skipped")

    def _progress(self, engine: Attached, left: Sequence[Key]) -> None:
        """A line for each role whose progress has changed."""
        answer = engine.progress()
        nodes: Any = answer.result.get("nodes", {}) if isinstance(answer, Receipt) and isinstance(answer.result, dict) else {}
        for node, role in left:
            one = nodes.get(node) or {}
            found = self._follower.world.node_roles.get((node, role))
            if found is None or found.state.value != "transition" or "percent" not in one:
                continue
            text = f"{one['percent']} % {one.get('text', '')}".rstrip()
            if self._said.get(node) == text:
                continue
            self._said[node] = text
            if self._arguments.json:
                body = {"type": "progress", "node": self._name(node), "role": role, "percent": one["percent"], "text": one.get("text", "")}
                print(json.dumps(body), flush=True)
            else:
                print(f"{role} on {lines.short(self._name(node))}: {text}", flush=True)

    def _name(self, node: str) -> str:
        found = self._follower.world.nodes.get(node)
        return found.name if found is not None else node


def _tell(arguments: argparse.Namespace, found: Sequence[Proof], verdict: str, seconds: float) -> int:
    counts = validation(found)
    verdict = verdict or ("passed" if counts.passed == counts.roles else "failed" if counts.failed else "incomplete")
    if arguments.json:
        for one in found:
            print(json.dumps({"type": "validation", **to_json(one)}))
        body = {"type": "summary", "verdict": verdict, "seconds": round(seconds, 3), **to_json(counts)}
        print(json.dumps(body), flush=True)
    else:
        for one in found:
            print(_line(one))
            for group, test in one.report.tests("failed") if one.report is not None else ():
                print(f"  failed: {group.name}.{test.name}: {test.line}")
        tests = f"; tests: {tests_told(counts.tests)}" if counts.tests else ""
        print(f"{counts.passed} of {counts.roles} validating roles passed{tests}: {verdict}")
    if arguments.junit is not None and not _write(arguments.junit, junit(found)):
        return 2
    return 0 if verdict == "passed" else 1


def _line(one: Proof) -> str:
    who = f"{one.role} on {lines.short(one.node)}: {one.result}"
    if one.report is not None and one.result in ("passed", "failed"):
        counts = {result: getattr(one.report, result) for result in ("passed", "failed", "skipped", "excluded")}
        return f"{who} in {one.seconds:.0f} s: {tests_told(counts)}"
    return who if one.why is None else lines.reason(f"{who}: ", one.why)


def _write(file: Path, text: str) -> bool:
    """Whole or not at all."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        print(f"crowbar: cannot write {file} ({error.strerror}): choose another file", file=sys.stderr)
        return False
    return True
