"""A burn-in finds corrected memory errors, which QEMU reports as machine checks to sledgehammer's own kernel, and names the memory channel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hardware_guest import HardwareGuest, sledgehammer
from rack_run import lacking, variant_of

from engine.racks.qemu import live

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
tools = pytest.mark.skipif(variant_of("sledgehammer") != "burn-in", reason="the image sledgehammer is not of the variant burn-in")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HardwareGuest]:
    folder = tmp_path_factory.mktemp("machine")
    one = HardwareGuest(folder, (128, 128), sledgehammer(folder), 2048)
    try:
        one.boot()
        yield one
    finally:
        one.close()


def failed(gave: Any, report: str) -> dict[str, str]:
    return {test["name"]: test["line"] for group in gave[report]["groups"] for test in group["tests"] if test["result"] == "failed"}


@tools
def test_memory_errors_are_found_and_the_channel_is_named(machine: HardwareGuest) -> None:
    code, said, _ = machine.role("burn-in-load", {"burn-in-load-seconds": 3})
    assert code == 0, said
    limits = {"burn-in-error-limits": {"memory": 0, "pci": 100}}
    code, said, _ = machine.role("burn-in-errors", limits)
    assert code == 0, said

    async def errors(qmp: Any, _: Any) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(live.memory_errors(qmp, [3]), 2 * live.ERROR_S)

    machine.by_monitor(errors)
    code, said, gave = machine.role("burn-in-errors", limits)
    assert code == 1, said
    ((name, line),) = failed(gave, "burn-in-errors-report").items()
    assert name == "memory channel 3 of CPU 0 Bank 8"
    print(line)
    assert "corrected errors in the kernel log, and 0 are tolerated" in line
