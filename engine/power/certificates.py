"""Certificates of BMCs, remembered as SSH remembers host keys: the first one seen at an address is kept, and another one is refused.

Why no verification: a BMC makes its own certificate, for a name that nobody gave it. Why no blind trust: a password goes over that line.
So an attacker who was there from the first call is not noticed, and one who comes later is.

The file has a line per BMC, `ADDRESS:PORT SHA256-IN-HEX`. Each call looks at it and reads it only if it changed, because thousands of BMCs
are greeted in a row. Delete the line of a BMC with a new certificate, and the engine accepts the new one. A damaged line is reported and
not skipped, because otherwise the next certificate would be trusted.
"""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path

from ..files import key_file
from ..files.key_file import KeyFileError

MOST = 16 * 1024 * 1024
"""Most bytes of the file that are read: some 160,000 BMCs."""
REMEDY = "delete the damaged lines, or put the file back from a backup; a BMC without a line is believed the next certificate that it shows"
_LINE = re.compile(r"(\S+) ([0-9a-f]{64})")


class Certificates:
    """Thread-safe. Without a file the certificates are remembered as long as this object lives."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._version: tuple[int, ...] = ()
        """Of the file that `_known` was read from."""

    def accepts(self, address: str, port: int, certificate: bytes) -> bool:
        """True if this (DER) is the certificate known at that address. The first one is accepted and kept. Raises OSError, KeyFileError."""
        name, mark = f"{address}:{port}", hashlib.sha256(certificate).hexdigest()
        with self._lock:
            known = self._read()
            if name not in known:
                self._keep({**known, name: mark})
            return known.get(name, mark) == mark

    def _read(self) -> dict[str, str]:
        if self.file is None:
            return self._known
        try:
            version = _version(self.file)
            if version == self._version:
                return self._known
            text = key_file.read(self.file, REMEDY, private=False, may_be_empty=True, most=MOST)
        except FileNotFoundError:
            return {}
        out: dict[str, str] = {}
        for number, line in enumerate(text.decode("ascii", errors="replace").splitlines(), 1):
            if line.strip():
                found = _LINE.fullmatch(line.strip())
                if found is None:
                    raise KeyFileError(f"line {number} of {self.file} is damaged: {REMEDY}")
                out[found[1]] = found[2]
        self._known, self._version = out, version
        return out

    def _keep(self, known: dict[str, str]) -> None:
        if self.file is None:
            self._known = known
            return
        key_file.replace(self.file, "".join(f"{name} {mark}\n" for name, mark in known.items()).encode())
        self._known, self._version = known, _version(self.file)


def _version(file: Path) -> tuple[int, ...]:
    """Differs if the file was replaced, written, or given other rights. Raises FileNotFoundError, OSError."""
    about = file.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
