"""Who is calling: tokens of running environments and credentials of installed systems, by HMAC-SHA256 with one site
secret.

Nothing of it is stored: a token is checked by computing it again, so a restart, or a store put back from a backup,
forgets nobody.

* A *token* belongs to one boot of one node: `NODE.BOOTTAG.MAC`. The boot tag stands in the text so that the call of
  an earlier boot (a genuine token, `OLD_BOOT`) and a made-up one (`FORGED`) differ: the first is acknowledged and
  dropped, the second is refused.
* A *safe* token is one whose hello came over TLS. What is asked for by another is no secret: somebody may have read it off the wire.
* A *ticket* lets one boot read one image. Images are large and no secrets, so they go without TLS, and a token must not go with them.
* A *credential* belongs to the installed system of a node: `NODE.MAC`. It lives on the node's disk across boots.

The domain word before the fields keeps a token from ever being a valid credential and the other way round; NUL
between the fields keeps (`ab`, `c`) and (`a`, `bc`) apart. Node ids hold no NUL; they may hold dots, so texts are
taken apart from the right.

The secret is a file of mode 0600 beside the store. Losing it costs a new hello of every node and the credentials of
installed systems.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from .model import NodeId

SECRET_BYTES = 32
SECRET_FILE = "site.key"
MAX_TEXT = 512
"""Longest token or credential that is looked at."""


class Verdict(enum.Enum):
    """What a presented token is worth."""

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
        """The token of `node` for as long as it runs `boot_id`. `safe`: it was never in clear, as its hello came over TLS."""
        tag = _boot_tag(boot_id)
        return f"{node}.{tag}.{self._mac('safe' if safe else 'token', node, tag)}"

    def is_safe(self, token: str) -> bool:
        """Of a token that `check` found good: was it given over TLS?"""
        node, tag, mac = token.rsplit(".", 2)
        return _same(mac, self._mac("safe", node, tag))

    def ticket(self, node: NodeId, boot_id: str, image: str) -> str:
        """What lets this boot of `node` read one image, and is worth nothing else: it may go in clear beside the image's bytes."""
        tag = _boot_tag(boot_id)
        return f"{node}.{tag}.{self._mac('ticket', node, tag, image)}"

    def check_ticket(self, ticket: str, image: str, boot_id_of: Callable[[NodeId], str | None]) -> NodeId | None:
        """The node whose present boot may read that image by it; None for anything else."""
        parts = ticket.rsplit(".", 2) if len(ticket) <= MAX_TEXT else []
        if len(parts) != 3 or not _same(parts[2], self._mac("ticket", parts[0], parts[1], image)):
            return None
        boot_id = boot_id_of(parts[0])
        return parts[0] if boot_id and _boot_tag(boot_id) == parts[1] else None

    def check(self, token: str, boot_id_of: Callable[[NodeId], str | None]) -> tuple[NodeId, Verdict]:
        """Whose token this is, and whether it is of the node's present boot. `boot_id_of` answers None for a node
        that is not there: its genuine tokens are of an old boot. The node of a forged token is empty."""
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

    def credential(self, node: NodeId) -> str:
        """What the installed system of `node` shows in its hello."""
        return f"{node}.{self._mac('credential', node)}"

    def check_credential(self, text: str) -> NodeId | None:
        """The node whose credential this is; None for anything else."""
        if len(text) > MAX_TEXT:
            return None
        node, dot, mac = text.rpartition(".")
        return node if dot and _same(mac, self._mac("credential", node)) else None

    def _mac(self, *fields: str) -> str:
        # A header or a JSON string may hold lone surrogates; they must not raise here.
        message = "\0".join(fields).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def _boot_tag(boot_id: str) -> str:
    return hashlib.sha256(boot_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))


def site_keys(folder: Path) -> Keys:
    """The keys of this installation: reads `folder/site.key`, or makes it (mode 0600, whole or not at all).

    Raises OSError where the folder cannot be written, ValueError for a file that is not a secret or that others may
    read.
    """
    path = folder / SECRET_FILE
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    fresh = folder / f".{SECRET_FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # link refuses to replace: of two engines that start at once the first one's secret stays.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return _read(path)


def _read(path: Path) -> Keys:
    with path.open() as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise ValueError(f"{path} can be read by others (mode {mode:o}): chmod 600 it")
        text = file.read(1024).strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{path} does not hold a site secret: put it back from a backup, or delete it") from None
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"{path} does not hold a site secret: put it back from a backup, or delete it")
    return Keys(secret)
