"""Identifies callers: tokens of running environments and credentials of installed systems, by HMAC-SHA256 with one site secret.

Nothing is stored: a token is checked by computing it again. So a restart, or a store from a backup, forgets nobody.

* A *token* belongs to one boot of one node: `NODE.BOOTTAG.MAC`. The text contains the boot tag, so that a genuine token of an earlier
  boot (`OLD_BOOT`) differs from an invented one (`FORGED`). The first is acknowledged and dropped, the second is refused.
* A *safe* token is one whose hello came over TLS. Another token opens no secret, because somebody may have read it on the network.
* A *ticket* lets one boot read one image. Images are large and not secret, so they go without TLS, and a token must not go with them.
* A *nonce* belongs to one boot: a random public half, and a half that is computed from it. So the same nonce can be given again for the
  same boot, and neither the store nor the journal holds it whole.
* A *challenge* goes through a machine's BMC, once: its number is never used again.
* A *credential* belongs to one installation of a node: `NODE.ATTEMPT.MAC`, with the attempt that installed the system. It stays on the
  node's disk across boots. Earlier versions had one for all installations of a node, `NODE.MAC`; the engine decides when it counts.
* A *fingerprint* is for people: eight digits that the machine's screen and the console both show, if the claim is that machine's.

The domain word before the fields keeps a token from ever being a valid credential, and the reverse. NUL between the fields keeps (`ab`,
`c`) and (`a`, `bc`) apart. Node ids hold no NUL; they may hold dots, so texts are split from the right.

The secret is a file of mode 0600 beside the store. If it is lost, every node must say hello again, and the credentials of installed
systems are void.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from ..files import key_file
from ..files.key_file import KeyFileError
from ..model import NodeId

SECRET_BYTES = 32
SECRET_FILE = "site.key"
REMEDY = "restore it from a backup, or delete it: then each node must say hello again"
MAX_TEXT = 512
"""Longest token or credential that is checked."""
NONCE_PUBLIC, NONCE_PROOF = 16, 32
"""Hex digits of the two halves of a nonce."""


class Verdict(enum.Enum):
    """Verdict on a presented token."""

    GOOD = "good"
    OLD_BOOT = "old_boot"
    FORGED = "forged"


class Keys:
    """Makes and checks tokens and credentials. Holds the secret; its repr does not show it."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError(f"a site secret of {len(secret)} bytes is too short: at least 16")
        self._secret = secret

    def __repr__(self) -> str:
        return "Keys(...)"

    def token(self, node: NodeId, boot_id: str, safe: bool = False) -> str:
        """The token of `node` while it runs `boot_id`. `safe`: it was never sent in clear, because its hello came over TLS."""
        tag = _boot_tag(boot_id)
        return f"{node}.{tag}.{self._mac('safe' if safe else 'token', node, tag)}"

    def is_safe(self, token: str) -> bool:
        """For a token that `check` accepted: True if it was given over TLS."""
        node, tag, mac = token.rsplit(".", 2)
        return _same(mac, self._mac("safe", node, tag))

    def nonce(self, public: str) -> str:
        """The whole nonce of a boot: its public half, which the store and the journal hold, and the half that only scripts hold."""
        return public + self._mac("nonce", public)[:NONCE_PROOF]

    def check_nonce(self, nonce: str) -> str:
        """The public half of a nonce that this engine made. Empty for anything else."""
        public = nonce[:NONCE_PUBLIC]
        return public if len(nonce) == NONCE_PUBLIC + NONCE_PROOF and _same(nonce, self.nonce(public)) else ""

    def ticket(self, node: NodeId, boot_id: str, image: str) -> str:
        """Lets this boot of `node` read one image, and nothing else. So it may travel in clear beside the image."""
        tag = _boot_tag(boot_id)
        return f"{node}.{tag}.{self._mac('ticket', node, tag, image)}"

    def check_ticket(self, ticket: str, image: str, boot_id_of: Callable[[NodeId], str | None]) -> NodeId | None:
        """The node whose present boot may read that image with this ticket. None for anything else."""
        parts = ticket.rsplit(".", 2) if len(ticket) <= MAX_TEXT else []
        if len(parts) != 3 or not _same(parts[2], self._mac("ticket", parts[0], parts[1], image)):
            return None
        boot_id = boot_id_of(parts[0])
        return parts[0] if boot_id and _boot_tag(boot_id) == parts[1] else None

    def check(self, token: str, boot_id_of: Callable[[NodeId], str | None]) -> tuple[NodeId, Verdict]:
        """The node of this token, and whether the token belongs to its present boot. `boot_id_of` returns None for a deleted
        node: its genuine tokens count as those of an old boot. The node of a forged token is empty."""
        parts = token.rsplit(".", 2) if len(token) <= MAX_TEXT else []
        if len(parts) != 3:
            return "", Verdict.FORGED
        node, tag, mac = parts
        if not (_same(mac, self._mac("token", node, tag)) or _same(mac, self._mac("safe", node, tag))):
            return "", Verdict.FORGED
        boot_id = boot_id_of(node)
        if not boot_id or _boot_tag(boot_id) != tag:
            return node, Verdict.OLD_BOOT
        return node, Verdict.GOOD

    def challenge(self, node: NodeId, boot_id: str, number: int) -> str:
        """The text of a challenge for this boot of `node`: 13 characters, 65 bits. It fits each way of `quirks.PROOF_WAYS`."""
        digest = bytes.fromhex(self._mac("challenge", node, boot_id, str(number)))
        return base64.b32encode(digest)[:13].decode().lower()

    def credential(self, node: NodeId, attempt: str = "") -> str:
        """What the system of `node` that this attempt installs shows in its hello. Without an attempt: as earlier versions made it."""
        if not attempt:
            return f"{node}.{self._mac('credential', node)}"
        return f"{node}.{attempt}.{self._mac('credential', node, attempt)}"

    def check_credential(self, text: str) -> tuple[NodeId, str] | None:
        """The node and the attempt of this credential; the attempt is empty for one of an earlier version. None for anything else."""
        if len(text) > MAX_TEXT:
            return None
        node, dot, mac = text.rpartition(".")
        if dot and _same(mac, self._mac("credential", node)):
            return node, ""
        node, dot, attempt = node.rpartition(".")
        return (node, attempt) if dot and attempt and _same(mac, self._mac("credential", node, attempt)) else None

    def fingerprint(self, nonce: str, boot_id: str) -> str:
        """Eight hex digits in two groups, for the claim of a boot; `nonce` is its hash. Only this engine can compute them."""
        digits = self._mac("fingerprint", nonce, boot_id)
        return f"{digits[:4]}-{digits[4:8]}"

    def _mac(self, *fields: str) -> str:
        # A header or a JSON string may hold lone surrogates, which must not raise here.
        message = "\0".join(fields).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def new_nonce() -> str:
    """The public half of a fresh nonce."""
    return secrets.token_hex(NONCE_PUBLIC // 2)


def _boot_tag(boot_id: str) -> str:
    return hashlib.sha256(boot_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))


def site_keys(folder: Path) -> Keys:
    """The keys of this installation: reads `folder/site.key`, or makes it (mode 0600, whole or not at all).

    Raises OSError where the folder cannot be written, KeyFileError for a file that is not a secret or that others may
    read.
    """
    path = folder / SECRET_FILE
    try:
        return _read(path)
    except FileNotFoundError:
        key_file.make(path, secrets.token_hex(SECRET_BYTES).encode() + b"\n")
    return _read(path)


def _read(path: Path) -> Keys:
    text = key_file.read(path, REMEDY).strip()
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{path} does not hold a site secret: {REMEDY}")
    return Keys(secret)
