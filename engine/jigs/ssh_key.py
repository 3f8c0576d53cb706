"""The engine's own SSH key: one Ed25519 key pair in a file of mode 0600, made at the first start.

It is made under a name of its own and hard-linked into place, so that of two engines that start at once both use one key, and a crash
leaves either no key or a whole one. Trap: a key that others can read is refused, not repaired: nobody knows who has read it.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

MAX_KEY_BYTES = 16 * 1024


class SshKeyError(Exception):
    """the engine's SSH key cannot be used; move the file away to have a new one made, which every installed node must then learn"""


class EngineKey:
    """A key pair. Its repr shows the public half only."""

    __slots__ = ("pkey", "public")

    def __init__(self, pkey: paramiko.PKey) -> None:
        self.pkey = pkey
        self.public = public_line(pkey)
        """`ssh-ed25519 AAAA...`, as `authorized_keys` takes it."""

    def __repr__(self) -> str:
        return f"EngineKey({self.public})"


def public_line(key: paramiko.PKey) -> str:
    """`TYPE BASE64` of a key."""
    return f"{key.get_name()} {key.get_base64()}"


def new_private_key() -> str:
    """A new Ed25519 private key in OpenSSH's format."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")


def read_private_key(text: str) -> paramiko.PKey:
    """Raises SshKeyError."""
    try:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
    except (paramiko.SSHException, ValueError, IndexError) as error:
        raise SshKeyError(f"not an Ed25519 private key without passphrase: {error}") from None


def engine_key(path: Path) -> EngineKey:
    """The key in `path`, made if it is not there. Raises SshKeyError, with the path and what to do; OSError for an unreadable folder."""
    if not path.exists():
        _make(path)
    about = path.stat()
    if about.st_mode & 0o077:
        raise SshKeyError(f"{path} can be read by others (mode {about.st_mode & 0o777:04o}); make a new one, or chmod 600 if nobody did")
    if about.st_size > MAX_KEY_BYTES:
        raise SshKeyError(f"{path} is no private key: {about.st_size} bytes")
    try:
        return EngineKey(read_private_key(path.read_text("ascii")))
    except (SshKeyError, UnicodeDecodeError) as error:
        raise SshKeyError(f"{path}: {error}; move it away to have a new one made") from None


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(new_private_key())
            file.flush()
            os.fsync(file.fileno())
        # Another engine may have been quicker: then its key counts.
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
