"""A source whose world moves only by hand; what is asked of it is written down, and answered as the test says."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crowbar_tui.console.snapshot import Said, Setting, Snapshot, TaskProgress
from engine.api.views import World


class Still:
    def __init__(self, world: World, where: Path, told: Iterable[dict[str, Any]] = (), at: float = 1.0, **more: Any) -> None:
        self.where = where
        self.world = world
        self.told = list(told)
        self.at = at
        self.progress: dict[str, TaskProgress] = more.get("progress", {})
        self.silence_s: dict[str, float] = {}
        self.health: dict[str, Any] = more.get("health", {})
        self.connection: str = more.get("connection", "embedded")
        self.trouble: str = more.get("trouble", "")
        self.touched: frozenset[str] | None = None
        self.asked: list[tuple[str, str, str, Any]] = []
        self.answer: Any = lambda *_: Said(True, "done")
        self.repairs: dict[str, tuple[str, ...]] = {}
        self.told_packets: list[Any] = more.get("packets", [])
        self.names: dict[str, str] = more.get("names", {})
        self.seq = int(more.get("seq", 1))
        self._changed = threading.Event()

    def snapshot(self) -> Snapshot:
        told, self.told = tuple(self.told), []
        return Snapshot(
            self.world,
            self.seq,
            told,
            self.touched,
            self.progress,
            self.silence_s,
            self.health,
            self.connection,
            self.trouble,
            self.at,
            repairs=self.repairs,
        )

    def move(self, world: World, touched: frozenset[str] | None = None) -> None:
        """`touched`: the nodes that are said to have changed. None: all."""
        self.world, self.seq, self.touched = world, self.seq + 1, touched
        self._changed.set()

    def wait(self, seconds: float) -> None:
        self._changed.wait(seconds)
        self._changed.clear()

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said:
        self.asked.append((verb, node, role, value))
        said = self.answer(verb, node, role, value)
        assert isinstance(said, Said)
        return said

    def set_attribute(self, scope: str, what: Setting) -> Said:
        self.asked.append(("set", scope, "", what))
        said = self.answer("set", scope, "", what)
        assert isinstance(said, Said)
        return said

    def commit(self, text: str, name: str, expects: int | None = None) -> Said:
        self.asked.append(("commit", name, "", text))
        return Said(True, "committed")

    def commit_proposals(self, seen: dict[str, float]) -> Said:
        self.asked.append(("commit-proposals", ",".join(seen), "", seen))
        return Said(True, "committed")

    def recall(self, deployment: str) -> Said:
        self.asked.append(("recall", deployment, "", None))
        return Said(True, "recalled")

    def join(self, address: str, host_key: str, password: str | None) -> Any:
        self.asked.append(("join", address, host_key, password))
        return self.answer("join", address, host_key, password)

    def packets(self, who: str, after: int) -> tuple[list[Any], int]:
        """`self.told_packets`, of this machine and after this number."""
        self.asked.append(("packets", who, "", after))
        found = [t for t in self.told_packets if t.packet.number > after and who in ("", t.packet.who, self.names.get(t.packet.who))]
        return found, max([after, *(t.packet.number for t in found)])

    def stop_engine(self) -> Said:
        self.asked.append(("stop", "", "", None))
        return Said(True, "the engine stops")

    def close(self) -> None:
        self._changed.set()
