"""The engine's own SSH key: one Ed25519 key pair in a file of mode 0600, created at the first start.

The file is made under a temporary name and hard-linked into place. So two engines that start at once use one key, and a crash leaves
either no key or a complete one. Trap: a key that other users can read is refused, not repaired, because nobody knows who has read it.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..files import key_file
from ..files.key_file import KeyFileError

REMEDY = "restore it from a backup, or move it away: the engine then makes a new key, which every installed node must learn"


class SshKeyError(KeyFileError):
    """the engine's SSH key cannot be used; move the file away to have a new one made, which every installed node must then learn"""


class EngineKey:
    """A key pair. Its repr shows only the public half."""

    __slots__ = ("pkey", "public", "what")

    def __init__(self, pkey: paramiko.PKey, what: str = "the engine's key") -> None:
        """`what`: in the messages."""
        self.pkey = pkey
        self.what = what
        self.public = public_line(pkey)
        """`ssh-ed25519 AAAA...`, the form of `authorized_keys`."""

    def __repr__(self) -> str:
        return f"EngineKey({self.public})"

    def log_in(self, transport: paramiko.Transport, user: str) -> list[str]:
        """Returns what else the server wants; empty: the user is in. Raises paramiko's exceptions."""
        return transport.auth_publickey(user, self.pkey)


class Password:
    """An operator's password, for one visit. Its repr does not show it."""

    __slots__ = ("_text", "what")

    def __init__(self, text: str) -> None:
        self._text = text
        self.what = "that password"

    def __repr__(self) -> str:
        return "Password()"

    def log_in(self, transport: paramiko.Transport, user: str) -> list[str]:
        """As `EngineKey.log_in`. paramiko answers the one question of keyboard-interactive with it too (RFC 4256)."""
        return transport.auth_password(user, self._text)


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
    except (paramiko.SSHException, ValueError, IndexError, TypeError, struct.error, UnsupportedAlgorithm) as error:
        raise SshKeyError(f"not an Ed25519 private key without passphrase: {error}") from None


def operators_key(text: str) -> paramiko.PKey:
    """An operator's private key: Ed25519, ECDSA or RSA, without a passphrase. Raises SshKeyError."""
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except paramiko.PasswordRequiredException:
            raise SshKeyError("the private key has a passphrase") from None
        except (paramiko.SSHException, ValueError, IndexError, TypeError, struct.error, UnsupportedAlgorithm):
            continue
    raise SshKeyError("that is no private key of type Ed25519, ECDSA or RSA")


def engine_key(path: Path) -> EngineKey:
    """Reads the key in `path`, or creates it. Raises KeyFileError, with the path and advice; OSError for an unreadable folder."""
    try:
        return _read(path)
    except FileNotFoundError:
        key_file.folder_of_keys(path.parent)
        key_file.make(path, new_private_key().encode("ascii"))
    return _read(path)


def _read(path: Path) -> EngineKey:
    text = key_file.read(path, REMEDY)
    try:
        return EngineKey(read_private_key(text.decode("ascii")))
    except (SshKeyError, UnicodeDecodeError):
        raise SshKeyError(f"{path} is not an Ed25519 private key: {REMEDY}") from None
