"""Several engines, each with a hall of its own: the file that names them, and a look at each.

    halls:
      - {name: hall-a, store: /var/lib/crowbar/store}
      - {name: hall-b, api: "https://10.2.0.10:8443", ca: hall-b.crt, token: hall-b.token, ssh: ops@10.2.0.10}

`store`: the engine of this admin node. `api`: the HTTP API of another one, with an operator's token, or a certificate and its key; paths
are relative to the file's folder. `ssh`: how its console is opened. A look only reads.
"""

from __future__ import annotations

import re
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ..files.element import Element, Fields
from ..files.mistakes import Mistakes, PlanError
from ..files.yaml_source import load
from ..store.errors import StoreError
from ..views.summary import Summary
from .control import Reader, held
from .http_client import HttpApiError, HttpClient, Refusal

HALLS = 64
"""Most halls of a file."""
LOOK_S = 5.0
"""Seconds in which an API must say something. A whole answer has twice as many."""
TOKEN = 4096
"""Most octets of a token's file."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Where a token may go in clear."""
KEYS = ("name", "store", "api", "ca", "token", "certificate", "key", "ssh")

_SSH = re.compile(r"(?:[A-Za-z0-9._][A-Za-z0-9._-]{0,31}@)?[A-Za-z0-9][A-Za-z0-9.:-]{0,252}")
"""`USER@HOST`, `HOST`, or a name of ssh_config(5). Never an option."""


class Hall(Struct, frozen=True, kw_only=True):
    """One engine. Exactly one of `store` and `api` is given."""

    name: str
    store: str = ""
    api: str = ""
    ca: str = ""
    token: str = ""
    """The file that holds the token."""
    certificate: str = ""
    key: str = ""
    ssh: str = ""


class HallSeen(Struct, frozen=True, kw_only=True):
    """What one look found."""

    hall: str
    at: float
    """Wall time of the look."""
    summary: Summary | None = None
    """None: it did not answer."""
    runs: bool = False
    """False: the store was read, and no engine holds it."""
    why: str = ""
    """Why there is no summary, with advice."""


def read_halls(path: Path) -> tuple[Hall, ...]:
    """The halls of a file, in its order. Raises PlanError with a line for each mistake."""
    mistakes = Mistakes()
    tree = load(path, mistakes, str(path))
    found: tuple[Hall, ...] = ()
    if tree is not None:
        found = _halls(Element(tree, str(path), mistakes), path.parent)
    if mistakes.found:
        raise PlanError(mistakes.found)
    return found


def look_at(halls: tuple[Hall, ...], one: Callable[[Hall], HallSeen] | None = None) -> list[HallSeen]:
    """Looks at all halls at once. A hall that is silent costs LOOK_S and delays no other."""
    with ThreadPoolExecutor(max_workers=max(len(halls), 1), thread_name_prefix="hall") as threads:
        return list(threads.map(one or look, halls))


def look(hall: Hall) -> HallSeen:
    """Never raises for what a hall does or says."""
    try:
        return _own(hall) if hall.store else _other(hall)
    except (StoreError, HttpApiError, OSError, ValueError, msgspec.MsgspecError) as error:
        return HallSeen(hall=hall.name, at=time.time(), why=str(error)[:300])
    except Refusal as refused:
        return HallSeen(hall=hall.name, at=time.time(), why=f"its API refused: {refused}"[:300])


def _own(hall: Hall) -> HallSeen:
    store = Path(hall.store)
    with Reader(store) as reader:
        found = reader.summary()
    return HallSeen(hall=hall.name, at=time.time(), summary=found, runs=held(store))


def _other(hall: Hall) -> HallSeen:
    token = _token(Path(hall.token)) if hall.token else ""
    certificate = (hall.certificate, hall.key) if hall.certificate else None
    with HttpClient(hall.api, token, ca=hall.ca or None, timeout_s=LOOK_S, certificate=certificate) as engine:
        end = threading.Timer(2 * LOOK_S, engine.cut)
        end.daemon = True
        end.start()
        try:
            found = msgspec.convert(engine.status(), Summary)
        finally:
            end.cancel()
    return HallSeen(hall=hall.name, at=time.time(), summary=found, runs=True)


def _token(path: Path) -> str:
    """Raises OSError, and ValueError for a file that others may read."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"others may read {path}, which holds a token: chmod 600 {path}")
    with path.open("rb") as file:
        data = file.read(TOKEN + 1)
    text = data.decode("ascii", "replace").strip()
    if len(data) > TOKEN or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"{path} holds no token: write there what `crowbar api token NAME` printed")
    return text


# -- the file ---------------------------------------------------------------------------------------------------------


def _halls(tree: Element, folder: Path) -> tuple[Hall, ...]:
    fields = tree.fields(("halls",), ("halls",))
    if "halls" not in fields:
        return ()
    items = fields["halls"].items("a list of halls")
    if not 1 <= len(items) <= HALLS:
        fields["halls"].fail(f"expected from 1 to {HALLS} halls")
    out: list[Hall] = []
    for item in items[:HALLS]:
        read = item.fields(KEYS, ("name",))
        hall = _hall(item, read, folder)
        if any(one.name == hall.name for one in out):
            read["name"].fail("expected a name that no other hall has")
        if hall.store and any(one.store for one in out):
            read["store"].fail("expected one hall with a store: this admin node holds one")
        out.append(hall)
    return tuple(out)


def _hall(item: Element, read: Fields, folder: Path) -> Hall:
    texts = {key: read[key].text(key, 300) for key in KEYS if key in read}
    if ("store" in texts) == ("api" in texts):
        item.fail("expected either store or api")
    if "api" not in texts:
        for key in ("ca", "token", "certificate", "key", "ssh"):
            if key in texts:
                read[key].fail("expected nothing here: the hall has a store")
    elif not _is_api(texts["api"]):
        read["api"].fail("expected the address of an API, like https://10.2.0.10:8443; http only on loopback")
    elif not ("token" in texts or "certificate" in texts):
        item.fail("expected a token, or a certificate and its key")
    if ("certificate" in texts) != ("key" in texts):
        item.fail("expected certificate and key together")
    if "ssh" in texts and not _SSH.fullmatch(texts["ssh"]):
        read["ssh"].fail("expected USER@HOST, or HOST")
    if "name" in read:
        texts["name"] = read["name"].name("the name of a hall")
    files: dict[str, str] = {key: str(folder / texts[key]) for key in ("store", "ca", "token", "certificate", "key") if key in texts}
    whole: dict[str, str] = {"name": "", **texts, **files}
    return msgspec.convert(whole, Hall)


def _is_api(url: str) -> bool:
    try:
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        return safe and bool(parts.hostname) and parts.path in ("", "/") and parts.port != 0
    except ValueError:
        return False
