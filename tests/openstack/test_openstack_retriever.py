"""The retriever's role and its page, with the real Keystone and Swift behind it, in a real Chromium."""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, pixels
from clouds import Cloud
from nodes import Node, needed

pytestmark = [pytest.mark.slow, pytest.mark.client, needed()]
ADDRESS = "127.0.3.1"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    base = Path(os.environ.get("CROWBAR_CLOUD_WORK", "/var/tmp")) / f"crowbar-retriever-{os.getpid()}"
    node = Node("rt-control", ADDRESS, base)
    try:
        there = Cloud(node.up(), tmp_path_factory.mktemp("certificates")).up()
        there.apply("retriever")
        yield there
    finally:
        node.down()


@pytest.fixture(scope="module")
def browser(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


def test_swift_is_in_keystones_catalogue(cloud: Cloud) -> None:
    code, said, _ = cloud.node.role("swift-proxy", cloud.attributes, "verify")
    assert code == 0, said
    # A password that somebody changed: verify finds it, and run puts it right.
    other = {**cloud.attributes, "swift-password": "another-password-1"}
    assert cloud.node.role("swift-proxy", other, "verify")[0] == 1
    assert cloud.node.role("swift-proxy", other)[0] == 0
    assert cloud.node.role("swift-proxy", cloud.attributes)[0] == 0


def test_the_page_is_not_for_others(cloud: Cloud) -> None:
    context = ssl.create_default_context(cadata=cloud.attributes["site-authority"])
    ask = urllib.request.Request(f"https://{ADDRESS}:18080/info", headers={"Origin": "https://elsewhere.example"})
    with urllib.request.urlopen(ask, context=context, timeout=60) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("way", ["v3", "v1"])
def test_a_browser_shows_the_picture_that_swift_keeps(cloud: Cloud, browser: Browser, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    browser.open(f"https://{ADDRESS}:18090/")
    browser.wait("document.getElementById('url').value")
    browser.click(f"input[value={way}]")
    secret = cloud.attributes["cloud-admin-password" if way == "v3" else "retriever-password"]
    browser.type("#password", "wrong")
    browser.click("#login button")
    browser.wait("document.getElementById('status').textContent === 'The login was refused.'")
    browser.value("document.getElementById('password').value = ''")
    browser.type("#password", secret)
    browser.click("#login button")
    browser.click_text("#containers button", "crowbar-pictures")
    browser.click_text("#files button", "rack.png")
    browser.wait("document.querySelector('#preview img')?.complete")

    module: dict[str, object] = {}
    source = Path(__file__).parents[2] / "barclamps/retriever/roles/retriever/retriever.py"
    text = source.read_text(encoding="utf-8")
    exec(
        compile(text[text.index("def picture") :], str(source), "exec"),
        {"struct": __import__("struct"), "zlib": __import__("zlib")},
        module,
    )
    picture = module["picture"]()  # type: ignore[operator]
    assert pixels(browser.picture("#preview img")) == pixels(picture)
    requests = browser.value("[...document.querySelectorAll('#requests tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    assert isinstance(requests, list)
    last = requests[-1]
    assert (last[0], last[2]) == ("GET", "200 OK") or last[2].startswith("200")
    assert last[1].endswith("/crowbar-pictures/rack.png")
    assert secret not in browser.value("document.documentElement.outerHTML")  # type: ignore[operator]
    assert browser.complaints() == []
    shot = os.environ.get("CROWBAR_SHOTS")
    if shot:
        Path(shot, f"retriever-{way}.png").write_bytes(browser.picture("body"))
