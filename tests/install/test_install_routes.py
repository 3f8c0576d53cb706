"""What an installer fetches over HTTP, and what is refused to whom."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from fake_machine import PLAN, FakeMachine, running
from test_install_tool import GIVES

from engine.events import SetAttribute
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.runtime.engine import Engine

KICKSTART = PLAN.replace(
    "  cloud: {roles: {ready: all}}", "  cloud: {roles: {ready: all}, attributes: {install-method: kickstart, target-os: rocky-9}}"
).replace("}}\nnetworks:", "}, trust: network}\napprove: {wipe: all}\nnetworks:", 1)
NOBODY = "0" * 32


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(tmp_path_factory.mktemp("routes") / "store", plan_file.read(KICKSTART, "plan.yml", shipped())) as one:
        yield one


@pytest.fixture(scope="module")
def wire(engine: Engine) -> FakeMachine:
    """A machine that was told to boot the installer."""
    one = FakeMachine(engine, 1)
    one.script()
    assert one.hello("b1").status == 200
    while (order := one.next())["do"] != "reboot":
        if order["do"] == "run":
            (role,) = [r.role for r in engine.world.node_roles.values() if r.attempt == order["id"].rpartition(".")[0]]
            assert one.result(order["id"], gives=GIVES[role]).status == 200
    return one


def test_the_boot_script_names_the_installer_its_answers_and_the_mirror(wire: FakeMachine) -> None:
    script = wire.call("GET", f"/boot/script?mac={wire.mac}&uuid={wire.uuid}").text
    assert "/image/rocky-9-installer/vmlinuz" in script
    assert "crowbar.env=rocky-9-installer" in script
    nonce = script.partition("crowbar.nonce=")[2].split()[0]
    assert f"inst.ks=http://192.168.124.10/boot/answers/{nonce}/kickstart" in script
    assert "inst.repo=https://download.rockylinux.org/pub/rocky/9/BaseOS/x86_64/os" in script
    assert "{" not in script.replace("${", "")


def test_answers_are_for_the_nonce_of_an_open_boot(wire: FakeMachine) -> None:
    nonce = wire.script()
    for _ in range(2):  # installers ask twice
        found = wire.call("GET", f"/boot/answers/{nonce}/kickstart")
        assert found.status == 200, found
        assert "--hostname=web-1.r07.example.net" in found.text
    assert wire.script() == nonce, "one nonce for each boot"
    assert wire.call("GET", f"/boot/answers/{nonce[:-1]}{'0' if nonce[-1] != '0' else '1'}/kickstart").status == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/boot/answers/{NOBODY}/kickstart", 403),
        ("/boot/answers/x/kickstart", 403),
        (f"/boot/answers/{hashlib.sha256(b'x').hexdigest()}/kickstart", 403),
        ("/boot/answers/NONCE/preseed.cfg", 403),
        ("/boot/answers/NONCE/..%2fimage.yml", 404),
        ("/boot/answers/NONCE/../image.yml", 404),
        ("/boot/answers/NONCE", 404),
        ("/boot/tool/installer", 200),
        ("/boot/tool/agent", 200),
        ("/boot/tool/ca.crt", 200),
        ("/boot/tool/tls", 200),
        ("/boot/tool/credential", 404),
        ("/boot/tool/site.key", 404),
    ],
)
def test_who_gets_what(wire: FakeMachine, path: str, status: int) -> None:
    nonce = wire.script()
    assert wire.call("GET", path.replace("NONCE", nonce)).status == status


def test_a_value_that_is_not_fit_is_said_and_not_rendered(engine: Engine, wire: FakeMachine) -> None:
    nonce = wire.script()
    bad = SetAttribute(who="test", layer="deployment", scope="cloud", name="package-mirror", value="http://a/b:c")
    engine.ask(bad)
    try:
        found = wire.call("GET", f"/boot/answers/{nonce}/kickstart")
        assert (found.status, found.code) == (409, "bad_value")
        assert "package-mirror" in found.json["message"]
    finally:
        engine.ask(SetAttribute(who="test", layer="deployment", scope="cloud", name="package-mirror", clear=True))
    assert wire.call("GET", f"/boot/answers/{wire.script()}/kickstart").status == 200
