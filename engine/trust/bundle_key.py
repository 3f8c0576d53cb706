"""The key with which a site signs its bundles (Ed25519, RFC 8032), and the check of a signature.

The key is a file of mode 0600 in the folder of keys, made when the first bundle is signed. Its fingerprint is the SHA-256 of the 32 bytes
of the public key. People compare it, and give it to `--key`.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..files import key_file
from ..files.key_file import KeyFileError

FILE = "bundle_ed25519"
REMEDY = "restore it from a backup, or move it away: then bundles are signed with a new key, whose fingerprint others must learn"
KEY_BYTES, SIGNATURE_BYTES = 32, 64


class BundleKey:
    """The private key. Its repr does not show it."""

    __slots__ = ("_key", "public")

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"BundleKey({fingerprint(self.public)})"

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def fingerprint(public: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()


def signed_by(public: bytes, signature: bytes, data: bytes) -> bool:
    """True if the holder of this key signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def bundle_key(folder: Path) -> BundleKey:
    """Reads `folder/bundle_ed25519`, or makes it. Raises KeyFileError, OSError."""
    path = folder / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        key_file.folder_of_keys(folder)
        key_file.make(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
    return _read(path)


def own_fingerprint(folder: Path) -> str:
    """The fingerprint of the site's own key. Empty: it has none yet. Raises KeyFileError, OSError."""
    try:
        return fingerprint(_read(folder / FILE).public)
    except FileNotFoundError:
        return ""


def _read(path: Path) -> BundleKey:
    text = key_file.read(path, REMEDY).strip()
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise KeyFileError(f"{path} is not a key for bundles: {REMEDY}")
    return BundleKey(secret)
