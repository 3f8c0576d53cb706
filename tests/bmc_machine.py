"""The smallest machine behind a simulated BMC, whatever that speaks."""

from __future__ import annotations

from engine.racks.bmc.ipmi import SimBmc
from engine.racks.bmc.light import Light


class _Light(Light):
    def __init__(self, log: list[object]) -> None:
        super().__init__()
        self._log = log

    def identify(self, seconds: int) -> None:
        self._log.append(("identify", seconds))
        super().identify(seconds)


class Machine:
    """Obeys at once; `log`: what its BMC made it do; `crowd`: the most sessions its BMC had when it was asked, where `bmc` is told."""

    user = "root"
    password = "calvin"

    def __init__(self) -> None:
        self.on = False
        self.device = "none"
        self.log: list[object] = []
        self.light: Light = _Light(self.log)
        self.crowd = 0
        self.bmc: SimBmc | None = None

    def power_state(self) -> bool:
        if self.bmc is not None:
            self.crowd = max(self.crowd, len(self.bmc.sessions))
        return self.on

    def power(self, action: str) -> None:
        self.log.append(action)
        if action != "diag":
            self.on = action in ("on", "cycle", "reset")

    def boot_device(self) -> str:
        return self.device

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None:
        self.log.append((device, persistent, uefi))
        self.device = device
