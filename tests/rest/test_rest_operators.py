"""The tokens of operators: how they are kept, compared and revoked, and how often an address may fail to show one."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from engine.files.key_file import KeyFileError
from engine.rest.calls import Refusal
from engine.rest.logins import FAILED, OF_ADDRESS, Logins
from engine.trust.certificates import Certificates
from engine.trust.operators import MOST, TOKENS_FILE, Operators, make_token, operators
from engine.trust.operators import revoke_token as revoke


def test_a_token_is_random_and_only_its_hash_is_kept_for_the_owner(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    with pytest.raises(KeyFileError, match="start an engine on this store first"):
        make_token(keys, "alice", 1.0)
    keys.mkdir(0o700)
    alice, bob = make_token(keys, "alice", 1.0), make_token(keys, "bob", 2.0)
    assert len({alice, bob}) == 2
    assert len(alice.removeprefix("crowbar_")) == 43, "256 bits"
    path = keys / TOKENS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert alice.removeprefix("crowbar_") not in path.read_text()
    assert [(one.name, one.made) for one in operators(keys)] == [("alice", 1.0), ("bob", 2.0)]
    known = Operators(keys)
    assert (known.name_of(alice), known.name_of(bob)) == ("alice", "bob")
    assert {known.name_of(text) for text in ("", alice[:-1], alice + "A", alice.lower(), "crowbar_" + "A" * 43, "crowbar_\ud800")} == {""}


def test_a_revoked_token_is_nobodys_and_another_can_be_made(tmp_path: Path) -> None:
    old = make_token(tmp_path, "alice", 1.0)
    known = Operators(tmp_path)
    assert known.name_of(old) == "alice"
    with pytest.raises(KeyFileError, match="already has a token"):
        make_token(tmp_path, "alice", 1.0)
    assert revoke(tmp_path, "alice")
    assert not revoke(tmp_path, "alice")
    assert known.name_of(old) == ""
    new = make_token(tmp_path, "alice", 1.0)
    assert (known.name_of(old), known.name_of(new)) == ("", "alice")


@pytest.mark.parametrize("name", ["", "Alice", "a b", "a\n", "../x", "-x", "a" * 33, "ä"])
def test_a_name_that_could_mislead_in_the_journal_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyFileError, match="cannot name an operator"):
        make_token(tmp_path, name, 1.0)
    assert not (tmp_path / TOKENS_FILE).exists()


def test_commands_at_once_lose_no_operator(tmp_path: Path) -> None:
    threads = [threading.Thread(target=make_token, args=(tmp_path, f"o{i}", 1.0)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(operators(tmp_path)) == 20


def test_there_is_a_limit_and_the_file_stays_readable_at_it(tmp_path: Path) -> None:
    whole = [{"name": f"{'x' * 28}{i:03}", "hash": "0" * 64, "made": 1790000000.123456} for i in range(MOST)]
    (tmp_path / TOKENS_FILE).write_text(json.dumps(whole))
    (tmp_path / TOKENS_FILE).chmod(0o600)
    assert len(operators(tmp_path)) == MOST
    with pytest.raises(KeyFileError, match="limit"):
        make_token(tmp_path, "more", 1.0)


@pytest.mark.parametrize("text", ["", "[", "{}", "null", '[{"name": "a"}]', '[{"name": "a", "hash": "b", "made": 1, "more": 1}]', "\xff"])
def test_a_damaged_file_is_an_error_for_commands_and_nobody_for_the_engine(tmp_path: Path, text: str) -> None:
    (tmp_path / TOKENS_FILE).write_bytes(text.encode("latin-1"))
    (tmp_path / TOKENS_FILE).chmod(0o600)
    with pytest.raises(KeyFileError):
        operators(tmp_path)
    assert Operators(tmp_path).name_of("crowbar_" + "A" * 43) == ""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def status(logins: Logins, address: str, token: str) -> int:
    try:
        logins.caller(address, [f"Bearer {token}"])
    except Refusal as refusal:
        return refusal.status
    return 200


def test_failed_logins_of_an_address_are_limited_and_come_back(tmp_path: Path) -> None:
    good = make_token(tmp_path, "alice", 1.0)
    clock = Clock()
    logins = Logins(Operators(tmp_path), Certificates(tmp_path), clock=clock)
    burst = int(FAILED.burst)
    assert [status(logins, "a", "x") for _ in range(burst + 5)] == [401] * burst + [429] * 5
    assert status(logins, "a", good) == 429, "no answer tells a guesser whether the token was right"
    assert status(logins, "b", good) == 200
    clock.now += 1 / FAILED.per_s
    assert status(logins, "a", good) == 200
    assert [status(logins, "a", good) for _ in range(50)] == [200] * 50, "a success costs nothing"


def test_operators_of_one_address_go_on_while_another_guesses_there(tmp_path: Path) -> None:
    tokens = [make_token(tmp_path, f"o{i}", 1.0) for i in range(OF_ADDRESS + 1)]
    logins = Logins(Operators(tmp_path), Certificates(tmp_path), clock=Clock())
    assert {status(logins, "a", one) for one in tokens} == {200}
    while status(logins, "a", "x") != 429:
        pass
    assert [status(logins, "a", one) for one in tokens] == [429] + [200] * OF_ADDRESS
    revoke(tmp_path, "o3")
    assert status(logins, "a", tokens[3]) == 401
    assert status(logins, "a", tokens[3]) == 429
    assert logins.was_here("a")
    assert not logins.was_here("b")
