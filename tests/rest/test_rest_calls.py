"""The HTTP API against a real engine: what it reads, what it orders, and that each order goes the way of the attach socket."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cli_store import PLAN

from engine.api import http_client
from engine.api.http_client import HttpApiError, HttpClient, Refusal
from engine.attach.client import Attached, Receipt
from engine.reasons import Reason
from engine.rest.calls import Call
from engine.rest.messages import JournalQuery
from engine.rest.reads import _news
from engine.rest.table import ENDPOINTS
from engine.runtime.engine import Engine
from engine.views.summary import summary

NODE = "control-10"


def refused(error: pytest.ExceptionInfo[Refusal]) -> tuple[int, str]:
    reason = error.value.reason
    assert reason.sentence
    return error.value.status, reason.code


def test_it_shows_what_the_engine_knows(client: HttpClient, engine: Engine) -> None:
    assert client.about()["user"] == "alice"
    names = [node["name"] for node in client.nodes()]
    assert len(names) == 3
    assert names[0].startswith(NODE)
    assert client.status()["nodes"] == summary(engine.world).nodes == 3
    node = client.node(NODE)
    assert node == client.nodes()[0]
    roles = client.roles(node["id"])
    assert {role["role"] for role in roles} >= {"ntp-client", "ready", "network-admin"}
    assert client.role(NODE, "ntp-client") in roles
    assert client.reasons(NODE) == {"node": node["why"], "roles": [role for role in roles if role["why"]]}
    assert client.health()["pid"] > 0
    assert client.plan()["revision"] == 1
    assert "control-{place}" in client.revision(1)["plan"]
    assert client.revisions() == [{"revision": 1, "who": "test", "at": client.plan()["at"], "in_force": True, "changes": [], "back": 0}]


@pytest.mark.parametrize("path", ["/nodes/nobody", "/nodes/nobody/roles", f"/nodes/{NODE}/roles/nothing", "/revisions/99", "/revisions/x"])
def test_what_does_not_exist_is_404(client: HttpClient, path: str) -> None:
    with pytest.raises(Refusal) as error:
        client.request("GET", path)
    assert refused(error) == (404, "unknown_thing")


def test_an_order_has_the_receipt_and_the_refusal_of_the_socket_and_the_callers_name(
    client: HttpClient, engine: Engine, store: Path
) -> None:
    after = engine.seq
    told = client.operate("hold", NODE)
    held = engine.world.node_named(NODE)
    assert held is not None
    assert held.hold
    rows = client.journal(after, wait=30)["rows"]
    assert any(row["type"] == "operate" and row["text"].startswith("alice: hold") for row in rows)
    client.operate("release", NODE)
    with Attached(store) as attached:
        assert attached.operate("hold", NODE) == Receipt(message=told)
        other = attached.operate("allocate", "nobody")
    assert isinstance(other, Reason)
    with pytest.raises(Refusal) as error:
        client.operate("allocate", "nobody")
    assert refused(error) == (404, other.code)
    assert error.value.reason.fields == other.fields
    with pytest.raises(Refusal) as error:
        client.operate("power", NODE, value="sideways")
    assert refused(error) == (422, "bad_value")


def test_a_deployment_is_edited_committed_and_recalled(client: HttpClient, engine: Engine) -> None:
    text = client.deployment("cloud")["definition"]
    assert client.propose("cloud", text.replace("level: raid1", "level: jbod")).startswith("the edit of cloud waits")
    (edit,) = client.proposals()
    assert (edit["deployment"], edit["what"], edit["who"], edit["base"], edit["why"]) == ("cloud", "changed", "alice", 1, None)
    found = client.deployment("cloud")
    assert (found["definition"], "jbod" in found["proposed"]) == (text, True)
    row = client.deployments()[1]
    assert (row["name"], row["state"], row["edit"]) == ("cloud", "proposed", edit)
    assert client.diff_proposals("cloud")["revision"] == 2
    with pytest.raises(Refusal) as error:
        client.commit_proposals("cloud", seen={"cloud": edit["at"] - 1})
    assert refused(error) == (409, "proposed_since")
    assert client.commit_proposals("cloud", seen={"cloud": edit["at"]}) == "committed as revision 2: cloud"
    assert client.revisions()[1]["changes"] == [{"name": "cloud", "what": "changed", "deployment": True, "back": 0}]
    client.propose_back("cloud", 1)
    assert client.recall("cloud") == "the edit of cloud is recalled"
    client.propose_deletion("cloud")
    assert client.deployment("cloud")["proposed"] is None
    for call, status, code in (
        (lambda: client.propose("cloud", "rolls: {}"), 422, "bad_plan"),
        (lambda: client.propose("nothing", "{}", base=7), 422, "unknown_thing"),
        (lambda: client.propose_back("cloud", 9), 422, "unknown_thing"),
        (lambda: client.propose_deletion("nothing"), 404, "unknown_thing"),
        (lambda: client.deployment("nothing"), 404, "unknown_thing"),
        (lambda: client.recall("nothing"), 409, "not_proposed"),
        (lambda: client.commit_proposals("nothing"), 409, "not_proposed"),
        (lambda: client.commit_proposals(), 422, "bad_call"),
    ):
        with pytest.raises(Refusal) as error:
            call()
        assert refused(error) == (status, code)
    assert client.diff_proposals("nothing")["refused"]["code"] == "not_proposed"


def test_a_verb_that_destroys_needs_a_yes(client: HttpClient, engine: Engine) -> None:
    after = engine.seq
    for role in ("", "ready"):
        with pytest.raises(Refusal) as error:
            client.operate("redeploy", NODE, role)
        assert refused(error) == (409, "needs_yes")
        assert f"(crowbar {f'role {NODE} ready' if role else f'node {NODE}'} redeploy)" in error.value.reason.advice
    assert not [row for row in client.journal(after)["rows"] if row["type"] == "operate"]
    assert client.operate("redeploy", NODE, "ready", yes=True)


def test_an_attribute_is_set_and_cleared(client: HttpClient, engine: Engine) -> None:
    def row(scope: str) -> dict[str, object]:
        return next(one for one in client.attributes(scope) if one["name"] == "raid-wanted")

    for scope in (NODE, "deployment:cloud"):
        before = row(scope)
        client.set_attribute(scope, "raid-wanted", {"level": "jbod"})
        assert row(scope)["value"] == {"level": "jbod"}
        assert row(scope)["own"] is True
        client.clear_attribute(scope, "raid-wanted")
        assert row(scope) == before
    with pytest.raises(Refusal) as error:
        client.set_attribute(NODE, "raid-wanted", 7)
    assert refused(error) == (422, "bad_value")
    with pytest.raises(Refusal) as error:
        client.attributes("deployment:nothing")
    assert refused(error) == (404, "unknown_thing")


def test_one_place_of_an_attribute_is_set_and_cleared(client: HttpClient, engine: Engine) -> None:
    def value() -> object:
        return next(one["value"] for one in client.attributes(NODE) if one["name"] == "bios-wanted")

    assert "bios-wanted#/Boot of control-10.r1.test is set" in client.set_attribute(NODE, "bios-wanted", "Uefi", "/Boot")
    client.set_attribute(NODE, "bios-wanted", "On", "/Virtual")
    assert value() == {"Boot": "Uefi", "Virtual": "On"}
    client.clear_attribute(NODE, "bios-wanted", "/Boot")
    assert value() == {"Virtual": "On"}
    for code, call in {
        "no_place": lambda: client.set_attribute(NODE, "bios-wanted", 1, "/Virtual/Order"),
        "bad_value": lambda: client.set_attribute(NODE, "bios-wanted", [5], "/Boot"),
        "unknown_thing": lambda: client.set_attribute(NODE, "target-os", "debian-99"),
    }.items():
        with pytest.raises(Refusal) as error:
            call()
        assert error.value.reason.code == code


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"secret": "h1dden-in-the-body"}, 409, "made_secret"),
        ({"value": "h1dden-in-the-body"}, 409, "made_secret"),
        ({"value": 1, "secret": "h1dden-in-the-body"}, 422, "bad_call"),
        ({"secret": ["h1dden-in-the-body"]}, 422, "bad_call"),
        ({"secret": "h1dden-in-the-body" * 300}, 422, "bad_call"),
        ({"pointer": "/a"}, 422, "bad_call"),
        ({}, 422, "bad_call"),
    ],
)
def test_a_secret_is_never_repeated(client: HttpClient, engine: Engine, body: dict[str, object], status: int, code: str) -> None:
    with pytest.raises(Refusal) as error:
        client.request("PUT", f"/nodes/{NODE}/attributes/credential", body)
    assert refused(error) == (status, code)
    assert "h1dden" not in str(error.value) + repr(error.value.reason) + json.dumps(client.journal(0, 1000))


def test_a_plan_is_compared_and_committed_with_the_secrets_of_the_caller(client: HttpClient, engine: Engine) -> None:
    plan = PLAN.replace("{raid-wanted", "{x").replace("target-os: debian-12, ", "target-os: debian-12, ntp-servers: [10.0.0.7], ")
    before = engine.world.plan
    found = client.diff(plan)
    assert found["revision"] == 2
    assert any("10.0.0.7" in line for line in found["plan"])
    assert engine.world.plan is before
    assert client.commit(plan, "new.yml", {"bmc-password": "n0t-in-any-answer"})
    assert client.plan()["revision"] == 2
    assert client.plan()["who"] == "alice"
    everything = json.dumps([client.plan(), client.health(), client.journal(0, 1000), client.attributes(NODE)])
    assert "n0t-in-any-answer" not in everything
    for order in (client.diff, client.commit):
        with pytest.raises(Refusal) as error:
            order("crowbar: 1\nsite: 3\n", "bad.yml")
        assert refused(error) == (422, "bad_plan")


def test_a_journal_call_waits_for_news(client: HttpClient, engine: Engine, url: str, token: str) -> None:
    after = engine.seq
    assert client.journal(after) == {"rows": [], "next": after}
    found: list[int] = []

    def follow() -> None:
        with HttpClient(url, token) as other:
            at = after
            while not found:
                rows = other.journal(at, wait=30)
                at = rows["next"]
                found.extend(row["seq"] for row in rows["rows"] if row["text"].startswith("alice: hold"))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    client.operate("hold", NODE)
    follower.join(60)
    assert found
    assert found[0] > after
    assert [row["seq"] for row in client.journal(0, 2)["rows"]] == [1, 2][: len(client.journal(0, 2)["rows"])]


def test_a_journal_call_ends_when_the_engine_fails_or_nobody_waits() -> None:
    """No thread is left to spin."""

    class Stopped:
        failure = "the disk is full"

        def wait(self, seq: int, timeout_s: float) -> int:
            return seq

    class Working(Stopped):
        failure = ""

    class Backed:
        world = None

        def __init__(self, host: Stopped) -> None:
            self.host = host

    query = JournalQuery(after=7, wait=30)
    for host, gone in ((Stopped(), False), (Working(), True)):
        call = Call(endpoint=ENDPOINTS[0], parts={}, query=query, body=None, who="a", ends=lambda gone=gone: gone)
        began = time.monotonic()
        assert not _news(Backed(host), call, query)  # type: ignore[arg-type]
        assert time.monotonic() - began < 20


def test_a_machine_that_is_no_node_is_banned_by_its_mac(client: HttpClient) -> None:
    assert client.operate("ban", "0a:00:00:00:00:99")
    assert client.operate("unban", "0a:00:00:00:00:99")


def test_a_connection_that_was_idle_is_not_used_again(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.about()
    first = client._connection.sock
    client.about()
    assert client._connection.sock is first
    monkeypatch.setattr(http_client, "IDLE_S", -1.0)
    client.about()
    assert client._connection.sock is not first


def test_curl_can_do_it_too(url: str, token: str, tmp_path: Path) -> None:
    config = tmp_path / "curl"  # the token is not in a process list
    config.write_text(f'header = "Authorization: Bearer {token}"\n')
    curl = ["curl", "--silent", "--show-error", "--max-time", "60", "--config", str(config), "--write-out", "\n%{http_code}"]
    order = [*curl, "--json", "{}", f"{url}/api/v1/nodes/{NODE}/hold"]
    body, status = subprocess.run(order, check=True, capture_output=True, text=True).stdout.rsplit("\n", 1)
    assert (status, set(json.loads(body))) == ("200", {"message"})
    body, status = subprocess.run([*curl, f"{url}/api/v1/nodes"], check=True, capture_output=True, text=True).stdout.rsplit("\n", 1)
    assert (status, len(json.loads(body))) == ("200", 3)


def test_the_client_has_a_sentence_for_an_engine_that_is_not_there(engine: Engine, url: str, token: str) -> None:
    engine.api.close()
    with pytest.raises(HttpApiError, match="does not answer"):
        HttpClient(url, token).nodes()
    with pytest.raises(HttpApiError, match="not the address of an API"):
        HttpClient("10.0.0.1:8443", token)
    assert token not in repr(HttpClient(url, token))


def test_a_commit_from_an_older_revision_is_refused_and_names_who_committed(client: HttpClient, engine: Engine, store: Path) -> None:
    """Two operators edit the same revision: the second one does not undo the first one's change."""
    base = client.plan()["revision"]
    mine, theirs = (PLAN.replace("r1.test", f"{name}.test") for name in ("mine", "theirs"))
    with Attached(store) as attached:
        assert isinstance(attached.commit(theirs, expects=base), Receipt)
        with pytest.raises(Refusal) as error:
            client.commit(mine, if_revision=base)
        assert refused(error) == (409, "revision_moved")
        found = error.value.reason.fields
        assert (found["expected"], found["revision"]) == (base, base + 1)
        assert found["who"]
        other = attached.commit(mine, expects=base)
        assert isinstance(other, Reason)
        assert other.code == "revision_moved"
    assert "theirs.test" in client.plan()["plan"]
    client.commit(mine, if_revision=base + 1)
    assert client.plan()["revision"] == base + 2
