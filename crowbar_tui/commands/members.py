"""`crowbar engine` on a store that several admin nodes share, and `crowbar engine hand-over`."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.control import Attached, AttachError, Config, Reason, Receipt, advice, sentence

if TYPE_CHECKING:
    from engine.api.running import Engine

HAND_OVER_S = 30.0
"""Seconds within which another engine must decide after a hand-over."""


def options(engine: argparse.ArgumentParser) -> None:
    """Adds the options of an engine that shares its store."""
    engine.add_argument("--to", default="", metavar="NAME", help="hand-over: the standby that shall decide (default: any)")
    engine.add_argument(
        "--name", type=_name, default="", metavar="NAME", help="name of this engine on a shared store (default: the host's)"
    )
    engine.add_argument("--address", default="", metavar="IP", help="address at which a standby serves images and packages (default: none)")
    text = "a standby takes over after so many seconds of the leader's silence (default 10); all engines of a store need the same number"
    engine.add_argument("--take-over", type=_seconds, default=10.0, metavar="SECONDS", help=text)


def _name(text: str) -> str:
    if text and not text.replace("-", "").replace(".", "").isalnum():
        raise argparse.ArgumentTypeError(f"{text} is not a name: use letters, digits, dots and hyphens")
    if not text.isascii() or len(text) > 40:
        raise argparse.ArgumentTypeError("a name has at most 40 letters, digits, dots and hyphens")
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1.0 <= value <= 600.0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 1 to 600")
    return value


def run(config: Config, refused: Callable[[Engine], str], stop: threading.Event) -> int:
    """Follows or leads until `stop`. `refused` commits a plan when this engine leads for the first time, or says why not."""
    from engine.api.running import Member

    committed = False

    def led(engine: Engine) -> str:
        nonlocal committed
        why = "" if committed else refused(engine)
        committed = True
        return why

    member = Member(config, led=led)
    ended = threading.Event()
    threading.Thread(target=_stop_with, args=(stop, ended, member), name="member-stop", daemon=True).start()
    try:
        why = member.run()
    finally:
        ended.set()
    if why:
        print(f"crowbar: {why}", file=sys.stderr)
    return 1 if why else 0


def _stop_with(stop: threading.Event, ended: threading.Event, member: Any) -> None:
    while not ended.wait(0.2):
        if stop.is_set():
            member.stop()
            return


def hand_over(store: Path, to: str) -> int:
    """Asks the engine of this store to hand over, and waits until another one decides."""
    began = time.monotonic()
    try:
        with Attached(store) as engine:
            before, answer = leading(store), engine.hand_over(to)
    except AttachError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    if isinstance(answer, Reason):
        print(f"crowbar: {sentence(answer)}\n  try: {advice(answer)}", file=sys.stderr)
        return 1
    while time.monotonic() < began + HAND_OVER_S:
        now = leading(store)
        if now.get("role") == "standby" and now.get("leader") and now["epoch"] > before.get("epoch", 0):
            print(f"{now['leader']} decides now, after {time.monotonic() - began:.1f} s")
            return 0
        time.sleep(0.05)
    print(f"crowbar: {HAND_OVER_S:.0f} s after the hand-over no other engine is seen to decide: crowbar status", file=sys.stderr)
    return 1


def leading(store: Path) -> dict[str, Any]:
    """What the engine of this store says of itself among others. Empty: nothing, or there is none."""
    try:
        with Attached(store, timeout_s=5.0) as engine:
            answer = engine.health()
    except AttachError:
        return {}
    body = answer.result if isinstance(answer, Receipt) else None
    found = body.get("leading") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}
