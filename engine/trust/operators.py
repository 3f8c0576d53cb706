"""The operators of the HTTP API: one bearer token for each, in a file beside the other keys that holds only hashes.

    api-tokens.json  0600  [{"name": "alice", "hash": "SHA-256 of the token, in hex", "made": 1790000000.0}]

* A token has 256 random bits. So a plain hash is enough: nobody can search for a text that fits it.
* The engine reads the file again when it was changed. So a revoked token is worthless at once, without a restart.
* A file that cannot be trusted lets nobody in.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from ..files import key_file
from ..files.key_file import KeyFileError

TOKENS_FILE = "api-tokens.json"
PREFIX = "crowbar_"
"""Lets programs that search texts for leaked secrets find a token."""
TOKEN_BYTES = 32
LONGEST = 128
"""Most characters of a token that is looked at."""
MOST = 200
"""Operators. Their file stays below the size of a key file."""
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
REMEDY = "delete it, then make the tokens again with crowbar api token NAME"

log = logging.getLogger(__name__)


class Operator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    hash: str
    made: float
    """Wall time in seconds."""


_decode = msgspec.json.Decoder(tuple[Operator, ...]).decode


def operators(folder: Path) -> tuple[Operator, ...]:
    """All who have a token, by name. Raises KeyFileError, OSError."""
    path = folder / TOKENS_FILE
    try:
        return _decode(key_file.read(path, REMEDY))
    except FileNotFoundError:
        return ()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise KeyFileError(f"{path} is damaged: {REMEDY}") from None


def make_token(folder: Path, name: str, now: float) -> str:
    """Makes the operator's token, and keeps its hash. Only this answer ever holds the token. Raises KeyFileError, OSError."""
    if not _NAME.fullmatch(name):
        raise KeyFileError(f"{name[:40]!r} cannot name an operator: use up to 32 lower-case letters, digits, dots, dashes and underscores")
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)

    def added(known: tuple[Operator, ...]) -> tuple[Operator, ...]:
        if any(one.name == name for one in known):
            raise KeyFileError(f"{name} already has a token: revoke it first with crowbar api revoke {name}")
        if len(known) >= MOST:
            raise KeyFileError(f"{MOST} operators have tokens, which is the limit: revoke one with crowbar api revoke NAME")
        return (*known, Operator(name=name, hash=_hash(token), made=now))

    _change(folder, added)
    return token


def revoke(folder: Path, name: str) -> bool:
    """Makes the operator's token worthless at once. False: there is none. Raises KeyFileError, OSError."""
    found = False

    def without(known: tuple[Operator, ...]) -> tuple[Operator, ...]:
        nonlocal found
        found = any(one.name == name for one in known)
        return tuple(one for one in known if one.name != name)

    _change(folder, without)
    return found


class Operators:
    """Who a token belongs to, by the file as it is now. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, ...] = ()
        self._known: tuple[Operator, ...] = ()

    def name_of(self, token: str) -> str:
        """The operator with this token. Empty: nobody. Compares with every hash, in a time that does not depend on the token."""
        if not token.startswith(PREFIX) or len(token) > LONGEST:
            return ""
        digest, found = _hash(token), ""
        for one in self._now():
            if hmac.compare_digest(digest, one.hash):
                found = one.name
        return found

    def _now(self) -> tuple[Operator, ...]:
        try:
            about = (self._folder / TOKENS_FILE).stat()
        except OSError:
            self._stamp, self._known = (), ()
            return ()
        stamp = about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size
        if stamp != self._stamp:
            try:
                self._known = operators(self._folder)
            except (KeyFileError, OSError) as error:
                log.error("nobody may use the HTTP API: %s", error)
                self._known = ()
            self._stamp = stamp
        return self._known


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _change(folder: Path, change: Callable[[tuple[Operator, ...]], tuple[Operator, ...]]) -> None:
    if not folder.is_dir():  # made by root, it would shut the engine's user out
        raise KeyFileError(f"there is no folder {folder} of keys: start an engine on this store first")
    with _alone(folder):
        path = folder / TOKENS_FILE
        key_file.replace(path, msgspec.json.encode(sorted(change(operators(folder)), key=lambda one: one.name)) + b"\n")
        if os.geteuid() == 0:  # the engine reads it as the user that owns the folder
            owner = folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands at once must not lose each other's change."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
