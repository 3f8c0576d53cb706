"""The faults that came or went while a rack ran, in its folder: a rack that starts again has them as they were.

The file `faults.json` holds the whole faults of each machine whose faults changed, and the second DHCP server if that changed. It is
replaced by rename.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

FILE = "faults.json"


class KeptFaults:
    """Raises OSError, msgspec.DecodeError for a broken file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._now: dict[str, Any] = msgspec.json.decode(self._file.read_bytes(), type=dict[str, Any]) if self._file.exists() else {}

    def of(self, machine: str, otherwise: Any) -> Any:
        """The machine's faults: the kept ones, else these. Raises msgspec.ValidationError."""
        found = self._now.get("machines", {}).get(machine)
        return otherwise if found is None else msgspec.convert(found, type(otherwise))

    def applied(self, spec: Any, faults_of: Any) -> Any:
        """The rack's spec with the kept faults. `faults_of(spec, machine)`: those that it had from the start."""
        if not self._now.get("machines"):
            return spec
        names = (f"m{i}" for i in range(1, spec.nodes + 1))
        return msgspec.structs.replace(spec, faults={name: self.of(name, faults_of(spec, name)) for name in names})

    def server(self, otherwise: Any, kind: type[Any]) -> Any:
        """The second DHCP server, or None."""
        if "server" not in self._now:
            return otherwise
        found = self._now["server"]
        return None if found is None else msgspec.convert(found, kind)

    def keep(self, machine: str, faults: Any) -> None:
        self._now.setdefault("machines", {})[machine] = msgspec.to_builtins(faults)
        self._save()

    def keep_server(self, server: Any) -> None:
        self._now["server"] = msgspec.to_builtins(server)
        self._save()

    def _save(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._now))
        os.replace(fresh, self._file)
