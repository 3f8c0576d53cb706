"""SSH host keys of simulated installed systems: Ed25519, OpenSSH format."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)


def new_host_key() -> str:
    """A new private key, as an installation makes one."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")


def public_line(private: str) -> str:
    """`ssh-ed25519 AAAA...` of a private key. Raises ValueError."""
    key = load_ssh_private_key(private.encode("ascii"), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
