"""The command lines of vendors: for each a pure reader of what it shows, and a pure writer of what it must be told."""

from __future__ import annotations

from .aoscx import AOSCX
from .comware import COMWARE
from .dialect import Dialect
from .ios import EOS, IOS, NXOS, OS10, SONIC
from .junos import JUNOS
from .linux import LINUX
from .nvue import NVUE
from .procurve import PROCURVE

DIALECTS: dict[str, Dialect] = {one.name: one for one in (IOS, NXOS, EOS, JUNOS, OS10, SONIC, AOSCX, COMWARE, PROCURVE, NVUE, LINUX)}
"""Name in the attribute `switch-access` -> dialect. The names are netmiko's, but for `cumulus` (NVUE)."""

__all__ = ["DIALECTS", "Dialect"]
