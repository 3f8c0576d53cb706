"""One regression test for each class of mistake that other provisioners were bitten by; the CVE or project that showed it is named in each."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import logging
import os
import re
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "serve"))

from http_rig import Rig, greeting, ticket

from engine.definitions import ImageDef, RoleDef
from engine.effects import Start
from engine.events import Hello, Outcome
from engine.files.catalog import shipped
from engine.files.mistakes import Mistakes, PlanError
from engine.files.plan_file import read
from engine.images.shelf import open_images
from engine.jigs import Order
from engine.jigs.logs import Masker
from engine.jigs.task_tar import TaskTarError, task_tar
from engine.model import Node
from engine.netboot.script import render_boot, word
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.serve.routes import ROUTES, Route, Who
from engine.trust.tokens import Keys
from engine.trust.vault import Vault
from engine.wire import dhcp_options
from engine.wire.reach import Reach

ROOT = Path(__file__).resolve().parents[2]
PLAN = """crowbar: 1
site: {name: a, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}}}
rules: [{match: {}, name: "NAME"}]
deployments: {}
"""
HOSTILE = [
    "$(touch OWNED)",
    "`touch OWNED`",
    "; touch OWNED",
    "| touch OWNED",
    "a\ntouch OWNED",
    "'; touch OWNED; '",
    '"; touch OWNED; "',
    "--help",
    "-rf",
    "${IFS}",
    "{{7*7}}",
    "{0.__class__}",
    "%n%s",
    "\\",
]
PUBLIC = {"script", "image", "hello", "grub", "menu", "site", "answers", "tool", "packages", "wheels"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    found = Rig(tmp_path, answer_s=5.0)
    yield found
    found.stop()


# -- calls that ask nobody who they are: Cobbler (about 70 methods took a token and never checked it), MAAS 2024-6107 ---


def test_a_call_without_a_token_is_refused_unless_its_route_is_declared_public(rig: Rig) -> None:
    assert {route.name for route in ROUTES if route.who is not Who.TOKEN} == PUBLIC, "a new public route wants a second thought"
    good = rig.hello()
    for route in ROUTES:
        if route.who is not Who.TOKEN:
            continue
        path = route.path.replace("{id}", "ab-1.0")
        for token in ("", "n1", good[:-1], good.replace("n1", "n2"), good + "0", rig.keys.credential("n1"), "null", "-1"):
            status, body, _ = rig.call(route.methods[0], path, b"{}" if route.body else None, token)
            assert status == 401, (route.name, token)
            assert body["code"] == "unauthorised"
    assert rig.seen(Outcome) == []


def test_a_route_cannot_be_written_without_saying_who_may_call_it(rig: Rig) -> None:
    with pytest.raises(TypeError, match="who"):
        Route(name="x", methods=("GET",), path="/x")  # type: ignore[call-arg]
    assert rig.call("GET", "/metrics")[0] == 404
    assert rig.call("DELETE", "/agent/next")[0] == 405


def test_knowing_a_mac_or_an_id_opens_nothing(rig: Rig) -> None:
    """Ironic 2016-4985: whoever knew a MAC was that node."""
    rig.hello()
    status, body, _ = rig.call("POST", "/agent/hello", greeting(nonce="", macs=["52:54:00:aa:00:01"]))
    assert (status, "token" in body) == (403, False)
    status, body, _ = rig.call("POST", "/agent/hello", greeting(nonce="guessed", uuid="4c4c4544-0000", serial="S1"))
    assert (status, "token" in body) == (403, False)


# -- mass assignment: MAAS 2025-7044 (`is_superuser` in a request) --------------------------------------------------


def test_fields_that_a_call_does_not_take_change_nothing(rig: Rig) -> None:
    more = {
        "node": "n9",
        "id": "n9",
        "name": "evil",
        "allocated": True,
        "alive": True,
        "stage": "system",
        "approved": "root",
        "token": "t",
        "is_superuser": True,
        "address": "6.6.6.6",
    }
    status, body, _ = rig.call("POST", "/agent/hello", greeting(nonce=ticket(1), **more))
    assert (status, body["node"]) == (200, "n1")
    (event,) = rig.seen(Hello)
    assert set(event.__struct_fields__).isdisjoint({"node", "allocated", "approved", "stage"})
    assert event.address == "192.168.124.1", "the peer's address, not what it says of itself"
    rig.order("ab-1.0")
    said = {"id": "ab-1.0", "exit": 0, "node": "n9", "attempt": "zz-1.0", "what": "done", "gives": {"x": 1}}
    rig.call("POST", "/agent/result", said, body["token"])
    for outcome in rig.seen(Outcome):
        assert (outcome.node, outcome.attempt) == ("n1", "ab-1.0"), "whose result it is, the token says"
    # A result of an attempt that this node does not have may reach the engine, as a late one does, but as this node's.
    rig.call("POST", "/agent/result", {**said, "id": "not-mine.0"}, body["token"])
    assert {outcome.node for outcome in rig.seen(Outcome)} == {"n1"}


# -- templates: Cobbler 2021-40323, Foreman 2023-0118 (reaching out of the sandbox) -------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "{0.__class__}",
        "{serial.__class__}",
        "{serial!r}",
        "{serial:>9999999}",
        "{{7*7}}",
        "{config}",
        "{",
        "n-{serial",
        "%s",
        "a b",
        "a;b",
        "$(id)",
    ],
)
def test_a_name_template_is_words_in_braces_and_nothing_else(name: str) -> None:
    with pytest.raises(PlanError):
        read(PLAN.replace("NAME", name), "plan.yml", shipped())


@pytest.mark.parametrize("text", [*HOSTILE, "a b", "a#b", "a\rb", "a\0b", "${net0/mac}", "", "x" * 600, "caf\u00e9"])
def test_nothing_but_checked_words_reaches_a_boot_script(text: str) -> None:
    """Ironic 2026-44917: kernel arguments with a newline in them."""
    image = ImageDef(name="sledgehammer", kind="discovery", files={"kernel": "vmlinuz", "initrd": "initrd.img"})
    with pytest.raises(ValueError, match="cannot be a word"):
        word(text)
    for wrong in ({"url": text or " "}, {"nonce": text or "x"}):
        with pytest.raises(ValueError, match=r"URL|nonce"):
            render_boot(image, **{"url": "http://192.168.124.10", "nonce": "", **wrong})  # type: ignore[arg-type]
    for changed in (replace(image, arguments=(text,)), replace(image, files={"kernel": text, "initrd": "initrd.img"})):
        with pytest.raises(ValueError, match=r"word|no kernel"):
            render_boot(changed, "http://192.168.124.10", "")


def test_a_boot_script_has_one_line_for_each_command_whatever_the_machine_calls_itself(rig: Rig) -> None:
    for query in ("mac=52:54:00:aa:00:01%0aboot", "mac=52:54:00:aa:00:01&uuid=x%0achain%20http://evil", "mac=%24%7bnet0%7d", "mac[]=1"):
        status, body, _ = rig.call("GET", f"/boot/script?{query}")
        assert status in (200, 400)
        assert b"evil" not in (body if isinstance(body, bytes) else b"")
    script = render_boot(shipped().images["sledgehammer"], "http://192.168.124.10", "ab" * 16, (word("crowbar.mac=52:54:00:aa:00:01"),))
    assert len([line for line in script.splitlines() if line.startswith("kernel")]) == 1
    assert "\r" not in script


# -- shell injection: Cobbler (rsync flags, power user), Foreman 2022-3874 ------------------------------------------------


def test_the_engine_has_no_shell() -> None:
    """No `shell=True`, `os.system`, `os.popen`; no eval, exec, pickle or unsafe YAML either."""
    bad = []
    for path in sorted((ROOT / "engine").rglob("*.py")) + sorted((ROOT / "crowbar_tui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            shell = any(k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False) for k in node.keywords)
            if shell or called in (
                "os.system",
                "os.popen",
                "eval",
                "exec",
                "pickle.loads",
                "pickle.load",
                "yaml.load",
                "yaml.unsafe_load",
                "marshal.loads",
                "subprocess.getoutput",
            ):
                bad.append(f"{path.relative_to(ROOT)}:{node.lineno} {called}")
    assert bad == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_host_name_from_the_wire_is_a_host_name_or_nothing(text: str) -> None:
    assert dhcp_options.hostname(text.encode()) == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_attributes_travel_as_data_and_the_nodes_own_tools_do_not_run_them(tmp_path: Path, text: str) -> None:
    """From the order through the tar to `attribute` on the node, under the node's shell, with the value used as a role uses it."""
    role = tmp_path / "role"
    role.mkdir()
    (role / "run").write_text('#!/bin/sh\nvalue=$(attribute a/b) || exit 1\nprintf %s "$value" >out\n[ "$value" ] && echo "$value" >>log\n')
    order = Order(
        start=Start(attempt="ab-1.0", node="n1", role="demo", action="run"),
        node=Node(id="n1", name="n1"),
        role=RoleDef(name="demo", barclamp="demos", stage="hardware", jig="agent"),
        folder=str(role),
        attributes={"a": {"b": text}, text: "key"},
    )
    there = tmp_path / "node"
    with tarfile.open(fileobj=io.BytesIO(task_tar(order))) as tar:
        assert sorted(tar.getnames()) == ["attributes.json", "run", "task.json"]
        there.mkdir()
        for member in tar.getmembers():
            data = tar.extractfile(member)
            assert data is not None
            (there / member.name).write_bytes(data.read())
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CROWBAR_ATTRIBUTES": str(there / "attributes.json")}
    tool = tmp_path / "attribute"
    tool.write_bytes((ROOT / "images" / "node" / "attribute").read_bytes())
    tool.chmod(0o755)
    done = subprocess.run(["sh", "./run"], cwd=there, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (there / "out").read_text() == text, "the value, the whole value, and nothing but the value"
    assert not list(tmp_path.rglob("OWNED"))


# -- paths: Cobbler 2022-0860, Ironic 2026-48681; more in test_abuse_paths ------------------------------------------


def test_a_role_cannot_send_the_engines_files_to_a_node(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "shadow").symlink_to("/etc/passwd")
    order = Order(
        start=Start(attempt="ab-1.0", node="n1", role="demo", action="run"),
        node=Node(id="n1", name="n1"),
        role=RoleDef(name="demo", barclamp="demos", stage="hardware", jig="agent"),
        folder=str(tmp_path),
    )
    with pytest.raises(TaskTarError, match="leads out"):
        task_tar(order)


@pytest.mark.parametrize(
    "file", ["../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "a/b", ".hidden", "a b", "a\nb", "..", "http://evil/x"]
)
def test_an_image_names_plain_files_of_its_own_folder(tmp_path: Path, file: str) -> None:
    """Ironic OSSA-2025-001, 2024-44082: `file://` and paths in what a user may name."""
    from engine.files.image_file import read_image

    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "image.yml").write_text(f"name: evil\nkind: system\nfiles: {{root: {json.dumps(file)}}}\n")
    mistakes = Mistakes()
    read_image(folder, mistakes, {}, {})
    assert [str(one) for one in mistakes.found]


def test_urls_of_images_are_the_engines_own(tmp_path: Path) -> None:
    """What an installer is told to fetch is made by the engine, not taken from anybody; and the installer takes http alone."""
    facts = open_images(shipped(), tmp_path, synthetic=True).facts("debian-12")
    assert facts is not None
    assert str(facts["path"]).startswith("/image/debian-12/")
    installer = (ROOT / "barclamps/os-install/roles/os-install/run").read_text()
    assert re.search(r"^url=\$\(need image/url 'https\?://", installer, re.M)
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "engine").rglob("*.py"))
    assert "urllib.request" not in sources, "the engine itself fetches nothing by a URL that somebody gave it"


# -- checksums after the fact: Ironic 2024-47211 ------------------------------------------------------------------------


def test_an_image_that_is_not_right_is_not_served(tmp_path: Path) -> None:
    folder = tmp_path / "debian-12"
    folder.mkdir()
    (folder / "root.ext4.zst").write_bytes(b"right")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'right').hexdigest()}  root.ext4.zst\n")
    assert open_images(shipped(), tmp_path, synthetic=False).file("debian-12", "root.ext4.zst") is not None
    (folder / "root.ext4.zst").write_bytes(b"wrong")
    os.utime(folder / "root.ext4.zst", ns=(1, 1))
    images = open_images(shipped(), tmp_path, synthetic=False)
    assert images.file("debian-12", "root.ext4.zst") is None
    assert images.reasons["debian-12"].code == "image_damaged"


def test_the_installer_runs_nothing_of_an_image_before_its_checksum_is_right() -> None:
    """`run` takes the steps in this order; the one that writes the image ends with the checksum, and those before it run nothing of it."""
    folder = ROOT / "barclamps/os-install/roles/os-install"

    def lines(name: str) -> list[str]:
        return [line for line in (folder / name).read_text().splitlines() if not line.lstrip().startswith("#")]

    run = lines("run")
    steps = ["write_image", "make_own", "install_loader", "prepare_kexec", 'cp "$work/marker" "$target/$marker"']
    at = [next(i for i, line in enumerate(run) if line.startswith(step)) for step in steps]
    assert at == sorted(at)
    inside = [name for name in ("run", "stream", "disk", "target") if any(re.search(r"\bchroot \"?\$target", line) for line in lines(name))]
    assert inside == [], "only what follows the image runs in it"
    stream = "\n".join(lines("stream"))
    body = stream[stream.index("write_image() {") :]
    checked = body.index('[ "$have" = "$sha256" ] || spoil "the image is damaged')
    assert body.rindex('[ "$have" = "$sha256" ] ||') > body.index("unpack 2>"), "not only the first bytes"
    assert "return" not in body[:checked]


# -- secrets: MAAS 2014-1426 (in a log), 2014-1428 (world-readable), 2013-1069 (uuid1 as a secret) ------------------


def test_no_secret_is_logged_shown_or_journalled(rig: Rig, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.DEBUG):
        token = rig.hello()
        credential = rig.keys.credential("n1", "ab12-3")
        rig.call("POST", "/agent/hello", greeting(credential=credential, boot_id="boot-2"))
        rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")
        rig.call("POST", "/agent/bye", b"{", token)
        rig.raw(b"GET /agent/next HTTP/1.1\r\nAuthorization: Bearer " + token.encode() + b"\r\n\x00bad\r\n\r\n")
    nonce = rig.scripts[-1][1]
    assert len(nonce) == 48
    shown = caplog.text + repr(rig.events) + repr(rig.keys) + repr(rig.http.counters())
    for secret in (token, token.rsplit(".", 1)[1], credential, credential.rsplit(".", 1)[1], nonce, ticket(1)):
        assert secret not in shown
    (tmp_path / "vault").mkdir()
    vault = Vault(tmp_path / "vault", tmp_path / "vault.keys")
    vault.seal({"bmc-password": {"env": "PW"}}, {"bmc-password": "correct horse"})
    assert "horse" not in repr(vault)
    assert b"horse" not in (tmp_path / "vault" / "sealed.json").read_bytes()
    masker = Masker(["correct horse"])
    assert "horse" not in repr(masker)
    order = Order(
        start=Start(attempt="ab-1.0", node="n1", role="demo", action="run"),
        node=Node(id="n1", name="n1"),
        role=RoleDef(name="demo", barclamp="demos", stage="hardware", jig="agent"),
        attributes={"credential": "correct horse"},
        secrets=("correct horse",),
    )
    assert "horse" not in repr(order)


def test_a_plan_holds_references_and_a_value_in_it_is_refused_unseen() -> None:
    with pytest.raises(PlanError) as refused:
        read(PLAN + "secrets: {bmc-password: hunter2hunter2}\n", "plan.yml", shipped())
    assert "hunter2" not in str(refused.value)


def test_nonces_and_tokens_come_from_the_systems_random_source(rig: Rig) -> None:
    for _ in range(40):
        rig.call("GET", "/boot/script?mac=52:54:00:aa:00:01")
    nonces = [nonce for _, nonce in rig.scripts]
    assert len(set(nonces)) == 40
    values = [int(nonce, 16) for nonce in nonces]
    # Each of 192 bits was seen set and not set: no clock, no counter, no MAC in it (as in a uuid1).
    ones = zeros = 0
    for value in values:
        ones |= value
        zeros |= ~value
    assert ones == (1 << 192) - 1
    assert zeros & ((1 << 192) - 1) == (1 << 192) - 1
    assert Keys(b"a" * 32).token("n1", "b") != Keys(b"b" * 32).token("n1", "b")
    bad = []
    for path in sorted((ROOT / "engine").rglob("*.py")):
        if "racks" in path.parts:
            continue  # simulated machines are made by a seed
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if {"uuid1", "random"} & set(names) or (isinstance(node, ast.Attribute) and node.attr == "uuid1"):
                bad.append(f"{path.name}:{node.lineno}")
    assert bad == []


def test_files_with_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Also when the engine is started with a umask that would let everybody in."""
    before = os.umask(0)
    try:
        lane = 3 + os.getpid() % 50
        store, keys = tmp_path / "store", tmp_path / "keys"
        engine = Engine(Config(store=store, keys=keys, reach=Reach(lane), synthetic=True))
        engine.start()
        engine.stop()
        vault = Vault(store, keys)
        vault.seal({"bmc-password": {"env": "PW"}}, {"bmc-password": "correct horse"})
    finally:
        os.umask(before)
    for folder in (store, keys):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    secret = [*keys.iterdir(), store / "sealed.json", *store.glob("*.db*"), *store.glob("*.sqlite*")]
    assert len(secret) >= 4
    for path in secret:
        if not path.name.endswith(".pub"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"{path.name} {path.stat().st_mode:o}"
