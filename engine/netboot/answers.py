"""What booting machines get: scripts, GRUB configurations, the site's initramfs, and answers for installers. Each is rendered when a
machine asks for it.

`step` has decided what a machine boots (`effects.BootScript`); this turns it into text. A nonce passes through and is stored nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.roles.stages import DISCOVERY, install_role
from ..core.world.world import World
from ..definitions import Catalog, ImageDef
from ..effects import BootScript
from ..reasons import Reason
from .install_answers import asked, mirror, render, values, with_places
from .script import Word, render_boot, render_disk, render_disk_menu, render_first_menu, render_menu, word
from .site_image import site_image

TOOLS = ("agent", "attempt", "attribute", "installer")
_NODE = Path(__file__).resolve().parents[2] / "images" / "node"


class BootAnswers:
    """For one site. `url` and `tls_url` are the engine's, without a slash at the end; `ca` is PEM. Installers are served only with a
    `world`."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        url: str,
        tls_url: str,
        authorized_key: str,
        ca: bytes,
        world: Callable[[], World | None] = lambda: None,
    ) -> None:
        self._catalog = catalog
        self._world = world
        self._url = url
        self._key = authorized_key
        self._tools = {"ca.crt": ca, "tls": f"{tls_url}\n".encode()}
        self._site = site_image(authorized_key, ca, tls_url)

    def script(self, effect: BootScript, nonce: str) -> str:
        """The script for iPXE."""
        if effect.disk:
            return render_disk(effect.quirk, self._url)
        image = self._image(effect, nonce)
        folder = self._catalog().folders.get(f"image:{image.name}", "")
        template = Path(folder) / "boot.ipxe.j2" if folder else None
        return render_boot(image, self._url, nonce, self._arguments(effect), template, effect.environment or DISCOVERY)

    def menu(self, effect: BootScript, nonce: str, tftp: bool = False) -> str:
        """The configuration for GRUB. `tftp`: it fetches everything by TFTP."""
        if effect.disk:
            return render_disk_menu()
        return render_menu(self._image(effect, nonce), self._url, nonce, self._arguments(effect), effect.environment or DISCOVERY, tftp)

    def site(self) -> bytes:
        """The site's initramfs."""
        return self._site

    def first_menu(self, tftp: bool = False) -> bytes:
        """The first configuration that GRUB's net image asks for. `tftp`: everything by TFTP."""
        return render_first_menu(self._url, tftp).encode("ascii")

    def install_answers(self, public: str, nonce: str, file: str) -> str | Reason | None:
        """An answers file for the installer whose boot carries that nonce. None: no open boot has this nonce, or there is no such file."""
        world = self._world()
        found = asked(world, public) if world is not None else None
        if world is None or found is None:
            return None
        node, role, image = found
        seen = values(world, node, role, image, url=self._url, nonce=nonce, key=self._key)
        if isinstance(seen, Reason):
            return seen
        return render(image, self._catalog().folders.get(f"image:{image.name}", ""), file, seen)

    def tool(self, name: str) -> bytes | None:
        """Files that an installer fetches besides, the same for every node: the node's tools, and the site's authority."""
        if name in TOOLS:
            return (_NODE / name).read_bytes()
        return self._tools.get(name)

    def _image(self, effect: BootScript, nonce: str) -> ImageDef:
        image = self._catalog().images[effect.image or effect.environment or DISCOVERY]
        world = self._world()
        node = world.nodes.get(effect.node) if world is not None else None
        role = install_role(world, node, node.stage) if world is not None and node is not None else None
        if image.kind != "installer" or world is None or role is None:
            return image
        return with_places(image, url=self._url, nonce=nonce, source=mirror(world, role, image, self._url))

    def _arguments(self, effect: BootScript) -> tuple[Word, ...]:
        return (word(f"crowbar.mac={effect.mac}"),)
