"""Redfish: redirects, links and pointers; an account goes to no other host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redfish_odd import ON, failed
from redfish_rig import ONE_LOOK, RESET, SYSTEM, Obeys, Service, redfish, system

from engine.power import PowerDone, PowerFailed, PowerState
from engine.power.redfish_body import path_of, pointed


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "to", ["/redfish/v1/There", "https://127.0.0.1:{port}/redfish/v1/There", "http://127.0.0.1/redfish/v1/There", "There"]
)
def test_a_redirect_on_the_same_host(tmp_path: Path, status: int, to: str) -> None:
    obeys = Obeys()
    usual = obeys.replies()
    there = {"GET /redfish/v1/There": usual[f"GET {SYSTEM}"], "POST /redfish/v1/There": usual[RESET]}
    moved = lambda service: (status, {"Location": to.format(port=service.port)}, {})  # noqa: E731 - used once
    if to == "There":
        there = {
            "GET /redfish/v1/Systems/There": there["GET /redfish/v1/There"],
            f"POST {SYSTEM}/Actions/There": there["POST /redfish/v1/There"],
        }
    with Service(tmp_path, usual | there | {f"GET {SYSTEM}": moved, RESET: moved}) as service:
        assert redfish(service.port).set("on") == ON


def test_redirects_without_end(tmp_path: Path) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": (308, {"Location": SYSTEM}, {})}) as service:
        failed(redfish(service.port).read(), "refused", "redirect")
        assert len(service.asked(f"GET {SYSTEM}")) < 10


def test_no_account_goes_to_another_host(tmp_path: Path) -> None:
    """By a redirect, a link or the address of an action."""
    (one := tmp_path / "one").mkdir()
    (two := tmp_path / "two").mkdir()
    with Service(one) as elsewhere:
        url = f"https://127.0.0.1:{elsewhere.port}/redfish/v1/Systems/1"
        away = {
            "redirect": {f"GET {SYSTEM}": (308, {"Location": url}, {})},
            "member": {"GET /redfish/v1/Systems": {"Members": [{"@odata.id": url}]}},
            "page": {"GET /redfish/v1/Systems": {"Members": [], "Members@odata.nextLink": url}},
            "action": {f"GET {SYSTEM}": system(Actions={"#ComputerSystem.Reset": {"target": url}})},
            "settings": {
                f"GET {SYSTEM}": system(**{"@Redfish.Settings": {"SettingsObject": {"@odata.id": url}}}, PowerState="On"),
                f"PATCH {SYSTEM}": (400, {}, {}),
            },
            "userinfo": {f"GET {SYSTEM}": (308, {"Location": "https://x@127.0.0.1/"}, {})},
        }
        for name, replies in away.items():
            with Service(two, replies) as service:
                power = redfish(service.port, ONE_LOOK)
                assert isinstance(power.set("on"), PowerFailed) or name == "settings"
                assert isinstance(power.set_boot("network", persistent=False, uefi=None), PowerFailed)
        assert (elsewhere.seen, elsewhere.connections) == ([], 0)


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ({"@odata.id": "/redfish/v1/Systems/1/"}, "/redfish/v1/Systems/1/"),
        ("//redfish/v1//Systems///1", "/redfish/v1/Systems/1"),
        ("Systems/1", "/redfish/v1/Systems/1"),
        ("./Systems/1", "/redfish/v1/Systems/1"),
        ("https://10.0.0.7/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
        ("HTTPS://10.0.0.7:443/redfish/v1/Systems/1?a=b#/c", "/redfish/v1/Systems/1?a=b#/c"),
        ("https://10.0.0.8/redfish/v1/Systems/1", None),
        ("https://10.0.0.7:8443/redfish/v1/Systems/1", None),
        ("https://10.0.0.7@elsewhere.example/redfish/v1", None),
        ("https://root:calvin@10.0.0.7/redfish/v1", None),
        ("//elsewhere.example/redfish/v1", None),
        ("https://[::1", None),
        ("ftp://10.0.0.7/x", None),
        ("javascript:x", None),
        ("/a\r\nHost: x", None),
        ("", None),
        ([], None),
        ({"@odata.id": {"@odata.id": "/x"}}, None),
    ],
)
def test_links(said: Any, path: str | None) -> None:
    assert path_of(said, "10.0.0.7", 443, "/redfish/v1/") == path


@given(st.text(max_size=60) | st.from_regex(r"(https?:)?//?[a-z0-9.@:\[\]]{0,20}/[ -~]{0,30}", fullmatch=True))
def test_a_link_leads_to_a_path_or_nowhere(said: str) -> None:
    path = path_of(said, "10.0.0.7", 443, "/redfish/v1/")
    assert path is None or (path[0] == "/" and path[1:2] != "/" and path.isascii() and path.isprintable() and " " not in path)


def test_links_into_a_resource_and_pages(tmp_path: Path) -> None:
    every = {"Members": [system(PowerState="On")]}
    pages = {
        "GET /redfish/v1/Systems": {"Members": [], "Members@odata.nextLink": "/redfish/v1/Systems?page=2"},
        "GET /redfish/v1/Systems?page=2": {
            "Members": {"@odata.id": "/redfish/v1/All#/Members/0"},
            "Members@odata.nextLink": "/redfish/v1/Systems?page=2",
        },
        "GET /redfish/v1/All": every,
    }
    with Service(tmp_path, pages) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.ON, boot_device="none")
        every["Members"].clear()
        failed(redfish(service.port).read(), "unsupported", "there is nothing at")


@pytest.mark.parametrize(
    ("pointer", "found"),
    [("/a/0", {"b": 1}), ("/a/1", None), ("/a", None), ("/c~1d", {}), ("/e%20f", {}), ("/a/0/b", None), ("/a/-1", None)],
)
def test_json_pointers(pointer: str, found: Any) -> None:
    assert pointed({"a": [{"b": 1}], "c/d": {}, "e f": {}}, pointer) == found
