"""Which account opens a node's BMC: the engine's own if role `bmc-account` made one there; else the factory's, if the plan has it; else the
site's."""

from __future__ import annotations

from collections.abc import Callable

from ..core.hardware.bmc import expected, own_account
from ..core.world.view import View
from ..model import Node
from ..trust.vault import BMC_USER, Vault, bmc_account


class BmcAccounts:
    """Thread-safe. `user`: of the site's account, unless the plan has a secret `bmc-user`."""

    def __init__(self, vault: Vault, world: Callable[[], View], user: str) -> None:
        self._vault, self._world, self._user = vault, world, user

    def __call__(self, node: Node) -> tuple[str, str]:
        """User and password. Raises VaultError."""
        own = self._vault.open(bmc_account(node.id)) if own_account(self._world(), node) else None
        if own is not None:
            return BMC_USER, own
        known = expected(self._world(), node)
        factory = self._vault.open(known.bmc.password) if known is not None and known.bmc.password else None
        if known is not None and factory is not None:
            return known.bmc.user or self._user, factory
        return self._vault.open("bmc-user") or self._user, self._vault.open("bmc-password") or ""
