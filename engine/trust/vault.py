"""Secrets at rest: sealed with a key outside the store, so that a copied store reveals nothing.

A plan names the source of a secret (`env`, `file`). The engine reads it at the commit and seals it here. The world, the journal, events
and logs hold only its name. The runner opens it when it sends a task or a power order.

An operator may also set a secret, and a role may give one (`runtime.sealing`). Each is kept here under a name made from its content.

Files: `KEYS/seal.key` (Fernet key, mode 0600) and `STORE/sealed.json` (name -> Fernet token, mode 0600).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from ..files import key_file
from ..files.key_file import KeyFileError
from ..store.file import is_of_a_store

LIMIT = 4096
"""Most bytes of one secret."""
SEALED_MOST = 16 * 1024 * 1024
ADDED_MOST = SEALED_MOST // 2
"""Most bytes of all tokens with which one more is taken from an operator or a role."""
REMEDY = "restore it from a backup; or delete it and the store's sealed.json, then commit the plan again with its secrets available"

LONGEST = {"bmc-user": 16, "bmc-password": 20}
"""Most bytes that IPMI 2.0 allows (sections 22.28 and 22.30). BMCs cut a longer one, refuse it, or lock the account, each in its own
way."""


def bmc_account(node: str) -> str:
    """Name of the secret with the password of the engine's own account in that node's BMC."""
    return f"bmc-account/{node}"


def san_account(node: str) -> str:
    """Name of the secret by which that node logs in to its iSCSI targets."""
    return f"san-account/{node}"


BMC_USER = "crowbar"
"""Name of that account (role bmc-account)."""


class VaultError(Exception):
    """A secret cannot be read or opened. The text is one sentence with the name and advice, never the value."""


class Vault:
    """The sealed secrets of one installation. Raises KeyFileError if key or secrets are damaged, OSError."""

    def __init__(self, store: Path, keys: Path) -> None:
        self._sealed = store / "sealed.json"
        key_file.folder_of_keys(keys)
        key = _key(keys / "seal.key")
        self._fernet = _fernet(key, keys / "seal.key")
        self._marking = hmac.new(key, b"marks of secrets", hashlib.sha256).digest()
        self._lock = threading.Lock()
        self._opened: tuple[str, ...] | None = None
        self._tokens = _sealed(self._sealed)

    def __repr__(self) -> str:
        return f"Vault({sorted(self._tokens)})"

    def seal(self, references: Mapping[str, Mapping[str, str]], found: Mapping[str, str]) -> None:
        """Keep what was found of the plan's secrets (`at_hand`). What was not found and is sealed already stays. Raises VaultError."""
        wrong = _unfit(references, found)
        if wrong:
            raise VaultError("; ".join(f"{place}: {why}" for place, why in wrong.items()))
        with self._lock:
            for name, reference in references.items():
                if name in found:
                    self._tokens[name] = self._fernet.encrypt(found[name].encode()).decode()
                elif name not in self._tokens:
                    raise VaultError(f"secret {name} is missing: set {_where(reference)}, then try again")
            if not references:
                return
            self._opened = None
            key_file.replace(self._sealed, msgspec.json.encode(self._tokens))

    def open(self, name: str) -> str | None:
        """The secret. None if there is none with that name. Raises VaultError if the key does not fit."""
        token = self._tokens.get(name)
        if token is None:
            return None
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise VaultError(f"secret {name} was sealed with another key: {_again(name)}") from None

    def needed(self, name: str) -> str:
        """The same for a role that wants it. Raises LookupError if there is none, VaultError."""
        found = self.open(name)
        if found is None:
            raise LookupError(f"the secret {name} is missing: {_again(name)}")
        return found

    def made(self, name: str) -> str:
        """The secret with that name, which the engine makes when it is first needed: 16 letters, digits, `-` and `_`, of three kinds at
        least, as BMCs ask for. Raises VaultError, OSError."""
        with self._lock:
            found = self.open(name)
            if found is not None:
                return found
            new = _password()
            self._write({**self._tokens, name: self._fernet.encrypt(new.encode()).decode()})
            return new

    # -- secrets without a source (`runtime.sealing`) ------------------------------------------------------------------

    def mark(self, secret: str) -> str:
        """32 hexadecimal digits that tell this secret from others. Without the seal key nobody can try guesses at it."""
        return hmac.new(self._marking, secret.encode(), hashlib.sha256).hexdigest()[:32]

    def keep(self, name: str, secret: str) -> None:
        """Seals a secret under that name. It is on the disk when this returns. Raises VaultError, KeyFileError, OSError."""
        with self._lock:
            if name in self._tokens and self.open(name) == secret:
                return
            if sum(map(len, self._tokens.values())) > ADDED_MOST:
                raise VaultError(f"the store holds {len(self._tokens)} secrets, and takes no more: clear some of them")
            self._write({**self._tokens, name: self._fernet.encrypt(secret.encode()).decode()})

    def named(self, prefix: str) -> set[str]:
        """The names that begin so."""
        return {name for name in self._tokens if name.startswith(prefix)}

    def destroy(self, names: Collection[str]) -> None:
        """Forgets these secrets. Raises KeyFileError, OSError."""
        with self._lock:
            self._write({name: token for name, token in self._tokens.items() if name not in names})

    def _write(self, tokens: dict[str, str]) -> None:
        key_file.replace(self._sealed, msgspec.json.encode(tokens))
        self._tokens = tokens
        self._opened = None

    def values(self) -> tuple[str, ...]:
        """All secrets, for masking logs. Opened once, because every task asks for them."""
        if self._opened is None:
            self._opened = tuple(v for name in self._tokens if (v := self.open(name)))
        return self._opened


def _again(name: str) -> str:
    if "/" in name:
        return "set it again with crowbar set, or run the role that gives it again"
    return "commit the plan again with the secret available"


def _password() -> str:
    while True:
        new = secrets.token_urlsafe(12)
        if new[0] not in "-_" and all(any(kind(c) for c in new) for kind in (str.islower, str.isupper, str.isdigit)):
            return new


def at_hand(references: Mapping[str, Mapping[str, str]], environment: Mapping[str, str], files: bool = True) -> dict[str, str]:
    """Name -> secret, of those that can be read now, by this process and with its rights. `files`: look into files as well.

    A client of the engine reads a plan's files itself and sends what they hold: with the engine's rights it would read anybody's. Raises
    VaultError."""
    found = {name: _fetch(name, reference, environment) for name, reference in references.items() if files or "env" in reference}
    return {name: value for name, value in found.items() if value is not None}


def unfit(references: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> dict[str, str]:
    """Place in the plan -> what is wrong with its secret now. Skips missing secrets. Raises VaultError."""
    return _unfit(references, at_hand(references, environment))


def _unfit(references: Mapping[str, Mapping[str, str]], found: Mapping[str, str]) -> dict[str, str]:
    out = {}
    for name, reference in references.items():
        longest, octets = LONGEST.get(name), len(found.get(name, "").encode())
        if longest is not None and octets > longest:
            out[f"secrets.{name}"] = f"{_where(reference)} holds {octets} bytes, and IPMI takes at most {longest}"
    return out


def _where(reference: Mapping[str, str]) -> str:
    return f"environment variable {reference['env']}" if "env" in reference else f"file {reference.get('file')}"


def _key(path: Path) -> bytes:
    try:
        text = key_file.read(path, REMEDY)
    except FileNotFoundError:
        key_file.make(path, Fernet.generate_key())
        text = key_file.read(path, REMEDY)
    return text.strip()


def _fernet(key: bytes, path: Path) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise KeyFileError(f"{path} does not hold a seal key: {REMEDY}") from None


def _sealed(path: Path) -> dict[str, str]:
    """Name -> Fernet token."""
    remedy = "restore it from a backup; or delete it and commit the plan again with its secrets available"
    try:
        return msgspec.json.decode(key_file.read(path, remedy, most=SEALED_MOST), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise KeyFileError(f"{path} does not hold sealed secrets: {remedy}") from None


def _fetch(name: str, reference: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    if "env" in reference:
        value = environment.get(reference["env"])
        return value if value else None
    path = Path(reference["file"])
    if is_of_a_store(path):
        raise VaultError(f"secret {name}: {path} is a file of a store, not a secret: correct the plan")
    try:
        # A FIFO would keep the reader until somebody writes, and a device may do something when it is opened.
        if not stat.S_ISREG(path.stat().st_mode):
            raise VaultError(f"secret {name}: {path} is no regular file: put the secret into one")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise VaultError(f"secret {name}: {path} is no regular file: put the secret into one")
            body = file.read(LIMIT + 1)
    except OSError:
        return None
    if len(body) > LIMIT:
        raise VaultError(f"secret {name}: file {path} is larger than {LIMIT} bytes, so it is not a secret")
    try:
        return body.decode().strip()
    except UnicodeDecodeError:
        raise VaultError(f"secret {name}: file {path} is not a text in UTF-8: write the secret into it again") from None
