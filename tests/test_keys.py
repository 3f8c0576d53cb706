"""Tokens and credentials: genuine, of an earlier boot, made up."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.trust.tokens import SECRET_FILE, Keys, Verdict, site_keys

KEYS = Keys(b"k" * 32)
BOOTS = {"n1": "boot-2", "a.b": "boot-9"}


@pytest.mark.parametrize("node", ["n1", "a.b"])
def test_token_of_the_present_boot(node: str) -> None:
    assert KEYS.check(KEYS.token(node, BOOTS[node]), BOOTS.get) == (node, Verdict.GOOD)


def test_token_of_an_earlier_boot_and_of_a_deleted_node() -> None:
    assert KEYS.check(KEYS.token("n1", "boot-1"), BOOTS.get) == ("n1", Verdict.OLD_BOOT)
    assert KEYS.check(KEYS.token("gone", "boot-1"), BOOTS.get) == ("gone", Verdict.OLD_BOOT)
    assert KEYS.check(KEYS.token("n1", ""), {"n1": ""}.get) == ("n1", Verdict.OLD_BOOT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "n1",
        "n1.x.y",
        KEYS.token("n1", "boot-2")[:-1],
        "n2" + KEYS.token("n1", "boot-2")[2:],
        "x" * 100_000,
        KEYS.credential("n1"),
        "\udc80.\udc80.\udc80",
        Keys(b"o" * 32).token("n1", "boot-2"),
    ],
)
def test_forged_tokens(text: str) -> None:
    assert KEYS.check(text, BOOTS.get) == ("", Verdict.FORGED)


def test_the_tag_cannot_be_swapped_for_that_of_another_boot() -> None:
    node, tag, _ = KEYS.token("n1", "boot-2").rsplit(".", 2)
    old = KEYS.token("n1", "boot-1").rsplit(".", 1)[1]
    assert KEYS.check(f"{node}.{tag}.{old}", BOOTS.get) == ("", Verdict.FORGED)


def test_credentials() -> None:
    for node in ("n1", "a.b"):
        assert KEYS.check_credential(KEYS.credential(node, "ab12-7")) == (node, "ab12-7")
        assert KEYS.check_credential(KEYS.credential(node)) == (node, ""), "as earlier versions made it"
    made = KEYS.credential("n1", "ab12-7")
    for text in (
        "",
        "n1",
        "n1.",
        made + "0",
        made.replace("-7", "-8"),
        made.replace("n1", "n2"),
        KEYS.credential("n1") + "0",
        KEYS.token("n1", "boot-2"),
        "y" * 100_000,
    ):
        assert KEYS.check_credential(text) is None


def test_a_credential_of_one_installation_is_none_of_a_node_with_a_longer_name() -> None:
    node, attempt, mac = KEYS.credential("n1", "ab12-7").split(".")
    assert KEYS.check_credential(f"{node}.{attempt}.{mac}") == ("n1", "ab12-7")
    assert KEYS.credential("n1.ab12-7").rpartition(".")[2] != mac


def test_a_fingerprint_is_of_one_claim_and_one_site() -> None:
    one = KEYS.fingerprint("nonce-1", "boot-1")
    assert re.fullmatch("[0-9a-f]{4}-[0-9a-f]{4}", one)
    others = {
        KEYS.fingerprint("nonce-2", "boot-1"),
        KEYS.fingerprint("nonce-1", "boot-2"),
        Keys(b"o" * 32).fingerprint("nonce-1", "boot-1"),
    }
    assert one not in others
    assert len(others) == 3


@given(st.text(max_size=80), st.integers(0, 200))
def test_any_text_is_refused_without_an_exception(text: str, at: int) -> None:
    token = KEYS.token("n1", "boot-2")
    changed = token[: at % len(token)] + text
    assert KEYS.check(text, BOOTS.get) == ("", Verdict.FORGED)
    if changed != token:
        assert KEYS.check(changed, BOOTS.get)[1] is Verdict.FORGED
    assert KEYS.check_credential(text) is None


def test_the_secret_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    token = site_keys(tmp_path).token("n1", "boot-2")
    file = tmp_path / SECRET_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert site_keys(tmp_path).token("n1", "boot-2") == token
    assert [p.name for p in tmp_path.iterdir()] == [SECRET_FILE]
    assert repr(site_keys(tmp_path)) == "Keys(...)"


@pytest.mark.parametrize("text", ["", "nonsense", "abcd", "00" * 31])
def test_a_damaged_secret_is_said_not_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / SECRET_FILE
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ValueError, match="restore it from a backup"):
        site_keys(tmp_path)
    assert file.read_text() == text


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    site_keys(tmp_path)
    (tmp_path / SECRET_FILE).chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        site_keys(tmp_path)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Keys(b"short")


def test_a_token_that_was_never_in_clear_is_told_apart() -> None:
    safe, plain = KEYS.token("n1", "boot-2", safe=True), KEYS.token("n1", "boot-2")
    assert safe != plain
    assert KEYS.check(safe, BOOTS.get) == KEYS.check(plain, BOOTS.get) == ("n1", Verdict.GOOD)
    assert (KEYS.is_safe(safe), KEYS.is_safe(plain)) == (True, False)


def test_a_ticket_reads_one_image_in_one_boot() -> None:
    ticket = KEYS.ticket("n1", "boot-2", "debian-12")
    assert KEYS.check_ticket(ticket, "debian-12", BOOTS.get) == "n1"
    assert KEYS.check_ticket(ticket, "other", BOOTS.get) is None
    assert KEYS.check_ticket(KEYS.ticket("n1", "boot-1", "debian-12"), "debian-12", BOOTS.get) is None
    assert KEYS.check(ticket, BOOTS.get) == ("", Verdict.FORGED)
    for text in ("", ".", "..", "n1.x.y", KEYS.token("n1", "boot-2"), KEYS.credential("n1"), "x" * 10_000, "\udc80.\udc80.\udc80"):
        assert KEYS.check_ticket(text, "debian-12", BOOTS.get) is None


def test_a_challenge_is_of_one_number_of_one_boot_of_one_node() -> None:
    texts = {
        Keys(key).challenge(node, boot, number)
        for key in (b"k" * 32, b"l" * 32)
        for node in ("n1", "n11")
        for boot in "ab"
        for number in (1, 11)
    }
    assert len(texts) == 16
    assert all(len(text) == 13 and set(text) <= set("abcdefghijklmnopqrstuvwxyz234567") for text in texts)
    assert KEYS.challenge("n1", "boot-2", 1) == KEYS.challenge("n1", "boot-2", 1), "an engine that was restarted knows it again"
