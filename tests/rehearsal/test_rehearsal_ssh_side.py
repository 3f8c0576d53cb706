"""SSH of a simulated installed system: the engine's own pool and `attempt` client against it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_admin import FakeAdmin, free_lane, install_attributes, rack_spec, task_tar

from engine.jigs.leg_report import LegReport
from engine.jigs.ssh import SshDone, SshFailed, SshPool, SshTarget
from engine.jigs.ssh_attempts import Attempts
from engine.jigs.ssh_key import EngineKey, engine_key
from engine.racks.simulated.rack import SimulatedRack


@asynccontextmanager
async def installed(folder: Path, **more: Any) -> AsyncIterator[tuple[FakeAdmin, SimulatedRack, SshPool, SshTarget, EngineKey]]:
    """A machine that runs its installed system, and how it is reached."""
    lane = free_lane()
    key = engine_key(folder / "id")
    async with FakeAdmin(lane) as admin:
        rack = SimulatedRack(folder, rack_spec(lane, **more))
        await rack.start()
        pool = SshPool(key)
        try:
            await rack.order("press", ["all"])
            node = (await admin.hello())["node"]
            found = await admin.run(node, "i.1", "os-install", "os-install", install_attributes(key=key.public))
            assert found["exit"] == 0, found
            admin.order(node, do="kexec")
            await admin.hello(2)
            host, port = admin.reach("192.168.124.81", 22)
            yield admin, rack, pool, SshTarget(address=host, port=port, host_key=found["gives"]["ssh-host-key"]), key
        finally:
            await asyncio.to_thread(pool.close_all)
            await rack.close()


def go(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def test_commands(tmp_path: Path) -> None:
    async def work() -> None:
        async with installed(tmp_path) as (admin, _, pool, target, _key):

            async def run(*words: str) -> SshDone:
                done = await asyncio.to_thread(pool.run, "n", target, words, b"", 20.0)
                assert isinstance(done, SshDone), done
                return done

            assert (await run("hostname")).stdout == b"node-81\n"
            assert (await run("true")).exit == 0
            boot_id = (await run("cat", "/proc/sys/kernel/random/boot_id")).stdout.decode().strip()
            assert boot_id == admin.hellos[1]["boot_id"]
            assert b"ID=debian" in (await run("cat", "/etc/os-release")).stdout
            assert (await run("cat", "/etc/shadow")).exit == 1
            assert (await run("launch-missiles")).exit == 127

    go(work())


def test_a_detached_attempt(tmp_path: Path) -> None:
    async def work() -> None:
        async with installed(tmp_path) as (_, rack, pool, target, _key):
            tool = Attempts(pool, "n", target)
            tar = task_tar("ntp", "ntp-client", {"ntp-servers": ["192.168.124.10"]}, "run", "a.1")

            async def ask(call: Any, *words: Any) -> LegReport:
                told = await asyncio.to_thread(call, *words)
                told = told[0] if isinstance(told, tuple) else told
                assert isinstance(told, LegReport), told
                return told

            rack._pace.speed = 4.0
            assert (await ask(tool.start, "a.1", tar, 60)).state == "running"
            assert (await ask(tool.start, "a.1", tar, 60)).state == "running"
            ended = await ask(tool.wait, "a.1", 10)
            assert (ended.state, ended.exit) == ("ended", 0)
            log = await asyncio.to_thread(tool.log, "a.1", 0)
            assert isinstance(log, bytes)
            assert log.count(b"\n") == 1, "it ran once"
            assert (await ask(tool.ack, "a.1")).state == "acknowledged"
            assert (await ask(tool.start, "a.1", tar, 60)).state == "acknowledged"
            assert (await ask(tool.wait, "zz.1", 0)).state == "lost"
            verify = task_tar("ntp", "ntp-client", {"ntp-servers": ["192.168.124.10"]}, "verify", "v.1")
            await ask(tool.start, "v.1", verify, 60)
            assert (await ask(tool.wait, "v.1", 10)).exit == 0
            network = {"network": {"name": "admin", "address": "192.168.124.81", "mask": "255.255.255.0"}}
            await ask(tool.start, "n.1", task_tar("network", "network-admin", network, "run", "n.1"), 60)
            found = await ask(tool.wait, "n.1", 10)
            assert found.gives == {"addresses": ["192.168.124.81/24"]}

    go(work())


def test_power_off_loses_what_runs_and_keeps_what_ended(tmp_path: Path) -> None:
    async def work() -> None:
        async with installed(tmp_path) as (admin, rack, pool, target, _key):
            tool = Attempts(pool, "n", target)
            tar = task_tar("ntp", "ntp-client", {"ntp-servers": []}, "run", "a.1")
            await asyncio.to_thread(tool.start, "a.1", tar, 60)
            ended, _ = await asyncio.to_thread(tool.wait, "a.1", 10)
            assert isinstance(ended, LegReport)
            assert ended.state == "ended"
            rack._pace.speed = 0.01
            await asyncio.to_thread(tool.start, "b.1", tar, 60)
            waiting = asyncio.create_task(asyncio.to_thread(tool.wait, "b.1", 30))
            async with asyncio.timeout(10):
                while not rack._ssh._waiting:
                    await asyncio.sleep(0.01)
            rack._pace.speed = "max"
            rack._runners["m1"].machine.nonvolatile.boot_always = "disk"
            await rack.order("reset", ["m1"])
            told, _ = await waiting
            assert isinstance(told, SshFailed), "power that goes is no answer"
            await admin.hello(3)
            states = {}
            for id in ("a.1", "b.1"):
                told, _ = await asyncio.to_thread(tool.wait, id, 0)
                assert isinstance(told, LegReport), told
                states[id] = told.state
            assert states == {"a.1": "ended", "b.1": "lost"}

    go(work())


def test_only_the_installed_key_may_log_in(tmp_path: Path) -> None:
    async def work() -> None:
        async with installed(tmp_path) as (_, _rack, _pool, target, _key):
            stranger = SshPool(engine_key(tmp_path / "other"))
            try:
                found = await asyncio.to_thread(stranger.run, "n", target, ["true"], b"", 20.0)
            finally:
                stranger.close_all()
            assert isinstance(found, SshFailed)
            assert found.kind == "authentication"

    go(work())


@pytest.mark.client
@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
def test_real_ssh(tmp_path: Path) -> None:
    async def work() -> None:
        async with installed(tmp_path) as (_, _rack, _pool, target, _key):
            known = tmp_path / "known"
            known.write_text(f"[{target.address}]:{target.port} {target.host_key}\n")
            words = ["ssh", "-F", "none", "-p", str(target.port), "-i", str(tmp_path / "id"), "-o", "IdentitiesOnly=yes"]
            words += ["-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", f"root@{target.address}", "hostname"]
            done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout) == (0, "node-81\n"), done.stderr

    go(work())
