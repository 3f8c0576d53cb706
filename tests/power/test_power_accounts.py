"""Which account opens a BMC: the site's until role `bmc-account` made one in it, and then only that one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from engine.core.world.load import load_world
from engine.effects import SetPower
from engine.files.catalog import shipped
from engine.model import Bmc, Node, NodeRole, Revision, State
from engine.plan import ExpectedMachine, FactoryBmc, Plan, Site
from engine.power import Pace
from engine.racks.bmc.ipmi import BmcFarm
from engine.runtime.bmc_accounts import BmcAccounts
from engine.runtime.config import Config
from engine.runtime.handles import Handles
from engine.runtime.power_orders import PowerOrders
from engine.trust.tokens import Keys
from engine.trust.vault import BMC_USER, Vault, bmc_account
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)
ADDRESS = f"10.0.{os.getpid() // 200 % 200}.24"
NODE = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, entered=True, protocol="ipmi"))


def role(**fields: Any) -> NodeRole:
    return NodeRole(node="n1", role="bmc-account", deployment="system", **{"state": State.ACTIVE, "succeeded": True, **fields})


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    (tmp_path / "store").mkdir()
    made = Vault(tmp_path / "store", tmp_path / "keys")
    made.seal({"bmc-password": {"env": "P"}}, {"bmc-password": "calvin"})
    return made


def accounts(vault: Vault, *roles: NodeRole) -> BmcAccounts:
    world = load_world(shipped(), {"nodes": {"n1": NODE}, "node_roles": {one.key: one for one in roles}})
    return BmcAccounts(vault, lambda: world, "root")


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({}, True),
        ({"state": State.WAITING, "recheck": True}, True),
        ({"state": State.TRANSITION}, True),
        ({"state": State.WAITING, "succeeded": False}, False),
        ({"state": State.TRANSITION, "succeeded": False}, False),
        (None, False),
    ],
)
def test_the_engine_s_own_once_it_is_made(vault: Vault, fields: dict[str, Any] | None, own: bool) -> None:
    password = vault.made(bmc_account("n1"))
    user = accounts(vault, *([role(**fields)] if fields is not None else []))(NODE)
    assert user == ((BMC_USER, password) if own else ("root", "calvin"))


@pytest.mark.parametrize(
    ("bmc", "opens"),
    [
        (FactoryBmc(user="ADMIN", password="label"), ("ADMIN", "on-the-label")),
        (FactoryBmc(password="label"), ("root", "on-the-label")),
        (FactoryBmc(mac="52:54:00:bb:00:01"), ("root", "calvin")),
    ],
)
def test_the_factory_s_account_comes_before_the_site_s(vault: Vault, bmc: FactoryBmc, opens: tuple[str, str]) -> None:
    vault.seal({"label": {"env": "L"}}, {"label": "on-the-label"})
    node = replace(NODE, serial="SN7")
    goal = Plan(site=Site(name="r1"), machines=(ExpectedMachine(serial="SN7", bmc=bmc),))
    revision = Revision(number=1, who="op", at=0.0, plan=to_builtins(goal))
    tables: Any = {"nodes": {"n1": node}, "revisions": {1: revision}}
    world = load_world(shipped(), tables)
    made = BmcAccounts(vault, lambda: world, "root")
    assert made(node) == opens
    assert made(replace(node, serial="SN8")) == ("root", "calvin")
    own = load_world(shipped(), {**tables, "node_roles": {("n1", "bmc-account"): role()}})
    assert BmcAccounts(vault, lambda: own, "root")(node) == opens, "without a password of its own"
    password = vault.made(bmc_account("n1"))
    assert BmcAccounts(vault, lambda: own, "root")(node) == (BMC_USER, password)


def test_each_bmc_has_its_own(vault: Vault, tmp_path: Path) -> None:
    handles = Handles(keys=Keys(b"k" * 32), vault=vault, public_key="", images=lambda: None, folder=tmp_path)
    world: Any = None
    made = {handles.open(world, Node(id=f"n{i}", name="x"), {"$secret": "bmc-account"}) for i in range(1, 21)}
    assert len(made) == 20
    assert all(len(one) == 16 for one in made)
    assert set(made) <= set(vault.values()), "logs are masked"
    again = Vault(tmp_path / "store", tmp_path / "keys")
    assert again.made(bmc_account("n1")) in made
    assert not any(one.encode() in (tmp_path / "store" / "sealed.json").read_bytes() for one in made)


def test_the_site_s_account_is_used_no_more(vault: Vault, farm: BmcFarm, machine: Any, tmp_path: Path) -> None:
    sim = farm.add(*REACH(ADDRESS, 623), machine)
    sim.commands.accounts.change(3, name=BMC_USER, password=vault.made(bmc_account("n1")), on=True, level=4)
    made = accounts(vault, role())
    machine.password = "another"
    config = Config(store=tmp_path / "store", keys=tmp_path, reach=REACH)
    pace = Pace(total_s=3.0, greet_s=0.5, rest_s=0.0, poll_s=0.05)
    orders = PowerOrders(config, made, lambda *_: False, lambda: pace, made._world)
    done = orders.set_power(SetPower(node="n1", action="on", who="ada"), NODE)
    assert (done.failure, done.state) == (None, "on")
    assert (farm.counters.logins, farm.counters.refused) == (1, 0)
