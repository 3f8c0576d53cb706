"""`crowbar shell`: what an SSH account without a shell can do, over a real sshd. What it cannot do is in `tests/abuse`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from captive_sshd import CaptiveSshd

sys.path.append(str(Path(__file__).parents[1] / "console"))
sys.path.append(str(Path(__file__).parents[1] / "bundles"))

from bundle_lab import KEY, PARTS, bundle
from terminal import Terminal, needs_tmux

from engine.files.paths import keys_beside
from engine.runtime.engine import Engine
from engine.trust.bundle_key import bundle_key, fingerprint

pytestmark = pytest.mark.client


@pytest.fixture
def host(tmp_path: Path, store: Path) -> Iterator[CaptiveSshd]:
    made = CaptiveSshd(tmp_path / "sshd", store)
    yield made
    made.stop()


def test_status_and_help_over_ssh(host: CaptiveSshd, engine: Engine) -> None:
    done = host.run("status")
    assert done.returncode == 0, done.stderr
    assert b"3 nodes  " in done.stdout, "how many are ready depends on the time: no machine of this store runs"
    assert b"engine running" in done.stdout
    row = json.loads(host.run("status", "--json").stdout)
    assert (row["type"], row["running"]) == ("status", True)
    assert b"ssh HOST bundle <FILE" in host.run("help").stdout
    none = host.run()
    assert (none.returncode, none.stdout) == (2, b"")
    assert b"the console needs a terminal" in none.stderr


def test_a_bundle_of_this_site_is_taken(host: CaptiveSshd, store: Path) -> None:
    data = bundle(key=bundle_key(keys_beside(store)))
    done = host.run("bundle", data=data)
    assert done.returncode == 0, done.stderr
    assert b"signed with the key" in done.stdout
    assert (store / "bundle" / "plan.yml").read_bytes() == PARTS["plan.yml"]
    assert (store / "images" / "loader" / "ipxe.efi").read_bytes() == PARTS["images/loader/ipxe.efi"]
    row = json.loads(host.run("bundle", "--json", data=data).stdout)
    assert (row["type"], row["site"]) == ("bundle", "r07")


def test_a_bundle_of_a_named_key_is_taken(tmp_path: Path, store: Path) -> None:
    host = CaptiveSshd(tmp_path / "sshd", store, "--key", fingerprint(KEY.public))
    try:
        assert host.run("bundle", data=bundle()).returncode == 0
        other = bundle({**PARTS, "plan.yml": b"crowbar: 2\n"}, bundle_key(keys_beside(store)))
        done = host.run("bundle", data=other)
        assert done.returncode == 1
        assert b"do not use it" in done.stderr
        assert (store / "bundle" / "plan.yml").read_bytes() == PARTS["plan.yml"]
    finally:
        host.stop()


@needs_tmux
@pytest.mark.parametrize("options", [[], ["--read-only"]])
def test_the_console_over_ssh(tmp_path: Path, store: Path, engine: Engine, options: list[str]) -> None:
    host = CaptiveSshd(tmp_path / "sshd", store, *options)
    terminal = Terminal(tmp_path)
    try:
        terminal.type(shlex.join(host.argv("-tt")), "Enter")
        seen = terminal.wait("8 health")
        assert seen.startswith(" read-only r1 > nodes") == bool(options)
        terminal.type("h")
        terminal.wait("no order leaves it" if options else "on hold")
        terminal.type("5c")
        terminal.wait("no order leaves it" if options else "this console is captive")
        terminal.type("Q")
        terminal.wait("no order leaves it" if options else "stops no engine")
        terminal.type("q")
        terminal.wait(lambda text: text.rstrip().endswith("$"))
    finally:
        terminal.close()
        host.stop()
    assert engine.failure == ""
