"""The retriever's role and its page, with the real Keystone and Swift behind it, in a real Chromium."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, pixels
from cloud_lab import CloudLab, CloudNode

pytestmark = [pytest.mark.slow, pytest.mark.client]
ADDRESS = "127.0.3.1"
BASE = ("openstack-database", "openstack-cache", "openstack-front", "keystone")
SWIFT = ("swift-storage", "swift-rings", "swift-servers", "swift-proxy")
ROLE = Path(__file__).parents[2] / "barclamps/retriever/roles/retriever/retriever.py"


@pytest.fixture(scope="module")
def node(lab: CloudLab) -> CloudNode:
    """One node with all of it: a cloud of one storage node too."""
    lab.values["swift-part-power"] = 6
    made = lab.node("control-1", ADDRESS, *BASE, *SWIFT, "retriever")
    made.bring(*BASE, *SWIFT, "retriever")
    return made


@pytest.fixture(scope="module")
def browser(lab: CloudLab, node: CloudNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium"), ["ip", "netns", "exec", lab.net]) as one:
        yield one


def put_there() -> bytes:
    """The picture that the role puts into Swift."""
    spec = importlib.util.spec_from_file_location("retriever", ROLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return bytes(module.picture())


def test_a_password_that_differs_is_seen_and_put_right(lab: CloudLab, node: CloudNode) -> None:
    lab.values["swift-password"] = "another-password-1"
    try:
        assert node.run("swift-proxy", "verify").code == 1
        node.bring("swift-proxy")
    finally:
        del lab.values["swift-password"]
        node.bring("swift-proxy")


@pytest.mark.parametrize("role", ["swift-storage", "swift-servers", "swift-proxy", "retriever"])
def test_a_second_run_restarts_nothing(node: CloudNode, role: str) -> None:
    unit = {"swift-storage": "rsync", "swift-servers": "swift-object", "retriever": "crowbar-retriever"}.get(role, role)
    before = node.started(unit)
    done = node.run(role)
    assert (done.code, "wrote" in done.out, node.started(unit)) == (0, False, before), done


def test_a_page_of_another_origin_may_not_ask(lab: CloudLab, node: CloudNode) -> None:
    for origin, allowed in (("https://elsewhere.example", False), (f"https://{ADDRESS}:18090", True)):
        done = lab.call("curl", "-sSik", "--noproxy", "*", "-H", f"Origin: {origin}", f"https://{ADDRESS}:18080/v1/TEMP_rack")
        assert ("access-control-allow-origin" in done.stdout.lower()) is allowed, done.stdout


@pytest.mark.parametrize("way", ["v3", "v1"])
def test_a_browser_shows_the_picture_that_swift_keeps(lab: CloudLab, browser: Browser, way: str) -> None:
    browser.open(f"https://{ADDRESS}:18090/")
    browser.wait("document.getElementById('url').value")
    browser.click(f"input[value={way}]")
    secret = "secret-cloud-admin-password" if way == "v3" else "secret-retriever-password"
    browser.type("#password", "wrong")
    browser.click("#login button")
    browser.wait("document.getElementById('status').textContent === 'The login was refused.'")
    browser.value("document.getElementById('password').value = ''")
    browser.type("#password", secret)
    browser.click("#login button")
    browser.click_text("#containers button", "crowbar-pictures")
    browser.click_text("#files button", "rack.png")
    browser.wait("document.querySelector('#preview img')?.complete")

    picture = put_there()
    assert pixels(browser.picture("#preview img")) == pixels(picture)
    requests = browser.value("[...document.querySelectorAll('#requests tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    assert isinstance(requests, list)
    last = requests[-1]
    assert (last[0], last[2][:3]) == ("GET", "200")
    assert last[1].endswith("/crowbar-pictures/rack.png")
    assert browser.value(f"document.querySelector('dl').innerText.includes('{hashlib.sha256(picture).hexdigest()}')")
    assert secret not in browser.value("document.documentElement.outerHTML")  # type: ignore[operator]
    assert browser.complaints() == []
    shot = os.environ.get("CROWBAR_SHOTS")
    if shot:
        Path(shot, f"retriever-{way}.png").write_bytes(browser.picture("body"))
