"""Makes what reaches out of an engine: its keys and logs, the jigs that carry out roles, and power. One factory, one order.

Tasks and calls are answered by events, so all of it works with the loop alone.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.boot.boot import open_generation
from ..core.boot.patience import pause_s
from ..core.world.world import World
from ..jigs import Jig
from ..jigs.agent import AgentJig
from ..jigs.ansible import AnsibleJig
from ..jigs.bmc import BmcJig, Work
from ..jigs.local import Daemons, LocalJig
from ..jigs.logs import Logs
from ..jigs.noop import NoopJig
from ..jigs.script import ScriptJig
from ..jigs.ssh import SshPool, engine_key
from ..store.errors import files_of
from ..store.hardware import HardwareShelf
from ..trust.tokens import site_keys
from ..trust.vault import Vault
from .bios_orders import BiosOrders
from .bmc_accounts import BmcAccounts
from .config import Config
from .contact import Contact
from .firmware_orders import FirmwareOrders
from .hardware import HardwareReports
from .last_values import LastValues
from .loop import Loop
from .power_orders import PowerOrders, pace_of
from .proofs import Proofs
from .sealing import Sealing
from .volume_orders import RaidReports, VolumeOrders

ENGINE_KEY = "engine_ed25519"
"""File of the engine's SSH key in the folder of keys."""


class Adapters:
    """Of one engine, on one store. Making them raises StoreError, KeyFileError and VaultError."""

    def __init__(self, config: Config, loop: Loop[World], last_values: LastValues, may: Callable[[], bool] = lambda: True) -> None:
        """`may`: asked before each call of a BMC (`tenure.Tenure.confirms`)."""
        with files_of(config.store):
            self.vault = Vault(config.store, config.keys)
            self.keys = site_keys(config.keys)
            self.ssh_key = engine_key(config.keys / ENGINE_KEY)
            self.logs = Logs(config.store / "logs")
        self.sealing = Sealing(self.vault, self.logs, lambda: loop.world)
        self.hardware = HardwareReports(HardwareShelf(config.store))
        submit, offer = (self.hardware.submit_to(self.sealing.submit_to(way)) for way in (loop.submit, loop.offer))
        self.ssh = SshPool(self.ssh_key)
        self.agent = AgentJig(offer, self.logs, in_clear=config.synthetic, open_boot=lambda node: open_generation(loop.world, node))
        self.contact = Contact(config, lambda: loop.world, last_values, self.agent, self.ssh)
        accounts = BmcAccounts(self.vault, lambda: loop.world, config.bmc_user)
        self.power = PowerOrders(
            config, accounts, self.contact.command, lambda: pace_of(config, loop.world.plan), lambda: loop.world, self._secret, may
        )
        self.proofs = Proofs(self.keys, self.agent, self.power)

        def pause(seconds: float) -> float:
            return pause_s(loop.world, seconds)

        works: dict[str, Work] = {
            "bios": BiosOrders(self.power, lambda: loop.world, pause),
            "firmware": FirmwareOrders(self.power, lambda: loop.world, config.store, pause),
            "raid-report": RaidReports(self.power),
            "raid": VolumeOrders(self.power, lambda: loop.world),
        }
        self.jigs: dict[str, Jig] = {
            "agent": self.agent,
            "script": ScriptJig(submit, self.logs, self.ssh),
            "local": LocalJig(submit, self.logs, config.store / "local", daemons=daemons_of(config)),
            "device": LocalJig(submit, self.logs, config.store / "device"),
            "bmc": BmcJig(submit, self.logs, config.store / "bmc", works),
            "noop": NoopJig(loop.submit),
            "puppet": ScriptJig(submit, self.logs, self.ssh, workers=16, name="jig-puppet"),
            # A machine that is not there has no Python: its `attempt` takes the task, and the barclamp's rehearsal.py carries it out.
            "ansible": ScriptJig(submit, self.logs, self.ssh, workers=16, name="jig-ansible")
            if config.synthetic
            else AnsibleJig(submit, self.logs, config.store / "ansible", config.keys / ENGINE_KEY),
            "chef-solo": ScriptJig(submit, self.logs, self.ssh, workers=16, name="jig-chef-solo"),
        }

    def _secret(self, name: str) -> str:
        return self.vault.open(name) or ""

    def close(self) -> None:
        """After the runner, which ends the jigs."""
        self.ssh.close_all()


def daemons_of(config: Config) -> Daemons:
    """Where and how the roles of the admin node run daemons and builds."""
    folder = config.store / "services"
    hidden = (config.store, config.keys)
    if config.reach.lane is not None or (config.synthetic and config.rack is None):
        return Daemons(folder=folder, hidden=hidden, rehearsal="loopback")
    if config.rack is not None:
        return Daemons(folder=folder, hidden=hidden, rehearsal="namespace", owner=config.rack / "owner.pid")
    return Daemons(folder=folder, hidden=hidden)
