"""A rack of QEMU machines: real firmware, real network boot, real disks, a BMC for each. See `rack` for what it is made of.

`needs.missing` says what the system lacks for it; `serial_log.serial_logs` where the consoles of its machines are.
"""

from __future__ import annotations

from .description import QemuDescription
from .needs import missing
from .serial_log import SerialLog, serial_logs

__all__ = ["QemuDescription", "SerialLog", "missing", "serial_logs"]
