"""Farms of simulated BMCs, and machines to put behind them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bmc_machine import Machine

from engine.racks.bmc.ipmi import BmcFarm
from engine.racks.bmc.redfish import RedfishFarm, certificate


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
