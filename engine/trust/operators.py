"""The operators of the HTTP API who have a token: one bearer token for each, in a file beside the other keys that holds only hashes.

    api-tokens.json  0600  [{"name": "alice", "hash": "SHA-256 of the token, in hex", "made": 1790000000.0}]

A token has 256 random bits. So a plain hash is enough: nobody can search for a text that fits it. `operator_list` reads and changes the
file.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from msgspec import Struct

from ..files.key_file import KeyFileError
from .operator_list import MOST, Followed, OperatorList, check_name

TOKENS_FILE = "api-tokens.json"
PREFIX = "crowbar_"
"""Lets programs that search texts for leaked secrets find a token."""
TOKEN_BYTES = 32
LONGEST = 128
"""Most characters of a token that is looked at."""


class Operator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    hash: str
    made: float
    """Wall time in seconds."""


_TOKENS = OperatorList(TOKENS_FILE, Operator, "delete it, then make the tokens again with crowbar api token NAME")


def operators(folder: Path) -> tuple[Operator, ...]:
    """All who have a token, by name. Raises KeyFileError, OSError."""
    return _TOKENS.read(folder)


def make_token(folder: Path, name: str, now: float) -> str:
    """Makes the operator's token, and keeps its hash. Only this answer ever holds the token. Raises KeyFileError, OSError."""
    check_name(name)
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)

    def added(known: tuple[Operator, ...]) -> tuple[Operator, ...]:
        if any(one.name == name for one in known):
            raise KeyFileError(f"{name} already has a token: revoke it first with crowbar api revoke {name}")
        if len(known) >= MOST:
            raise KeyFileError(f"{MOST} operators have tokens, which is the limit: revoke one with crowbar api revoke NAME")
        return (*known, Operator(name=name, hash=_hash(token), made=now))

    _TOKENS.change(folder, added)
    return token


def revoke_token(folder: Path, name: str) -> bool:
    """Makes the operator's token worthless at once. False: there is none. Raises KeyFileError, OSError."""
    if not any(one.name == name for one in operators(folder)):
        return False
    _TOKENS.change(folder, lambda known: tuple(one for one in known if one.name != name))
    return True


class Operators:
    """Who a token belongs to, by the file as it is now. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._tokens = Followed(folder, _TOKENS)

    def name_of(self, token: str) -> str:
        """The operator with this token. Empty: nobody. Compares with every hash, in a time that does not depend on the token."""
        if not token.startswith(PREFIX) or len(token) > LONGEST:
            return ""
        digest, found = _hash(token), ""
        for one in self._tokens.now():
            if hmac.compare_digest(digest, one.hash):
                found = one.name
        return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
