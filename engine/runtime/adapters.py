"""Makes what reaches out of an engine: its keys and logs, the jigs that carry out roles, and power. One factory, one order.

Tasks and calls are answered by events, so all of it works with the loop alone.
"""

from __future__ import annotations

from ..core.boot.boot import open_generation
from ..core.hardware.bmc import own_account
from ..core.world.world import World
from ..jigs import Jig
from ..jigs.agent import AgentJig
from ..jigs.local import LocalJig
from ..jigs.logs import Logs
from ..jigs.noop import NoopJig
from ..jigs.script import ScriptJig
from ..jigs.ssh import SshPool, engine_key
from ..model import Node
from ..store.errors import files_of
from ..trust.tokens import site_keys
from ..trust.vault import BMC_USER, Vault, bmc_account
from .config import Config
from .contact import Contact
from .last_values import LastValues
from .loop import Loop
from .power_orders import PowerOrders, pace_of
from .proofs import Proofs


class Adapters:
    """Of one engine, on one store. Making them raises StoreError, KeyFileError and VaultError."""

    def __init__(self, config: Config, loop: Loop[World], last_values: LastValues) -> None:
        self._config = config
        self._loop = loop
        with files_of(config.store):
            self.vault = Vault(config.store, config.keys)
            self.keys = site_keys(config.keys)
            self.ssh_key = engine_key(config.keys / "engine_ed25519")
            self.logs = Logs(config.store / "logs")
        self.ssh = SshPool(self.ssh_key)
        self.agent = AgentJig(loop.offer, self.logs, in_clear=config.synthetic, open_boot=lambda node: open_generation(loop.world, node))
        self.contact = Contact(config, lambda: loop.world, last_values, self.agent, self.ssh)
        self.power = PowerOrders(
            config, self._bmc_account, self.contact.command, lambda: pace_of(config, loop.world.plan), lambda: loop.world
        )
        self.proofs = Proofs(self.keys, self.agent, self.power)
        self.jigs: dict[str, Jig] = {
            "agent": self.agent,
            "script": ScriptJig(loop.submit, self.logs, self.ssh),
            "local": LocalJig(loop.submit, self.logs, config.store / "local"),
            "device": LocalJig(loop.submit, self.logs, config.store / "device"),
            "noop": NoopJig(loop.submit),
        }

    def close(self) -> None:
        """After the runner, which ends the jigs."""
        self.ssh.close_all()

    def _bmc_account(self, node: Node) -> tuple[str, str]:
        """The engine's own account if the role made one in this BMC; else the site's."""
        own = self.vault.open(bmc_account(node.id)) if own_account(self._loop.world, node) else None
        if own is not None:
            return BMC_USER, own
        return self.vault.open("bmc-user") or self._config.bmc_user, self.vault.open("bmc-password") or ""
