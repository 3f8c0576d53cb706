"""Secrets that cannot be used are refused where the plan names them, before anything is sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.trust.vault import Vault, VaultError, at_hand, unfit


@pytest.mark.parametrize(("name", "longest"), [("bmc-user", 16), ("bmc-password", 20)])
def test_what_ipmi_cannot_take_is_refused_with_its_place(tmp_path: Path, name: str, longest: int) -> None:
    vault = Vault(tmp_path, tmp_path / "keys")
    references = {name: {"env": "ACCOUNT"}, "other": {"env": "OTHER"}}
    with pytest.raises(VaultError) as caught:
        vault.seal(references, at_hand(references, {"ACCOUNT": "\u00fc" + longest * "x", "OTHER": "o"}))
    said = str(caught.value)
    assert said == f"secrets.{name}: environment variable ACCOUNT holds {longest + 2} bytes, and IPMI takes at most {longest}"
    assert vault.open("other") is None, "all or nothing"
    vault.seal(references, at_hand(references, {"ACCOUNT": longest * "x", "OTHER": "o"}))
    assert vault.open(name) == longest * "x"


def test_what_is_not_there_is_not_judged(tmp_path: Path) -> None:
    long = tmp_path / "password"
    assert unfit({"bmc-password": {"file": str(long)}}, {}) == {}
    long.write_text(21 * "p")
    assert unfit({"bmc-password": {"file": str(long)}}, {}) == {
        "secrets.bmc-password": f"file {long} holds 21 bytes, and IPMI takes at most 20"
    }


def test_a_role_s_secret_is_opened_or_said_to_be_missing(tmp_path: Path) -> None:
    vault = Vault(tmp_path, tmp_path / "keys")
    vault.seal({"pass-phrase": {"env": "PASS_PHRASE"}}, {"pass-phrase": "a phrase"})
    assert vault.needed("pass-phrase") == "a phrase"
    with pytest.raises(LookupError, match="the secret other is missing: commit the plan again"):
        vault.needed("other")
