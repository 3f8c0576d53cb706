"""Answers files for distributions' own installers, from the templates of their images, with typed values only.

An installer does whatever its answers say. So every value that reaches a template matches one of the patterns here as a whole. No value
holds a quote, a backslash, `$`, `;` or a line end. Only lists and the engine's public key hold spaces. The templates are rendered in
Jinja's sandbox and see text, lists and maps of text. An undefined name is an error.

The answers hold no secret: plain HTTP gives them to anyone who shows the nonce of an open boot. The secret (the credential) goes with
the order, in the agent's calls.

`asked` and `values` are pure; `render` reads the template.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from .. import reasons
from ..core.roles.attributes import document, effective
from ..core.roles.stages import install_role
from ..core.world.world import World
from ..definitions import Catalog, ImageDef, Json
from ..files.image_file import answer_templates
from ..model import Node, NodeRole
from ..reasons import Reason
from .templates import template

_ADDRESS = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
_URL = r"https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*"
PATTERNS: dict[str, str] = {
    "url": r"http://[a-z0-9]([a-z0-9.-]{0,253}[a-z0-9])?(:[0-9]{1,5})?",
    "nonce": r"[0-9a-f]{32,64}",
    "mac": r"[0-9a-f]{2}(:[0-9a-f]{2}){5}",
    "system": r"[a-z0-9][a-z0-9.-]{0,62}",
    "arch": r"x86_64|aarch64",
    "hostname": r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    "domain": r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
    "address": _ADDRESS,
    "mask": _ADDRESS,
    "router": f"({_ADDRESS})?",
    "key": r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-[a-z0-9-]+) [A-Za-z0-9+/=]+( [A-Za-z0-9@._-]+)?",
    "proxy": f"({_URL})?",
    "kernel": r"([a-z0-9][a-z0-9+.-]{0,99})?",
    "locale": r"[A-Za-z]{1,8}(_[A-Z]{2})?(\.[A-Za-z0-9-]{1,12})?",
    "keyboard": r"[a-z]{2,12}(-[a-z0-9]{1,12})?",
    "timezone": r"[A-Za-z]{2,20}(/[A-Za-z0-9_+-]{1,30}){0,2}",
}
"""Name in a template -> pattern that its whole value must match."""
_MIRROR = re.compile(_URL)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")
MOST_PACKAGES = 1000


def asked(world: World, nonce: str) -> tuple[Node, NodeRole, ImageDef] | None:
    """The node whose answers the nonce (its public half) opens: its installer boots and has not said hello yet."""
    node = world.nodes.get(world.nonces.get(nonce) or "") if nonce else None
    boot = next((boot for boot in (node.boot, node.rumour) if boot is not None and boot.nonce == nonce), None) if node is not None else None
    if node is None or boot is None:
        return None
    image = world.catalog.images.get(boot.environment)
    role = install_role(world, node, node.stage)
    return (node, role, image) if role is not None and image is not None and image.kind == "installer" else None


def values(world: World, node: Node, role: NodeRole, image: ImageDef, *, url: str, nonce: str, key: str) -> dict[str, Json] | Reason:
    """The values for the templates; or the value that does not fit, with the reason. `url` is the engine's, `key` its public key."""
    wanted = document(world, role, {"engine-key": key, "credential": None, "image": None})
    network = wanted.get("admin-network") or {}
    texts: dict[str, Json] = {
        "url": url,
        "nonce": nonce,
        "mac": node.boot_mac,
        "system": image.installs,
        "arch": image.arch,
        "key": key,
        "proxy": wanted.get("package-proxy") or "",
        "kernel": wanted.get("kernel-package") or "",
        **{name: network.get(name) or "" for name in ("address", "mask", "router")},
        **{name: wanted.get(name) or "" for name in ("hostname", "domain", "locale", "keyboard", "timezone")},
    }
    for name, value in texts.items():
        if not isinstance(value, str) or not re.fullmatch(PATTERNS[name], value):
            return reasons.bad_value(what=f"{name} of {node.name}", expected="fit for an installer's answers", value=repr(value)[:80])
    packages = wanted.get("packages") or []
    if len(packages) > MOST_PACKAGES:
        return reasons.bad_value(what=f"packages of {node.name}", expected=f"at most {MOST_PACKAGES} names", value=f"{len(packages)} names")
    wrong = [one for one in packages if not isinstance(one, str) or not _PACKAGE.fullmatch(one)]
    if wrong:
        return reasons.bad_value(what="each of packages", expected="the name of a package", value=repr(wrong[0])[:80])
    source = mirror(world, role, image, url)
    if not _MIRROR.fullmatch(source):
        return reasons.bad_value(what="package-mirror", expected="an http or https URL", value=repr(source)[:80])
    parts = urlsplit(source)
    where = {"url": source, "protocol": parts.scheme, "host": parts.netloc, "path": parts.path or "/"}
    where["parent"] = parts.path.rpartition("/")[0]
    return {**texts, "packages": list(packages), "mirror": where}


def mirror(world: World, role: NodeRole, image: ImageDef, url: str) -> str:
    """The URL for packages, without a slash at the end: the attribute, or the image's own mirror. For Debian it leads through the
    engine's cache if no other proxy is set. `url` is the engine's."""
    if named := str(effective(world, role, "package-mirror") or ""):
        return named.rstrip("/")
    own = image.mirror.rstrip("/")
    if not own or image.method != "preseed" or effective(world, role, "package-proxy"):
        return own
    return f"{url}/packages/{image.name}/{own.rpartition('/')[2]}"


SECURITY = "debian-security"
"""Debian's installer asks for security updates in a folder of this name, beside that of the mirror."""


def mirror_image(catalog: Catalog, name: str) -> ImageDef | None:
    """The installer image whose mirror serves `name`: the image's own name, or the system (`target-os`) that it installs."""
    installers = [image for _, image in sorted(catalog.images.items()) if image.kind == "installer" and image.mirror]
    return next((image for image in installers if name in (image.name, image.installs)), None)


def mirrored(catalog: Catalog, name: str, path: str) -> str | None:
    """The URL of a file of an installer image's mirror, or of the security updates beside it. `name`: see `mirror_image`. None: neither."""
    image = mirror_image(catalog, name)
    if image is None:
        return None
    top, _, own = image.mirror.rstrip("/").rpartition("/")
    return f"{top}/{path}" if path.partition("/")[0] in (own, SECURITY) else None


def with_places(image: ImageDef, *, url: str, nonce: str, source: str) -> ImageDef:
    """The image with complete kernel arguments: URLs of answers, further files and packages."""
    places = {"{answers}": f"{url}/boot/answers/{nonce}", "{image}": f"{url}/image/{image.name}", "{mirror}": source}
    return replace(image, arguments=tuple(_put(text, places) for text in image.arguments))


def _put(text: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def render(image: ImageDef, folder: str, file: str, found: dict[str, Json]) -> str | None:
    """The answers file. None: this installer has no such file. Raises OSError, and ValueError for a template that cannot be rendered."""
    name = image.answers.get(file)
    if name is None:
        return None
    path = next(place for place in answer_templates(Path(folder), name) if place.is_file())
    return template(path).render(**found)
