"""A rack of QEMU machines: real firmware, real network boot, real disks, a BMC for each. `rack` explains its parts.

`needs.missing` says what the system lacks for it; `serial_log.serial_logs` finds the serial consoles of its machines.
"""

from __future__ import annotations

from .needs import missing
from .serial_log import SerialLog, serial_logs
from .spec import QemuRackSpec

__all__ = ["QemuRackSpec", "SerialLog", "missing", "serial_logs"]
