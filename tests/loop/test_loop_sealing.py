"""Secrets on their way into the engine: sealed before anybody else sees them, masked in the log, destroyed when nobody refers to them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.roles import sealed
from engine.definitions import AttributeDef
from engine.effects import Accept, Refuse
from engine.events import Event, Outcome, SetAttribute
from engine.jigs.logs import Logs
from engine.model import State, Value
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.runtime.sealing import Sealing
from engine.trust.vault import LIMIT, Vault, VaultError

SECRET = "a-planted-secret-4711"


class Scene:
    def __init__(self, folder: Path) -> None:
        some = catalog(role("giver", "system", gives=("made", "plain")), role("reader", "system", wants=["key"]))
        new = {
            "key": AttributeDef(name="key", path="key", schema={"type": "string", "pattern": "^[a-z0-9-]+$"}, secret=True),
            "made": replace(some.attributes["made"], secret=True, schema={"type": "string"}),
        }
        self.rig = WorldRig(replace(some, attributes=some.attributes | new), plan({}))
        self.rig.server("n1", stage="system", runs="debian-12", allocated=True)
        self.rig.role("giver", state=State.TRANSITION, attempt="i5-9", leg=1, action="run", try_hash="")
        self.rig.role("reader")
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.vault = Vault(folder, folder.with_name("keys"))
        self.logs = Logs(folder / "logs")
        self.sealing = Sealing(self.vault, self.logs, lambda: self.rig.world)
        self.seen: list[Event] = []

    def set(self, secret: str, name: str = "key", clear: bool = False) -> Accept | Refuse:
        def ask(event: SetAttribute) -> Accept | Refuse:
            self.seen.append(event)
            self.rig.feed(replace(event, request=Request(Asker.OPERATOR, 1)))
            (answer,) = [e for e in self.rig.effects if isinstance(e, Accept | Refuse)]
            return answer

        return self.sealing.set(SetAttribute(who="op", layer="operator", scope="n1", name=name, clear=clear), secret, ask)

    def gives(self, **gives: Any) -> Outcome:
        def submit(event: Event) -> bool:
            self.seen.append(event)
            return True

        assert self.sealing.submit_to(submit)(Outcome(attempt="i5-9.1", node="n1", what="done", gives=gives))
        found = self.seen[-1]
        assert isinstance(found, Outcome)
        return found

    def names(self) -> set[str]:
        return self.vault.named(sealed.PREFIX)


@pytest.fixture()
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "store")


def test_an_event_has_a_name_and_the_vault_the_secret(scene: Scene, tmp_path: Path) -> None:
    assert isinstance(scene.set(SECRET), Accept)
    (name,) = scene.names()
    (event,) = scene.seen
    assert isinstance(event, SetAttribute)
    assert (event.sealed, event.value) == (name, None)
    assert SECRET not in repr((event, scene.rig.world.attributes, scene.vault))
    again = Vault(tmp_path / "store", tmp_path / "keys")
    assert again.needed(name) == SECRET
    assert SECRET in again.values(), "logs mask it"


def test_the_same_secret_has_the_same_name_in_one_installation_only(scene: Scene, tmp_path: Path) -> None:
    scene.set(SECRET)
    first = scene.names()
    scene.set(SECRET)
    assert scene.names() == first
    (tmp_path / "else").mkdir()
    other = Scene(tmp_path / "else" / "store")
    other.set(SECRET)
    assert not other.names() & first


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "text that is not empty"),
        ("Not Small", "text like ^[a-z0-9-]+$"),
        ("x" * (LIMIT + 1), f"text of at most {LIMIT} bytes"),
        ("x\0y", "without NUL"),
        ("\ud800", "text in UTF-8"),
    ],
)
def test_what_cannot_be_the_secret_is_refused_unseen(scene: Scene, secret: str, said: str) -> None:
    answer = scene.set(secret)
    assert isinstance(answer, Refuse)
    assert said in sentence(answer.reason)
    assert not secret or secret not in sentence(answer.reason)
    assert scene.seen == []
    assert scene.names() == set()


def test_an_ordinary_attribute_takes_no_secret(scene: Scene) -> None:
    answer = scene.set(SECRET, "plain")
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "not_a_secret"
    assert isinstance(scene.set(SECRET, "nothing"), Refuse)
    assert SECRET not in repr(scene.seen)


def test_what_a_role_gives_is_sealed_and_masked_in_the_log_that_has_it_already(scene: Scene) -> None:
    scene.logs.open("i5-9.1", [])
    scene.logs.write("i5-9.1", 0, f"made {SECRET}, and {SECRET[:5]}".encode())
    before = scene.logs.position("i5-9.1")
    found = scene.gives(made=SECRET, plain=SECRET[:3])
    (name,) = scene.names()
    assert found.gives == {"made": {"$secret": name}, "plain": SECRET[:3]}
    assert scene.logs.position("i5-9.1") == before
    scene.logs.write("i5-9.1", before or 0, f" again {SECRET}".encode())
    scene.logs.close("i5-9.1")
    text = scene.logs.path("i5-9.1").read_text()
    assert text == f"made {'*' * len(SECRET)}, and {SECRET[:5]} again ***"
    assert scene.gives(made=SECRET).gives["made"] == {"$secret": name}, "the node sends it until it is acknowledged"


@pytest.mark.parametrize("value", [7, {"$secret": "bmc-password"}, "", None, ["x"]])
def test_a_secret_that_is_no_text_fails_the_role(scene: Scene, value: Any) -> None:
    found = scene.gives(made=value, plain=1)
    assert (found.what, found.gives) == ("failed", {})
    assert found.failure is not None
    assert found.failure.fields["role"] == "giver"
    assert "bmc-password" not in sentence(found.failure)


def test_only_what_nobody_refers_to_is_destroyed(scene: Scene) -> None:
    scene.set(SECRET)
    kept = scene.names()
    scene.set("another-1")
    assert len(scene.names()) == 2
    scene.rig.put(Value(layer="operator", scope="n1/reader", name="key", value=sealed.handle(next(iter(kept))), who="op"))
    assert scene.sealing.sweep() == 0, "each is referred to"
    scene.set("", clear=True)
    assert scene.sealing.sweep() == 1
    assert scene.names() == kept
    assert scene.vault.open("bmc-account/n1") is None
    made = scene.vault.made("bmc-account/n1")
    scene.rig.feed(SetAttribute(who="op", layer="operator", scope="n1/reader", name="key", clear=True))
    assert scene.sealing.sweep() == 1
    assert scene.vault.needed("bmc-account/n1") == made, "what the engine makes itself stays"


def test_a_secret_whose_event_is_still_on_its_way_is_spared(scene: Scene) -> None:
    scene.gives(made=SECRET, plain=1)
    assert scene.sealing.sweep() == 0
    assert len(scene.names()) == 1
    after_a_crash = Sealing(scene.vault, scene.logs, lambda: scene.rig.world)
    assert after_a_crash.sweep() == 1, "nothing committed refers to it"


def test_a_disk_that_cannot_be_written_refuses_and_changes_nothing(scene: Scene) -> None:
    shutil.rmtree(scene.folder)
    answer = scene.set(SECRET)
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "not_sealed"
    assert scene.seen == []
    assert scene.gives(made=SECRET).what == "failed"


def test_a_vault_with_another_key_says_how_to_set_it_again(scene: Scene, tmp_path: Path) -> None:
    scene.set(SECRET)
    (name,) = scene.names()
    (tmp_path / "keys" / "seal.key").unlink()
    other = Vault(tmp_path / "store", tmp_path / "keys")
    with pytest.raises(VaultError, match="sealed with another key: set it again with crowbar set"):
        other.open(name)
    with pytest.raises(LookupError, match="is missing: set it again"):
        other.needed(sealed.PREFIX + "0" * 32)
