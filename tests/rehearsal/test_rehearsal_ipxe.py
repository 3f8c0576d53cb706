"""The iPXE subset: scripts as literals, and what they end in."""

from __future__ import annotations

import asyncio

import pytest

from engine.files.catalog import shipped
from engine.netboot.script import render_boot
from engine.racks.simulated.ipxe import Kernel, Leave, Verdict, expand, run

BASE = "http://10.0.0.1/boot/script?mac=52:54:00:00:00:01"


def carry_out(
    script: str, files: dict[str, bytes] | None = None, settings: dict[str, str] | None = None
) -> tuple[Verdict, list[str], list[float]]:
    """The verdict, what was fetched, how long was slept. With `files` only those are there."""
    fetched: list[str] = []
    slept: list[float] = []

    async def fetch(url: str) -> bytes | None:
        fetched.append(url)
        return b"x" if files is None else files.get(url)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    found = asyncio.run(run(script.encode(), BASE, settings if settings is not None else {}, fetch, sleep))
    return found, fetched, slept


def test_kernel_initrd_and_boot() -> None:
    found, fetched, _ = carry_out(
        "#!ipxe\n# a comment\necho hello && imgfree\n"
        "kernel http://10.0.0.1/k initrd=i console=ttyS0 BOOTIF=01-${netX/mac:hexhyp} || goto bad\n"
        "initrd --name i http://10.0.0.1/i || goto bad\nboot || goto bad\n:bad\nexit 1\n",
        settings={"netX/mac": "52:54:00:00:00:01"},
    )
    line = ("initrd=i", "console=ttyS0", "BOOTIF=01-52-54-00-00-00-01")
    assert found == Kernel("http://10.0.0.1/k", line, ("http://10.0.0.1/i",))
    assert fetched == ["http://10.0.0.1/k", "http://10.0.0.1/i"]


@pytest.mark.parametrize(("maker", "virtual"), [("QEMU", True), ("Dell Inc.", False), ("", False)])
def test_virtual_machines_are_not_told_that_their_timer_is_broken(maker: str, virtual: bool) -> None:
    """Without KVM Linux may find so, and stops."""
    text = render_boot(shipped().images["sledgehammer"], "http://10.0.0.1", "ab" * 16)
    found, _, _ = carry_out(text, settings={"netX/mac": "52:54:00:00:00:01", "manufacturer": maker, "virtual": "left over"})
    assert isinstance(found, Kernel)
    assert ("no_timer_check" in found.arguments) is virtual
    assert "over" not in found.arguments
    assert "console=ttyS0" in found.arguments


def test_urls_are_relative_to_the_script() -> None:
    _, fetched, _ = carry_out("#!ipxe\nkernel k one\ninitrd /i\nboot\n")
    assert fetched == ["http://10.0.0.1/boot/k", "http://10.0.0.1/i"]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("exit", "next"),
        ("exit 0", "next"),
        ("exit 1", "failed"),
        ("sanboot --no-describe --drive 0x80", "disk"),
        ("reboot", "reboot"),
        ("poweroff", "poweroff"),
        ("echo done", "next"),
        ("boot", "failed"),
        ("frobnicate", "failed"),
        ("frobnicate || exit", "next"),
        ("goto nowhere", "failed"),
        ("iseq ${platform} efi && reboot || poweroff", "poweroff"),
        ("set platform efi\niseq ${platform} efi && reboot || poweroff", "reboot"),
        ("isset ${platform} || sanboot", "disk"),
        (":here\ngoto here", "failed"),
        ("shell", "failed"),
    ],
)
def test_how_a_script_ends(text: str, how: str) -> None:
    found, _, _ = carry_out(f"#!ipxe\n{text}\n")
    assert isinstance(found, Leave)
    assert found.how == how


def test_a_failed_fetch_asks_again_later_and_another_script_takes_over() -> None:
    again = "http://10.0.0.1/again"
    found, fetched, slept = carry_out(
        f"#!ipxe\nkernel http://10.0.0.1/missing || goto again\nboot\n:again\nsleep 10\nchain --replace {again} || goto again\n",
        {again: b"#!ipxe\nsanboot\n"},
    )
    assert found == Leave("disk")
    assert slept == [10.0]
    assert fetched == ["http://10.0.0.1/missing", again]


def test_chains_do_not_nest() -> None:
    again = "http://10.0.0.1/loop"
    count = 0

    async def fetch(url: str) -> bytes | None:
        nonlocal count
        count += 1
        return f"#!ipxe\nsleep 1\nchain {again}\n".encode() if count < 3000 else b"#!ipxe\nexit\n"

    async def sleep(seconds: float) -> None:
        return

    found = asyncio.run(run(f"#!ipxe\nchain {again}\n".encode(), BASE, {}, fetch, sleep))
    assert (found, count) == (Leave("next"), 3000)


def test_what_is_no_script() -> None:
    for text in (b"<html>", b"", b"#!ipxe\n" + b"#" * 70_000):
        found = asyncio.run(run(text, BASE, {}, None, None))  # type: ignore[arg-type]
        assert isinstance(found, Leave)
        assert found.how == "failed"


def test_expansion() -> None:
    settings = {"net0/mac": "52:54:00:00:00:01", "product": "Power Edge"}
    assert expand("a-${net0/mac}-${net0/mac:hexhyp}-${nothing}", settings) == "a-52:54:00:00:00:01-52-54-00-00-00-01-"
    assert expand("${product:uristring}", settings) == "Power%20Edge"
