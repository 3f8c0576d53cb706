"""Certificates of BMCs, remembered as SSH remembers host keys: the first one seen at an address is kept, another one is refused.

Why not verified: a BMC comes with a certificate that it made itself, for a name that nobody gave it. Why not accepted blindly: a password
goes over that line. So whoever stood in the way from the first call on is not found, and whoever comes later is.

The file has a line per BMC, `ADDRESS:PORT SHA256-IN-HEX`, and is read at each call: a BMC that got another certificate is accepted after
its line was deleted.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

MOST = 16 * 1024 * 1024
"""Octets of the file that are looked at; some 160,000 BMCs."""


class Certificates:
    """Thread-safe. Without a file they are remembered for as long as this lives."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def accepts(self, address: str, port: int, certificate: bytes) -> bool:
        """Is this (DER) the certificate known at that address? The first one is, and is kept. Raises OSError."""
        name, mark = f"{address}:{port}", hashlib.sha256(certificate).hexdigest()
        with self._lock:
            known = self._read().get(name)
            if known is None:
                self._keep(name, mark)
            return known in (None, mark)

    def _read(self) -> dict[str, str]:
        if self.file is None:
            return self._known
        try:
            with self.file.open("rb") as file:
                text = file.read(MOST).decode("ascii", errors="replace")
        except FileNotFoundError:
            return {}
        return {words[0]: words[1] for line in text.splitlines() if len(words := line.split()) == 2}

    def _keep(self, name: str, mark: str) -> None:
        if self.file is None:
            self._known[name] = mark
            return
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(f"{name} {mark}\n".encode())
            file.flush()
            os.fsync(file.fileno())
