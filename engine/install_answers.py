"""Files of answers for distributions' own installers, from the templates of their images, over typed values only.

An installer carries out whatever stands in its answers, so nothing reaches a template that has not been matched whole with a pattern
here: no value holds a quote, a backslash, `$`, `;` or a line's end, and none that is not said to be a list holds a space, but for the
engine's public key. The templates are rendered in Jinja's sandbox and see text, lists and maps of text; an undefined name is an error.

Nothing in them is secret: they go to who shows the nonce of an open boot, by plain HTTP. What is secret (the credential) goes with the
order, by the agent's calls.

`asked` and `values` are pure; `render` reads the template.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from msgspec.structs import replace

from . import reasons
from .core.attributes import document, effective
from .core.stages import install_role
from .core.world import World
from .definitions import Catalog, ImageDef, Json
from .files.image_file import answer_templates
from .model import Node, NodeRole
from .reasons import Reason

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
"""Name in a template -> what its value must match whole."""
_MIRROR = re.compile(_URL)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")


def asked(world: World, nonce: str) -> tuple[Node, NodeRole, ImageDef] | None:
    """Whose answers the nonce (its SHA-256) opens: those of a boot of an installer that has not said hello."""
    node = world.nodes.get(world.nonces.get(nonce) or "")
    if node is None or node.boot is None or node.boot.nonce != nonce:
        return None
    image = world.catalog.images.get(node.boot.environment)
    role = install_role(world, node, node.stage)
    return (node, role, image) if role is not None and image is not None and image.kind == "installer" else None


def values(world: World, node: Node, role: NodeRole, image: ImageDef, *, url: str, nonce: str, key: str) -> dict[str, Json] | Reason:
    """What the templates see, or which value is not fit and why. `url` is the engine's, `key` its public key."""
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
    """Where packages come from, without a slash at the end: as it was set, else the image's own mirror, Debian's by way of the engine's
    cache where no other proxy is set. `url` is the engine's."""
    if named := str(effective(world, role, "package-mirror") or ""):
        return named.rstrip("/")
    own = image.mirror.rstrip("/")
    if not own or image.method != "preseed" or effective(world, role, "package-proxy"):
        return own
    return f"{url}/packages/{image.name}/{own.rpartition('/')[2]}"


SECURITY = "debian-security"
"""Debian's installer asks for security updates in a folder of this name, beside that of the mirror."""


def mirrored(catalog: Catalog, name: str, path: str) -> str | None:
    """The URL of a file of an installer image's mirror, or of the security updates beside it; None: of nothing else."""
    image = catalog.images.get(name)
    if image is None or image.kind != "installer" or not image.mirror:
        return None
    top, _, own = image.mirror.rstrip("/").rpartition("/")
    return f"{top}/{path}" if path.partition("/")[0] in (own, SECURITY) else None


def with_places(image: ImageDef, *, url: str, nonce: str, source: str) -> ImageDef:
    """The image with its kernel arguments made whole: where answers, further files and packages are."""
    places = {"{answers}": f"{url}/boot/answers/{nonce}", "{image}": f"{url}/image/{image.name}", "{mirror}": source}
    return replace(image, arguments=tuple(_put(text, places) for text in image.arguments))


def _put(text: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def render(image: ImageDef, folder: str, file: str, found: dict[str, Json]) -> str | None:
    """The file of answers; None: this installer has no such file. Raises OSError, and ValueError for a template that cannot be rendered."""
    name = image.answers.get(file)
    if name is None:
        return None
    path = next(place for place in answer_templates(Path(folder), name) if place.is_file())
    try:
        return _template(str(path), path.stat().st_mtime_ns).render(**found)
    except TemplateError as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error


class _Rendered:
    def __init__(self, file: Path) -> None:
        environment = SandboxedEnvironment(
            undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
        )
        self._template = environment.from_string(file.read_text(encoding="utf-8"))

    def render(self, **found: Json) -> str:
        return self._template.render(**found)


@cache
def _template(path: str, _changed: int) -> _Rendered:
    return _Rendered(Path(path))
