"""What the role inventory sends of the machine's parts, by its own tools."""

from __future__ import annotations

from typing import Any

from test_catalog_discovery import server


def test_the_largest_reports_are_left_out_where_all_are_too_much(machine: Any) -> None:
    server(machine)
    machine.environment["CROWBAR_REPORTS_BYTES"] = "2000"
    machine.tool("lspci", "od -An -v -tx1 /dev/urandom | head -c 20000")
    machine.tool("dmidecode", "echo SMBIOS 3.2.0 present.")
    done = machine.run("inventory")
    assert done.code == 0, done.err
    assert done.gives["hardware"]["odd"] == ["left out: lspci-vmm too large"]


def test_a_tool_that_hangs_costs_its_own_report(machine: Any) -> None:
    server(machine)
    machine.tool("timeout", 'shift; case $1 in dmidecode) exit 124 ;; *) exec "$@" ;; esac')  # as coreutils does after the limit
    machine.tool("dmidecode", "echo never")
    machine.tool("lscpu", "printf 'Architecture: x86_64\\nModel name: Xeon\\nSocket(s): 1\\nCore(s) per socket: 8\\n'")
    done = machine.run("inventory")
    assert done.code == 0, done.err
    assert done.gives["hardware"]["facts"]["processors"] == "1 x Xeon 8 cores"


def test_a_look_of_an_operator_does_not_wait_for_the_tools(machine: Any) -> None:
    server(machine)
    machine.environment["CROWBAR_ATTEMPT"] = "look-0a1b2c.1"
    machine.tool("dmidecode", "echo asked >$CROWBAR_ROOT/asked")
    done = machine.run("inventory", tidy=False)
    assert done.code == 0, done.err
    assert not (machine.root / "asked").exists()
