"""`crowbar rehearse`, `replay` and `engine`: the commands that bring a rack to the state of a plan."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import importlib.resources
import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.barclamps import copy_site, same_site
from engine.api.control import (
    Attached,
    AttachError,
    Config,
    PlanError,
    RackError,
    Reach,
    Reason,
    Refuse,
    Store,
    StoreError,
    Story,
    Summary,
    at_hand,
    held,
    image_remarks,
    keys_beside,
    plan_file,
    proved,
    sentence,
    settled,
    shared,
    site_catalog,
    summary,
    to_json,
    version_remarks,
)
from engine.api.process import REHEARSAL, give_up, keep_root
from engine.api.rehearsals import beside, is_rehearsal, opened, plan_path, rack_runs, rehearsed

from .. import lines
from ..api_option import api_option
from ..console import curtain
from ..console.back import INSIDE
from ..console.lifecycle import open_rehearsal, terminal
from ..paths import path
from . import members

if TYPE_CHECKING:
    from engine.api.running import Engine

KINDS = "simulated: programs that act like machines; qemu: virtual machines with real firmware, images and disks"
SCENARIO = "the faults of the virtual rack: a scenario file, or the name of a shipped scenario (docs/rehearsal.md)"
DEPOSED = 3
"""Exit code of an engine whose store another engine has taken over. Its service (`crowbar.service`) does not start it again."""
STUCK_S = 5.0
"""Seconds without progress after which a run is over, if only a person can help."""
STOP_S = 30.0
"""Seconds within which an engine must release its store after a request to stop."""
SILENT_S = 300.0
"""Like STUCK_S, while machines may still come back by themselves. At a patience of 1."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rehearse = commands.add_parser("rehearse", help="bring up a virtual rack, from powered off to ready")
    rehearse.add_argument("--nodes", type=_count, default=None, metavar="N", help="number of machines (default 6)")
    rehearse.add_argument("--kind", choices=["simulated", "qemu"], default="simulated", help=KINDS)
    rehearse.add_argument("--plan", type=path, default=None, metavar="FILE")
    speeds = "factor by which firmware and tasks run faster, or max (default 10; without a console max)"
    rehearse.add_argument("--speed", type=_speed, default=None, metavar="X", help=speeds)
    rehearse.add_argument("--scenario", default=None, metavar="FILE", help=SCENARIO)
    rehearse.add_argument("--seed", type=int, default=1, metavar="N")
    rehearse.add_argument(
        "--firmware", choices=["alternating", "seabios", "ovmf"], default=None, help="firmware of the QEMU machines (default: alternating)"
    )
    rehearse.add_argument("--memory", type=int, default=None, metavar="MB", help="memory of each QEMU machine (default 2048)")
    rehearse.add_argument("--headless", action="store_true", help="run without the console")
    rehearse.add_argument("--fresh", action="store_true", help="delete an earlier rehearsal on this store first")
    _network(rehearse)
    _common(rehearse)
    rehearse.set_defaults(run=_rehearse)
    replay = commands.add_parser("replay", help="carry out a saved plan, without the console")
    replay.add_argument("plan", type=path)
    replay.add_argument(
        "--rehearse", type=_rack, default=None, metavar="KIND:N", help="use a virtual rack of N machines, simulated or qemu"
    )
    replay.add_argument("--scenario", default=None, metavar="FILE", help=SCENARIO)
    replay.add_argument("--interface", type=_of_this_machine, default=None, metavar="IF")
    _user(replay)
    _network(replay)
    _common(replay)
    replay.set_defaults(run=_replay)
    engine = commands.add_parser("engine", help="run the engine without the console, for systemd; `engine stop` stops it")
    verbs = "stop: stop the running engine of this store; hand-over: let a standby decide from now on (docs/several-admin-nodes.md)"
    engine.add_argument("verb", nargs="?", choices=["stop", "hand-over"], default=None, help=verbs)
    members.options(engine)
    engine.add_argument("--plan", type=path, default=None, metavar="FILE")
    engine.add_argument("--interface", type=_of_this_machine, default=None, metavar="IF")
    text = (
        "offer the HTTP API there (docs/api.md): on loopback, or on an address of the admin network (default: $CROWBAR_API, else nowhere)"
    )
    engine.add_argument("--api", default="", metavar="ADDRESS:PORT", help=text)
    both = "an operator needs a token and a certificate for the HTTP API (default: one of them is enough)"
    engine.add_argument("--api-requires-both", action="store_true", help=both)
    _user(engine)
    engine.set_defaults(run=_engine)


def _network(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--network",
        choices=["auto", "namespace", "loopback"],
        default="auto",
        help="the virtual rack's network: namespaces with the plan's own addresses, or loopback (default: namespaces where possible)",
    )


def _user(command: argparse.ArgumentParser) -> None:
    text = "if started as root: the user that the engine becomes, or root to stay it (default: the store's owner; for a new store crowbar)"
    command.add_argument("--user", default="", metavar="NAME", help=text)


def _started(arguments: argparse.Namespace, engine: Engine) -> None:
    """Gives up root, or says why it cannot; then starts the engine. Raises RightsError, and what `Engine.start` raises."""
    why_root = give_up(arguments.store, keys_beside(arguments.store), arguments.user).why_root
    engine.start()
    _tell(why_root)


def _tell(why_root: str) -> None:
    if why_root:
        print(f"crowbar: the engine runs as root: {why_root}", file=sys.stderr, flush=True)


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON object per line; the last one is the summary")
    wait = "what ends the run: all nodes ready, or all deployments validated too (default: ready)"
    command.add_argument("--wait", choices=["ready", "validated"], default=None, help=wait)
    command.add_argument("--timeout", type=float, default=None, metavar="SECONDS")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 20_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number of machines from 1 to 20000")
    return value


def _speed(text: str) -> float | str:
    if text == "max":
        return text
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is neither a number above 0 nor max")
    return value


def _rack(text: str) -> tuple[str, int]:
    kind, _, number = text.partition(":")
    if kind not in ("simulated", "qemu") or not number.isdigit():
        raise argparse.ArgumentTypeError(f"expected simulated:N or qemu:N, not {text}")
    return kind, _count(number)


def _rehearse(arguments: argparse.Namespace) -> int:
    if arguments.plan is not None:
        arguments.plan = plan_path(arguments.plan)
        catalog = site_catalog(arguments.store)
        plan = rehearsed(plan_file.read_file(arguments.plan, catalog), arguments.plan, catalog)
        nodes = arguments.nodes or plan.expect.nodes or 6
    else:
        nodes = arguments.nodes or 6
        name = "qemu-rack.yml" if arguments.kind == "qemu" else "one-node.yml" if nodes == 1 else "six-nodes.yml"
        text = (importlib.resources.files("crowbar_tui") / "plans" / name).read_text(encoding="utf-8")
        plan = plan_file.read(text, name, site_catalog(arguments.store))
    shown = not arguments.headless and not arguments.json and arguments.wait is None and terminal()
    speed = arguments.speed or (10.0 if shown else "max")
    return _on_rack(arguments, plan, arguments.kind, nodes, arguments.seed, speed, arguments.fresh, shown)


def _replay(arguments: argparse.Namespace) -> int:
    catalog = site_catalog(arguments.store)
    arguments.plan = plan_path(arguments.plan) if arguments.rehearse is not None else arguments.plan
    plan = plan_file.read_file(arguments.plan, catalog)
    for line in version_remarks(arguments.store, plan, catalog, images=arguments.rehearse is None) if INSIDE not in os.environ else ():
        print(f"crowbar: {line}", file=sys.stderr, flush=True)
    if arguments.rehearse is not None:
        kind, nodes = arguments.rehearse
        plan = rehearsed(plan, arguments.plan, catalog)
        return _on_rack(arguments, plan, kind, nodes, 1, "max", False)
    secrets = at_hand(plan.secrets, os.environ)  # with the rights of whoever asks, before they are given up
    before = _last_event(arguments.store)
    from engine.api.running import Engine

    engine = Engine(Config(store=arguments.store, keys=keys_beside(arguments.store), interface=_interface(arguments, plan)))
    with opened(arguments.store):
        return _replayed(arguments, engine, plan, secrets, before)


def _replayed(arguments: argparse.Namespace, engine: Engine, plan: Any, secrets: dict[str, str], before: int) -> int:
    _started(arguments, engine)
    try:
        answer = engine.commit(plan, getpass.getuser(), secrets)
        if isinstance(answer, Refuse):
            print(f"crowbar: the engine refused the plan: {sentence(answer.reason)}", file=sys.stderr)
            return 1
        _remark(arguments.store, plan)
        return _follow(engine, arguments, plan.expect.nodes, plan.expect.within, before)
    finally:
        engine.stop()


def _remark(store: Path, plan: Any) -> None:
    """Warns about wrong images of the plan's servers before a server boots one."""
    for line in image_remarks(store, plan):
        print(f"crowbar: {line}", file=sys.stderr, flush=True)


def _machines(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that change the QEMU machines, and the file beside the plan. Raises PlanError."""
    given = {"firmware": getattr(arguments, "firmware", None), "memory_mb": getattr(arguments, "memory", None)}
    if arguments.plan is not None:
        given["machines"] = beside(arguments.plan).sizes() or None
    return {name: value for name, value in given.items() if value is not None}


def _scenario(named: str | None) -> str:
    """The text of a scenario file, or of the shipped scenario with that name. Raises RackError."""
    if named is None:
        return ""
    path = Path(named)
    shipped_ones = importlib.resources.files("crowbar_tui") / "scenarios"
    if not path.exists() and (shipped_ones / f"{named}.yml").is_file():
        return (shipped_ones / f"{named}.yml").read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(one.name.removesuffix(".yml") for one in shipped_ones.iterdir()))
        raise RackError(f"cannot read scenario {named} ({error}); shipped scenarios: {known}") from error


def _of_this_machine(name: str) -> str:
    known = [one for _, one in socket.if_nameindex()]
    if name not in known:
        raise argparse.ArgumentTypeError(f"there is no interface {name}; this machine has {', '.join(known)}")
    return name


def _interface(arguments: argparse.Namespace, plan: Any) -> str | None:
    return arguments.interface or plan.site.admin.interface or None


def _on_rack(
    arguments: argparse.Namespace, plan: Any, kind: str, nodes: int, seed: int, speed: float | str, fresh: bool, shown: bool = False
) -> int:
    from engine.api.running import Rehearsal, begin_anew, finished, with_nodes

    store = arguments.store
    if arguments.store_is_default:
        # Without a named store: one per kind of rack. The next run continues it until its rack was ready.
        store = store.with_name(f"{store.name}-rehearsal-{'' if kind == 'simulated' else kind + '-'}{nodes}-{seed}")
        fresh = fresh or finished(store) or not same_site(arguments.store, store)
    if fresh and INSIDE not in os.environ:
        begin_anew(store)
        if arguments.store_is_default:
            copy_site(arguments.store, store)
    plan = with_nodes(plan, nodes)
    try:
        wrong, machines = _scenario(arguments.scenario), _machines(arguments)
        run = Rehearsal(store, plan, nodes, seed, speed, getpass.getuser(), arguments.network, wrong, kind=kind, machines=machines)
        if shown and INSIDE not in os.environ:
            curtain.say(f"starting a virtual rack of {nodes} {kind} machine{'s' if nodes != 1 else ''}")
        command = run.way_in([sys.executable, "-m", "crowbar_tui.cli", *sys.argv[1:]])
        if command:
            sys.stdout.flush()
            os.execve(command[0], command, {**os.environ, INSIDE: "1"})
        keep_root(REHEARSAL)
        if shown:
            curtain.say("starting the engine of the rehearsal")
            return open_rehearsal(lambda: run, store)
        if kind == "qemu":
            _remark(store, plan)
        before = _last_event(store)
        with opened(store), run:
            return _follow(run.engine, arguments, nodes, plan.expect.within, before)
    except RackError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2


def _last_event(store: Path) -> int:
    """Number of the last event of an earlier run on this store. 0: there is none."""
    try:
        with Store.read(store) as reader:
            return reader.seq
    except StoreError:  # no store yet; or one that the engine refuses with the reason
        return 0


def _follow(engine: Engine, arguments: argparse.Namespace, expect: int, within: float, before: int) -> int:
    """Prints events after `before` until the rack is ready, nothing moves any more, or the time is over."""
    limit = arguments.timeout or within or 1800.0
    plan = engine.world.plan
    silent_s = max(SILENT_S * (plan.patience if plan is not None else 1.0), 4 * STUCK_S)
    started = time.monotonic()
    goal, state_of = ("validated", proved) if arguments.wait == "validated" else ("ready", settled)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    reader = engine.reader()
    teller, stuck_since, verdict = Teller(reader, before, arguments.json), 0.0, "timeout"
    printed = before
    while not stop.is_set() and not engine.stop_asked.is_set():
        printed = teller.print_new(reader, printed)
        if engine.failure:
            print(f"crowbar: {engine.failure}", file=sys.stderr)
            return 1
        now = time.monotonic()
        state = state_of(engine.world, expect)
        looked = time.monotonic() - now
        stuck_since = (stuck_since or now) if state in ("stuck", "silent") else 0.0
        if state == goal or (stuck_since and now - stuck_since > (STUCK_S if state == "stuck" else silent_s)):
            verdict = goal if state == goal else "stuck"
            break
        if now - started > limit:
            break
        # A look at a thousand nodes costs the engine's interpreter some milliseconds: spend at most 5 % of the time on it.
        stop.wait(max(0.05, 20 * looked))
        engine.wait(printed, 0.5)
    while (after := teller.print_new(reader, printed)) > printed:
        printed = after
    reader.close()
    found = summary(engine.world)
    _print_summary(arguments, found, time.monotonic() - started, expect, "stopped" if stop.is_set() else verdict)
    return 0 if verdict == goal and not stop.is_set() else 1


class Teller:
    """Prints what happens in this run. It reads the events of earlier runs too, for the names and states of the nodes."""

    def __init__(self, store: Store, before: int, as_json: bool) -> None:
        """`before`: number of the last event of earlier runs. Raises StoreError."""
        self._story = Story()
        self._continues = before > 0
        self._json = as_json
        seq = 0
        while seq < before:
            rows = [row for row in store.journal(seq) if row.seq <= before]
            for row in rows:
                self._story.tell(row)
            seq = rows[-1].seq if rows else before

    def print_new(self, store: Store, after: int) -> int:
        """Prints the events after that number, at most as many as one look at the journal gives. Returns the number of the last one."""
        for row in store.journal(after):
            after = row.seq
            told = self._story.tell(row)
            if self._continues and not told["text"]:
                continue  # the start and the commit of a run that changes nothing are no news
            if self._json:
                print(json.dumps(told))
            elif told.get("text"):
                print(lines.told(told))
        sys.stdout.flush()
        return after


def _print_summary(arguments: argparse.Namespace, found: Summary, seconds: float, expect: int, verdict: str) -> None:
    missing = max(expect - found.nodes - found.sightings, 0)
    if arguments.json:
        body = {
            "type": "summary",
            "verdict": verdict,
            "nodes": found.nodes,
            "expected": expect,
            "ready": found.ready,
            "failed": found.failed,
            "seconds": round(seconds, 3),
            "boots": found.boots,
            "never_seen": missing,
            "deployments": found.deployments,
            "held_up": {name: to_json(one) for name, one in found.held_up.items()},
            "waiting": {name: to_json(why) for name, why in found.waiting.items()},
            "validation": to_json(found.validation),
            "steps": found.steps,
        }
        print(json.dumps(body), flush=True)
        return
    print(f"\n{found.ready} of {max(expect, found.nodes)} nodes ready in {seconds:.1f} s, {found.boots} boots: {verdict}")
    for line in lines.deployments(found):
        print(line)
    for name, why in found.waiting.items():
        print(lines.reason(f"  {lines.short(name)}: ", why))
    for line in (*lines.validation(found.validation), *lines.steps(found.steps)):
        print(line)
    if missing:
        print(f"  {missing} of {expect} expected machines never showed up: check their power and their boot cable")


def _stop(store: Path) -> int:
    """Asks the engine of this store to stop, and waits until it has."""
    try:
        engine = Attached(store)
    except AttachError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    with engine, contextlib.suppress(AttachError):  # the engine may be gone before we read its answer
        answer = engine.stop()
        if isinstance(answer, Reason):
            print(f"crowbar: {sentence(answer)}", file=sys.stderr)
            return 1
    end = time.monotonic() + STOP_S
    while held(store):
        if time.monotonic() > end:
            print(f"crowbar: {STOP_S:.0f} s after the request to stop, the engine still holds {store}: read its log", file=sys.stderr)
            return 1
        time.sleep(0.05)
    if not is_rehearsal(store):
        print("the engine has stopped; the machines keep running")
        return 0
    while rack_runs(store) and time.monotonic() < end:
        time.sleep(0.05)
    rack = "its virtual rack keeps running" if rack_runs(store) else "so has its virtual rack"
    print(f"the engine has stopped, and {rack}; to continue the rehearsal: crowbar --store {shlex.quote(str(store))}")
    return 0


def _engine(arguments: argparse.Namespace) -> int:
    if arguments.verb == "stop":
        return _stop(arguments.store)
    if arguments.verb == "hand-over":
        return members.hand_over(arguments.store, arguments.to)
    plan = plan_file.read_file(arguments.plan, site_catalog(arguments.store)) if arguments.plan else None
    secrets = at_hand(plan.secrets, os.environ) if plan is not None else {}  # before the right to read them is given up
    api = api_option(arguments.api, arguments.api_requires_both)
    from engine.api.running import Engine

    config = Config(
        store=arguments.store,
        keys=keys_beside(arguments.store),
        api=api.address,
        api_requires_both=api.both,
        reach=Reach(),
        interface=_interface(arguments, plan) if plan else arguments.interface,
        name=arguments.name,
        address=arguments.address,
        take_over_s=arguments.take_over,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that is closed ends nothing here: machines are at work
    with opened(arguments.store):
        if shared(arguments.store):
            _tell(give_up(arguments.store, keys_beside(arguments.store), arguments.user).why_root)
            return members.run(config, lambda engine: _refused(arguments, engine, plan, secrets), stop)
        return _served(arguments, Engine(config), plan, secrets, stop)


def _refused(arguments: argparse.Namespace, engine: Engine, plan: Any, secrets: dict[str, str]) -> str:
    """Commits the plan, if there is one. Returns why the engine refused it."""
    if plan is None:
        return ""
    answer = engine.commit(plan, getpass.getuser(), secrets)
    if isinstance(answer, Refuse):
        return f"the engine refused the plan: {sentence(answer.reason)}"
    _remark(arguments.store, plan)
    return ""


def _served(arguments: argparse.Namespace, engine: Engine, plan: Any, secrets: dict[str, str], stop: threading.Event) -> int:
    _started(arguments, engine)
    try:
        if why := _refused(arguments, engine, plan, secrets):
            print(f"crowbar: {why}", file=sys.stderr)
            return 1
        while not stop.wait(0.5) and not engine.stop_asked.is_set():
            if engine.failure:
                print(f"crowbar: {engine.failure}", file=sys.stderr)
                return DEPOSED if engine.deposed else 1
    finally:
        engine.stop()
    return 0


__all__ = ["PlanError", "add"]
