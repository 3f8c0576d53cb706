"""Answers without TLS contain no secret, and a nonce is useless after its hello. tests/boot/test_boot_wire.py searches all packets of a boot."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fake_machine import FakeMachine, plan, running

from engine.runtime.engine import Engine
from engine.serve.tftp import TftpFile
from engine.trust.authority import CA_CERTIFICATE, CA_KEY, SERVER


def secrets(engine: Engine, *machines: FakeMachine) -> dict[str, bytes]:
    """Everything that must not be sent in clear: what the folder of keys holds, but what is public by its nature, and what follows from it."""
    folder = engine.config.keys
    out = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name not in (CA_CERTIFICATE,) and not file.name.endswith(".pub")
    }
    out["lines of the server's key"] = b"".join(out.pop(SERVER).splitlines()[1:3])
    out["lines of the authority's key"] = b"".join(out.pop(CA_KEY).splitlines()[1:-1])
    out["lines of the SSH key"] = b"".join(out.pop("engine_ed25519").splitlines()[2:-1])
    for machine in machines:
        out[f"token of {machine.node}"] = machine.token.encode()
        installing = engine.world.nodes[machine.node].installing
        out[f"credential of {machine.node}"] = engine.adapters.keys.credential(machine.node, installing).encode()
    out["BMC password"] = b"pl4nted-bmc-pw-5a1c"
    return {name: value.strip() for name, value in out.items() if value.strip()}


def in_clear(engine: Engine, machine: FakeMachine) -> dict[str, bytes]:
    """What anybody on the network gets without saying who he is."""
    out = {}
    for path in (
        f"/boot/script?mac={machine.mac}",
        f"/boot/grub.cfg?mac={machine.mac}",
        "/boot/site.img",
        "/grub/grub.cfg",
        "/nothing",
        "/agent/next",
    ):
        found = raw(machine, path)
        out[path] = gzip.decompress(found) if found[:2] == b"\x1f\x8b" else found
    assert engine.services.files is not None
    for name in ("grub/grub.cfg", f"boot/grub.cfg-{machine.mac}", "boot/site.img"):
        file = engine.services.files.resolve(name, machine.here)
        assert isinstance(file, TftpFile), name
        body = bytes(file.body)
        out[f"TFTP {name}"] = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return out


def raw(machine: FakeMachine, path: str) -> bytes:
    import http.client

    connection = http.client.HTTPConnection(*machine.there, timeout=60, source_address=(machine.here, 0))
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "pl4nted-bmc-pw-5a1c")


@pytest.mark.usefixtures("planted")
def test_nothing_that_anybody_may_have_holds_a_secret(store: Path) -> None:
    with running(store, plan()) as engine:
        one, two = FakeMachine(engine, 1), FakeMachine(engine, 2)
        one.script()
        two.lease()
        assert one.hello("boot-a").status == 200
        wanted = secrets(engine, one)
        assert len(wanted) >= 7
        for machine in (one, two):
            sent = in_clear(engine, machine)
            assert len(sent) == 9
            assert b"BEGIN CERTIFICATE" in sent["/boot/site.img"]
            assert b"PRIVATE KEY" not in b"".join(sent.values())
            found = [(name, place) for name, secret in wanted.items() for place, body in sent.items() if secret in body]
            assert found == []


def test_after_hello_the_nonce_is_worthless(store: Path) -> None:
    with running(store, plan(), silence_s=3.0) as engine:
        one, two = FakeMachine(engine, 1), FakeMachine(engine, 2)
        spent = one.script()
        assert one.hello("boot-a").status == 200
        node, token = one.node, one.token
        # Who read it off the wire, or off /proc/cmdline, gets nothing by it: not from there, not as another, not as the same in another boot.
        two.nonce = spent
        for boot_id, said in (
            ("boot-b", {}),
            ("boot-b", {"uuid": one.uuid, "serial": one.serial, "macs": [one.mac]}),
            ("boot-a", {"macs": [two.mac]}),
        ):
            answer = two.hello(boot_id, **said)
            assert answer.status == 403 or answer.json["token"] == token, answer
            assert spent not in answer.text
        assert one.hello("boot-b").status == 403
        assert engine.world.nodes[node].boot_id == "boot-a"
        # The next boot has one of its own, and the old one is unknown then.
        assert one.up_again("boot-c").status == 200
        assert one.nonce != spent
        one.nonce = spent
        refused = one.hello("boot-d")
        assert (refused.status, refused.code) == (403, "unknown_nonce")
