"""Recognisable secrets, planted and then looked for in all that an engine writes or shows: store, journal, logs, output, command lines.

What is exempt: the folder of keys (`STORE.keys`, which holds what everything else is derived from), and what the simulated machines remember
(`STORE.rack/rack.yml` and `machines/`): that is the inside of the hardware.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from crowbar_process import crowbar, here, rack_folder, saved_machines
from fake_machine import FakeMachine, plan, running

from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Kind, State
from engine.rehearsal.session import Rehearsal, with_nodes
from engine.store.store import Store
from engine.trust.tokens import site_keys

PASSWORD = "pl4nted-bmc-pw-7f3a"
OTHER = "0ther-pl4nted-pw-19c"
RUN = ("rehearse", "--nodes", "2", "--network", "loopback", "--headless", "--json")


class Seen:
    """Command lines of all processes that name a path, as they come and go."""

    def __init__(self, path: Path) -> None:
        self.path = str(path).encode()
        self.lines: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = process.read_bytes()
                except OSError:
                    continue
                if self.path in line:
                    self.lines.add(line)
            self._over.wait(0.02)

    @contextmanager
    def looking(self) -> Iterator[Seen]:
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()


def written(store: Path) -> dict[Path, bytes]:
    """All that the engine and the rack's process wrote, but for images, keys and the inside of machines."""
    out = {}
    for root in (store, rack_folder(store)):
        for path in root.rglob("*"):
            inside = path.relative_to(root).parts[0]
            if path.is_file() and inside not in ("images", "machines", "rack.yml"):
                out[path] = path.read_bytes()
    return out


def nowhere(secrets: dict[str, str], places: dict[Path, bytes]) -> None:
    assert places
    for name, secret in secrets.items():
        assert len(secret) >= 16, name
        found = [str(path) for path, data in places.items() if secret.encode() in data]
        assert found == [], f"{name} is in {found}"


def derived(store: Path) -> dict[str, str]:
    """Every secret that follows from the site's key, for the nodes of the store."""
    folder = store.with_name(store.name + ".keys")
    keys = site_keys(folder)
    with Store.read(store) as reader:
        nodes: list[Any] = [n for n in reader.load()["nodes"].values() if n.kind is Kind.SERVER]  # type: ignore[union-attr]
        boots = {(n.id, n.boot_id) for n in nodes}
        for row in reader.journal(0, 100_000):
            boots |= {(k, b["boot_id"]) for t, k, b in row.rows if t == "nodes" and b and b.get("boot_id")}  # type: ignore[misc]
    out = {"site key": (folder / "site.key").read_text().strip(), "seal key": (folder / "seal.key").read_text().strip()}
    lines = (folder / "engine_ed25519").read_text().splitlines()
    out |= {f"engine's SSH key, line {i}": line for i, line in enumerate(lines[2:-1], 2) if len(line) >= 16}
    for node, boot_id in boots:
        token = keys.token(node, boot_id)
        out[f"token of {node} in {boot_id}"] = token
        out[f"the secret part of the token of {node} in {boot_id}"] = token.rpartition(".")[2]
    for node in nodes:
        out[f"credential of {node.id}"] = keys.credential(node.id, node.installation).rpartition(".")[2]
    return out


def test_nothing_is_written_down_in_a_whole_run(store: Path) -> None:
    with Seen(store).looking() as seen:
        run = crowbar(store, *RUN, CROWBAR_BMC_PASSWORD=PASSWORD)
    assert run.code == 0, run
    secrets = {"BMC password": PASSWORD, **derived(store)}
    assert sum(name.startswith("token") for name in secrets) >= 4
    keys = site_keys(store.with_name(store.name + ".keys"))
    # They were really used: the machines have their credentials.
    systems = [v["disk"]["system"] for m in saved_machines(store) for v in m["volumes"]]
    assert {found[0] for s in systems if (found := keys.check_credential(s["credential"])) and found[1]} == {"n1", "n2"}
    shown = {}
    for words in (("events", "--json"), ("events",), ("roles", "--json"), ("explain", "control-10", "os-install", "credential", "--json")):
        found = here(store, *words)
        assert found.code == 0, found
        shown[Path("/".join(words))] = (found.out + found.err).encode()
    told = {Path("output"): run.out.encode(), Path("errors"): run.err.encode(), Path("command lines"): b"\n".join(seen.lines)}
    places = {**written(store), **told, **shown}
    assert store / "store.db" in places
    assert store / "sealed.json" in places
    assert seen.lines
    nowhere(secrets, places)
    for path in store.rglob("*"):
        others = 0o007 if "services" in path.relative_to(store).parts else 0o077  # daemons share what they have with their group
        assert path.stat().st_mode & others == 0 or path.is_symlink() or "images" in path.relative_to(store).parts, path


def test_nothing_is_written_down_where_a_password_is_wrong(store: Path) -> None:
    """A refused login is told with its reason; the password that was refused is not."""
    folder = Path(__file__).resolve().parents[2] / "crowbar_tui" / "plans" / "one-node.yml"
    wanted = with_nodes(plan_file.read(folder.read_text(encoding="utf-8"), "one-node.yml", shipped()), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROWBAR_BMC_PASSWORD", OTHER)
        from engine import racks as rehearsal

        rehearsal.create(rack_folder(store), Rehearsal(store, wanted, 1, 1, "max", "test", "loopback").spec)
    words = ("rehearse", "--nodes", "1", "--network", "loopback", "--headless", "--json", "--timeout", "8")
    with Seen(store).looking() as seen:
        run = crowbar(store, *words, CROWBAR_BMC_PASSWORD=PASSWORD)
    assert run.code == 1, run
    assert any((line.get("reason") or {}).get("code") == "power_failed" for line in run.lines), run
    told = {Path("output"): run.out.encode(), Path("errors"): run.err.encode(), Path("command lines"): b"\n".join(seen.lines)}
    nowhere({"BMC password": PASSWORD, "the BMC's own password": OTHER, **derived(store)}, {**written(store), **told})


def test_a_nonce_is_stored_by_its_hash_alone(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(store, plan()) as engine:
        machine = FakeMachine(engine, 1)
        nonces = [machine.script(), machine.script()]
        assert machine.hello("boot-a").status == 200
        refused = machine.hello("boot-b")
        assert refused.status == 403
        assert all(nonce not in refused.text for nonce in nonces)
        before = {engine.world.node_roles[k].state for k in engine.world.roles_of[machine.node]}
        assert State.TRANSITION in before
        live = {}
        for path in store.rglob("*"):
            with suppress(FileNotFoundError):  # the engine is at work: an attempt's folder is made aside and renamed
                if path.is_file() and "images" not in path.parts:
                    live[path] = path.read_bytes()
        assert live
        token = machine.token
    secrets = {"first nonce": nonces[0], "second nonce": nonces[1], "token": token, "its secret part": token.rpartition(".")[2]}
    nowhere(secrets, {**written(store), Path("log"): caplog.text.encode(), **live})
