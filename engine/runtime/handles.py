"""Opens the handles among a role's inputs (`attributes.HANDLES`) as its task leaves: secrets, the engine's key, and images.

{"$secret": "credential"}    the credential of the node's installation that is being made
{"$secret": "bmc-account"}   the password of the engine's account in the node's BMC
{"$secret": "san-account"}   the secret by which the node logs in to its iSCSI targets
{"$secret": "san-accounts"}  those of the nodes that have LUNs of this SAN
{"$secret": "certificate"}   the node's key and certificate
{"$secret": "made/..."}      a secret that the engine makes
{"$secret": NAME}            a secret of the plan
{"$engine": "key"}           the public key by which the engine logs in
{"$engine": "authority"}     the certificate of the site's authority
{"$firmware": "cabinets"}    where fwupd's files are, with their sums and a ticket for this boot
{"$image": NAME}             where an installer fetches an image, with a ticket for this boot
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import json

from .. import reasons
from ..core.hardware.bmc_network import bmc_network
from ..core.hardware.san import served
from ..core.roles.sealed import GENERATED
from ..core.world.world import World
from ..definitions import Json
from ..files.firmware_shelf import FOLDER as FIRMWARE
from ..files.firmware_shelf import FirmwareShelf
from ..images.shelf import Images
from ..model import Node
from ..trust.authority import site_authority
from ..trust.node_certificates import node_certificate
from ..trust.tokens import Keys
from ..trust.vault import Vault, bmc_account, san_account


class NotOpened(LookupError):
    """The content of a handle is missing or not usable; with its reason."""

    def __init__(self, reason: reasons.Reason) -> None:
        super().__init__(reasons.sentence(reason))
        self.reason = reason


class Handles:
    """`images` are those that can be served now; None before the services are started."""

    def __init__(
        self,
        *,
        keys: Keys,
        vault: Vault,
        public_key: str,
        images: Callable[[], Images | None],
        folder: Path,
        firmware: FirmwareShelf | None = None,
    ) -> None:
        """`folder`: of the keys. `firmware`: the makers' files; None: there are none."""
        self._firmware = firmware
        self._keys, self._vault, self._public_key, self._images, self._folder = keys, vault, public_key, images, folder

    def open(self, world: World, node: Node, handle: Json) -> Json:
        """The value behind a handle, for a node. Raises LookupError with a sentence, or NotOpened."""
        ((kind, name),) = handle.items()
        match kind:
            case "$secret":
                if name == "san-accounts":
                    return self._san_accounts(world, node)
                return self._certificate(world, node) if name == "certificate" else self._secret(node, str(name))
            case "$engine":
                return site_authority(self._folder).pem.decode() if name == "authority" else self._public_key
            case "$firmware":
                return self._cabinets(world, node)
            case "$image":
                return self._image(world, node, str(name))
        raise LookupError(f"there is no handle {kind}")

    def _secret(self, node: Node, name: str) -> str:
        match name:
            case "credential":
                return self._keys.credential(node.id, node.installing)
            case "bmc-account":
                return self._vault.made(bmc_account(node.id))
            case "san-account":
                return self._vault.made(san_account(node.id))
        return self._vault.made(name) if name.startswith(GENERATED) else self._vault.needed(name)

    def _san_accounts(self, world: World, device: Node) -> str:
        """The secrets of the nodes that this SAN serves, as JSON: first label of a node's name -> secret."""
        found = {one.name.split(".")[0]: self._vault.made(san_account(one.id)) for one in served(world, device)}
        return json.encode(found).decode()

    def _certificate(self, world: World, node: Node) -> str:
        of_bmcs = found.name if (found := bmc_network(world.plan)) is not None else ""  # another machine answers there
        addresses = [address for (of, network), address in world.address_of.items() if of == node.id and network != of_bmcs]
        names = dict.fromkeys((node.name, node.name.split(".")[0]))
        return node_certificate(self._vault, site_authority(self._folder), node.id, [*names], sorted(addresses))

    def _cabinets(self, world: World, node: Node) -> Json:
        address = world.plan.site.admin.address if world.plan is not None else ""
        files = self._firmware.cabinets() if self._firmware is not None else {}
        return {
            "url": f"http://{address}/image/{FIRMWARE}",
            "ticket": self._keys.ticket(node.id, node.boot_id, FIRMWARE),
            "files": {name: {"sha256": one.sha256, "size": one.size} for name, one in files.items()},
        }

    def _image(self, world: World, node: Node, name: str) -> Json:
        images = self._images()
        facts = images.facts(name) if images is not None else None
        if facts is None:
            raise NotOpened(images.missing(name) if images is not None else reasons.image_missing(image=name))
        address = world.plan.site.admin.address if world.plan is not None else ""
        ticket = self._keys.ticket(node.id, node.boot_id, name)
        return {**facts, "url": f"http://{address}{facts['path']}", "ticket": ticket}
