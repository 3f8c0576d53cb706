"""Kills `crowbar` repeatedly while it brings up a rack, gives the same command on the same store after each kill, and reports what is wrong
at the end.

The rack's process outlives each kill, as machines do. A seed chooses the moments over the whole run. Most are some milliseconds after a
row of the journal. Some are while a new process starts, before it has done anything.

The operating system decides when the processes run, so one seed does not give the same run twice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any

from crowbar_process import PATIENCE_S, rack_folder, saved_machines, spawn

from engine.model import Kind, Signal, Way
from engine.racks import RehearsalRack
from engine.store.store import Store, StoreError

EARLY_S = 0.8
"""A start takes about so long."""
ROWS_PER_NODE = 27
"""Journal rows that a node needs to become ready, a few less than it takes."""


class Run:
    """One rack, from off to ready, with kills."""

    def __init__(self, store: Path, nodes: int, kills: int, seed: int, rack_kills: int = 0, network: str = "loopback") -> None:
        self.store, self.nodes, self.random = store, nodes, Random(seed)
        early = kills // 5
        rows = self.random.sample(range(1, max(ROWS_PER_NODE * nodes, 2 * kills)), kills - early)
        self.moments: list[int | None] = sorted(rows)  # type: ignore[assignment]  # the Nones come now
        for _ in range(early):
            self.moments.insert(self.random.randrange(len(self.moments) + 1), None)
        self.rack_kills = set(self.random.sample(range(1, kills), rack_kills))
        self.words = ("rehearse", "--nodes", str(nodes), "--speed", "max", "--network", network, "--headless", "--json")
        self.out = store.with_name("out.jsonl")
        self.kills = 0
        self.unsure: dict[str, int] = {}
        """Serial -> kills while a power order had shown no sign of life: whether it had left nobody knows, so it is given again."""

    def go(self) -> list[str]:
        """Carry it out; what is wrong at the end."""
        for number, moment in enumerate(self.moments):
            process = spawn(self.store, *self.words, out=self.out)
            try:
                ended = self._until(process, moment)
            finally:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                process.wait()
            if ended:
                return [f"it ended by itself (exit {process.returncode}) before kill {number + 1}: {self._last_words()}"]
            self.kills += 1
            self._note()
            if number in self.rack_kills:
                RehearsalRack(rack_folder(self.store)).kill()
        process = spawn(self.store, *self.words, out=self.out)
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return [f"not ready {PATIENCE_S:.0f} s after the last kill: {self._last_words()}"]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return self._wrong(code)

    def _until(self, process: subprocess.Popen[bytes], moment: int | None) -> bool:
        """Wait for the moment; True: the process ended before."""
        end = time.monotonic() + PATIENCE_S
        delay = self.random.uniform(0, EARLY_S) if moment is None else self.random.uniform(0, 0.02)
        while moment is not None and self._rows() < moment:
            if process.poll() is not None:
                return True
            assert time.monotonic() < end, f"row {moment} does not come: {self._last_words()}"
            time.sleep(0.002)
        time.sleep(delay)  # the moment itself, not a wait for a state
        return process.poll() is not None

    def _rows(self) -> int:
        try:
            with Store.read(self.store) as reader:
                return reader.seq
        except StoreError:
            return 0  # not there yet, or in the making

    def _note(self) -> None:
        """What the dead engine had ordered and saw nothing of."""
        try:
            with Store.read(self.store) as reader:
                nodes = reader.load()["nodes"].values()
        except StoreError:
            return
        for node in nodes:
            boot = node.boot  # type: ignore[union-attr]
            if boot is not None and boot.ordered and boot.way is not Way.KEXEC and boot.signal is Signal.OPENED:
                serial = node.serial  # type: ignore[union-attr]
                self.unsure[serial] = self.unsure.get(serial, 0) + 1

    def _last_words(self) -> str:
        out = self.out.read_text().splitlines()[-2:] if self.out.exists() else []
        err = self.out.with_suffix(".err").read_text()[-1500:]
        try:
            with Store.read(self.store) as reader:
                waits = [f"{n.name}: {n.stage} {n.runs} {n.boot} {n.problem} {n.notice}" for n in reader.load()["nodes"].values()]  # type: ignore[union-attr]
        except StoreError as error:
            waits = [str(error)]
        return "\n".join([*out, err, *waits])[-6000:]

    def _wrong(self, code: int) -> list[str]:
        out = []
        last: dict[str, Any] = json.loads(self.out.read_text().splitlines()[-1])
        if code != 0 or last.get("ready") != self.nodes or last.get("waiting") != {}:
            out.append(f"exit {code}: {self._last_words()}")
        errors = self.out.with_suffix(".err").read_text()
        if errors:
            out.append(errors[-2000:])
        with Store.read(self.store) as reader:
            out += reader.verify()
            nodes = [n for n in reader.load()["nodes"].values() if n.kind is Kind.SERVER]  # type: ignore[union-attr]
        if len(nodes) != self.nodes:
            out.append(f"{len(nodes)} nodes of {self.nodes} machines")
        kexec = {n.serial: n.kexec for n in nodes}  # type: ignore[union-attr]
        for serial, machine in self.machines().items():
            disks = [*machine["disks"].values(), *(v["disk"] for v in machine["volumes"])]
            out += [f"disk {d['serial']} of {serial} was wiped {d['wipes']} times" for d in disks if d["wipes"] > 1]
            allowed = (2 if kexec[serial] else 3) + self.unsure.get(serial, 0) + len(self.rack_kills)
            if machine["boots"] > allowed:
                out.append(f"machine {serial} booted {machine['boots']} times, {allowed} are enough")
        return out

    def machines(self) -> dict[str, dict[str, Any]]:
        """Serial -> what the machine remembers."""
        from engine.racks.simulated.spec import hardware, parse

        spec = parse((rack_folder(self.store) / "rack.yml").read_text(encoding="utf-8"))
        return {one.serial: saved for one, saved in zip(hardware(spec), saved_machines(self.store), strict=True)}
