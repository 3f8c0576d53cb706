"""Secrets at rest: sealed with a key that is kept outside the store, so that a copied store tells nothing.

A plan names where a secret comes from (`env`, `file`). It is read when the plan is committed and sealed here; the
world, the journal, events and logs hold only its name. The runner opens it as a task or a power order leaves.

Files: `KEYS/seal.key` (Fernet key, mode 0600) and `STORE/sealed.json` (name -> Fernet token, mode 0600).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken

LIMIT = 4096
"""Most bytes of one secret."""


LONGEST = {"bmc-user": 16, "bmc-password": 20}
"""Most bytes that IPMI 2.0 takes (sections 22.28 and 22.30). BMCs cut a longer one, refuse it, or lock the account, each in its own way."""


class VaultError(Exception):
    """A secret cannot be read or opened. One sentence that says which, and what to do; never its value."""


class Vault:
    """The sealed secrets of one installation."""

    def __init__(self, store: Path, keys: Path) -> None:
        self._sealed = store / "sealed.json"
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fernet = Fernet(_key(keys / "seal.key"))
        self._tokens: dict[str, str] = {}
        self._opened: tuple[str, ...] | None = None
        if self._sealed.exists():
            self._tokens = msgspec.json.decode(self._sealed.read_bytes(), type=dict[str, str])

    def __repr__(self) -> str:
        return f"Vault({sorted(self._tokens)})"

    def seal(self, references: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> None:
        """Read what the references point at and keep it. What cannot be read now and is sealed already stays. Raises VaultError."""
        wrong = unfit(references, environment)
        if wrong:
            raise VaultError("; ".join(f"{place}: {why}" for place, why in wrong.items()))
        for name, reference in references.items():
            value = _fetch(name, reference, environment)
            if value is not None:
                self._tokens[name] = self._fernet.encrypt(value.encode()).decode()
            elif name not in self._tokens:
                raise VaultError(f"secret {name} is not there: set {_where(reference)}, then try again")
        if not references:
            return
        self._opened = None
        fresh = self._sealed.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self._tokens))
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._sealed)

    def open(self, name: str) -> str | None:
        """The secret; None when there is none of that name. Raises VaultError when the key does not fit."""
        token = self._tokens.get(name)
        if token is None:
            return None
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise VaultError(f"secret {name} was sealed with another key: commit the plan again with the secret at hand") from None

    def needed(self, name: str) -> str:
        """The same for a role that wants it. Raises LookupError where there is none, VaultError."""
        found = self.open(name)
        if found is None:
            raise LookupError(f"the secret {name} is not there: commit the plan again with it at hand")
        return found

    def values(self) -> tuple[str, ...]:
        """All secrets, for masking logs. Opened once: every task asks for them."""
        if self._opened is None:
            self._opened = tuple(v for name in self._tokens if (v := self.open(name)))
        return self._opened


def unfit(references: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> dict[str, str]:
    """Place in the plan -> what is wrong with the secret that is there now. What is not there is not looked at. Raises VaultError."""
    out = {}
    for name, reference in references.items():
        longest, value = LONGEST.get(name), _fetch(name, reference, environment)
        if longest is not None and value is not None and len(value.encode()) > longest:
            out[f"secrets.{name}"] = f"{_where(reference)} holds {len(value.encode())} bytes, and IPMI takes at most {longest}"
    return out


def _where(reference: Mapping[str, str]) -> str:
    return f"environment variable {reference['env']}" if "env" in reference else f"file {reference.get('file')}"


def _key(path: Path) -> bytes:
    if not path.exists():
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(Fernet.generate_key())
        except FileExistsError:
            pass
    return path.read_bytes().strip()


def _fetch(name: str, reference: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    if "env" in reference:
        value = environment.get(reference["env"])
        return value if value else None
    path = Path(reference["file"])
    try:
        with path.open("rb") as file:
            body = file.read(LIMIT + 1)
    except OSError:
        return None
    if len(body) > LIMIT:
        raise VaultError(f"secret {name}: file {path} is larger than {LIMIT} bytes, and that is no secret")
    return body.decode().strip()
