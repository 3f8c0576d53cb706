"""Farms of simulated BMCs, and the smallest machine behind one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.rehearsal.bmc import BmcFarm, SimBmc
from engine.rehearsal.redfish import RedfishFarm, certificate


class Machine:
    """Obeys at once; `log`: what its BMC made it do; `crowd`: the most sessions its BMC had when it was asked."""

    user = "root"
    password = "calvin"

    def __init__(self) -> None:
        self.on = False
        self.device = "none"
        self.log: list[object] = []
        self.crowd = 0
        self.bmc: SimBmc | None = None

    def power_state(self) -> bool:
        if self.bmc is not None:
            self.crowd = max(self.crowd, len(self.bmc.sessions))
        return self.on

    def power(self, action: str) -> None:
        self.log.append(action)
        if action != "diag":
            self.on = action in ("on", "cycle", "reset")

    def boot_device(self) -> str:
        return self.device

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None:
        self.log.append((device, persistent, uefi))
        self.device = device

    def identify(self, seconds: int) -> None:
        self.log.append(seconds)


@pytest.fixture
def farm() -> Iterator[BmcFarm]:
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with BmcFarm() as made:
        yield made
    assert (made.broken, made.counters.failed) == (0, 0)
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= files, "a socket was left open"


@pytest.fixture
def redfish_farm(tmp_path: Path) -> Iterator[RedfishFarm]:
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with RedfishFarm(certificate(tmp_path)) as made:
        yield made
    assert (made.broken, made.counters.failed) == (0, 0)
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= files, "a socket was left open"


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def machines() -> type[Machine]:
    return Machine
