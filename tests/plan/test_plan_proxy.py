"""`dhcp: proxy` of a network: read, written again, and refused beside a dhcp range."""

from __future__ import annotations

import pytest

from engine.files.catalog import shipped
from engine.files.mistakes import CatalogError
from engine.files.plan_file import PlanError, read
from engine.files.plan_write import write

HEAD = "crowbar: 1\nsite: {name: lab, admin: {address: 192.168.124.10}}\nnetworks:\n  admin: "
TAIL = "\ndeployments: {}\n"


def test_read_and_written_again() -> None:
    plan = read(HEAD + "{subnet: 192.168.124.0/24, dhcp: proxy, ranges: {host: 192.168.124.81-192.168.124.90}}" + TAIL, "p.yml", shipped())
    assert plan.networks["admin"].dhcp == "proxy"
    assert read(write(plan), "p.yml", shipped()) == plan


def test_own_is_the_default_and_not_written() -> None:
    plan = read(HEAD + "{subnet: 192.168.124.0/24, dhcp: own, ranges: {dhcp: 192.168.124.81-192.168.124.90}}" + TAIL, "p.yml", shipped())
    assert plan.networks["admin"].dhcp == "own"
    assert "own" not in write(plan)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("{subnet: 192.168.124.0/24, dhcp: proxy, ranges: {dhcp: 192.168.124.81-192.168.124.90}}", "it cannot have a dhcp range"),
        ("{subnet: 192.168.124.0/24, dhcp: porxy}", "'porxy'"),
    ],
)
def test_mistakes(network: str, said: str) -> None:
    with pytest.raises((PlanError, CatalogError), match=said):
        read(HEAD + network + TAIL, "p.yml", shipped())
