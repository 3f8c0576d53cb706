"""HTTP: the life of an agent, its hello and its results."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import aiohttp
from http_rig import Rig, greeting, ticket, until

from engine.events import Bye, Hello, Outcome
from engine.wire.agent import Reboot


def test_a_whole_life_of_an_agent(rig: Rig) -> None:
    asyncio.run(_life(rig))
    (done,) = rig.seen(Outcome)
    assert (done.attempt, done.node, done.what, done.gives) == ("ab-1.0", "n1", "done", {"volumes": [{"name": "v0"}]})
    assert rig.progress_seen == [("n1", 50.0, "half")]
    assert rig.logs.path("ab-1.0").read_text() == "line one\nline two\n"
    assert rig.seen(Bye) == [Bye(node="n1", boot_id="boot-1")]
    assert set(rig.contacts) == {"n1"}


async def _life(rig: Rig) -> None:
    async with aiohttp.ClientSession(rig.url) as http:
        async with http.post("/agent/hello", json=greeting(nonce=ticket(1))) as answer:
            assert answer.status == 200
            welcome = await answer.json()
        assert (welcome["node"], welcome["name"]) == ("n1", "n1-name")
        hello = rig.seen(Hello)[0]
        assert hello.macs == ("52:54:00:aa:00:01",)
        assert hello.address == "192.168.124.1"
        assert hello.nonce == f"{1:016x}"
        assert hello.credential == ""
        bearer = {"Authorization": f"Bearer {welcome['token']}"}
        waiting = asyncio.create_task(_json(http.get("/agent/next", headers=bearer)))
        await asyncio.to_thread(until, lambda: "n1" in rig.http._agents._polls)
        rig.order("ab-1.0", gives=("volumes",))
        assert await waiting == (200, {"do": "run", "id": "ab-1.0", "timeout": 60})
        async with http.get("/agent/task/ab-1.0", headers=bearer) as answer:
            assert answer.status == 200
            with tarfile.open(fileobj=io.BytesIO(await answer.read())) as tar:
                assert json.load(tar.extractfile("attributes.json")) == {"raid": {"level": "raid1"}}  # type: ignore[arg-type]
        body: Any = {"id": "ab-1.0", "percent": 50, "text": "half"}
        assert (await _json(http.post("/agent/progress", headers=bearer, json=body)))[0] == 200
        for offset, text in ((0, b"line one\n"), (0, b"line one\n"), (9, b"line two\n")):
            url = f"/agent/log?id=ab-1.0&offset={offset}"
            assert await _json(http.post(url, headers=bearer, data=text)) == (200, {"offset": offset + 9})
        body = {"id": "ab-1.0", "exit": 0, "gives": {"volumes": [{"name": "v0"}]}, "message": "", "state": "ended"}
        assert await _json(http.post("/agent/result", headers=bearer, json=body)) == (200, {"acknowledged": True})
        assert (await _json(http.post("/agent/bye", headers=bearer, json={"reason": "reboot"})))[0] == 200
        # The answer told it, so no `ack` waits.
        rig.jig.command("n1", "boot-1", Reboot())
        assert await _json(http.get("/agent/next", headers=bearer)) == (200, {"do": "reboot"})


async def _json(call: Any) -> tuple[int, Any]:
    async with call as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


def test_hello_refused_and_by_credential(rig: Rig) -> None:
    status, body, _ = rig.call("POST", "/agent/hello", greeting(nonce="wrong"))
    assert (status, body["code"]) == (403, "unknown_nonce")
    status, body, _ = rig.call("POST", "/agent/hello", greeting(credential="n7.forged"))
    assert (status, body["code"]) == (403, "unknown_nonce")
    status, body, _ = rig.call("POST", "/agent/hello", greeting())
    assert status == 403
    credential = rig.keys.credential("n7", "ab12-3")
    status, body, _ = rig.call("POST", "/agent/hello", greeting(credential=credential, nonce=ticket(1)))
    assert (status, body["node"]) == (200, "n7")
    assert "fingerprint" not in body
    assert [(e.credential, e.installation, e.fingerprint) for e in rig.events][-1] == ("n7", "ab12-3", "")
    # Neither the nonce nor the credential is in what the journal will hold.
    assert credential not in repr(rig.events)
    assert ticket(1) not in repr(rig.events)


def test_both_sides_know_the_fingerprint_of_a_claim(rig: Rig) -> None:
    status, body, _ = rig.call("POST", "/agent/hello", greeting(nonce=ticket(1)))
    hello = rig.events[-1]
    assert status == 200
    assert body["fingerprint"] == hello.fingerprint == rig.keys.fingerprint(hello.nonce, hello.boot_id)


def test_a_result_waits_for_the_commit(tmp_path: Path) -> None:
    rig = Rig(tmp_path, answer_s=0.3)
    try:
        token = rig.hello()
        rig.order("ab-1.0")
        rig.silent = True
        body = {"id": "ab-1.0", "exit": 0}
        status, answer, _ = rig.call("POST", "/agent/result", body, token)
        assert (status, answer["code"]) == (503, "no_answer")
        rig.silent = False
        assert rig.call("POST", "/agent/result", body, token)[:2] == (200, {"acknowledged": True})
        # Late: the order is gone; it is told to the engine all the same, and acknowledged.
        assert rig.call("POST", "/agent/result", body, token)[:2] == (200, {"acknowledged": True})
        assert [o.unreachable for o in rig.seen(Outcome)] == [False, False, True]
        rig.full = True
        assert rig.call("POST", "/agent/result", body, token)[1]["code"] == "lane_full"
        assert rig.http.counters()["waiting_for_the_engine"] == 0
    finally:
        rig.stop()


def test_running_and_lost_need_no_commit(rig: Rig) -> None:
    token = rig.hello()
    rig.order("ab-1.0", resume=True)
    assert rig.call("GET", "/agent/next", token=token)[1] == {"do": "query", "id": "ab-1.0"}
    body = {"id": "ab-1.0", "state": "running", "exit": 0, "gives": {}}
    assert rig.call("POST", "/agent/result", body, token)[1] == {"acknowledged": False}
    body = {"id": "ab-1.0", "state": "lost", "exit": None, "gives": {}}
    assert rig.call("POST", "/agent/result", body, token)[1] == {"acknowledged": True}
    assert [o.what for o in rig.seen(Outcome)] == ["running", "lost"]


def test_what_was_not_ordered_is_not_taken(rig: Rig) -> None:
    token = rig.hello()
    other = rig.hello(2)
    rig.order("ab-1.0")
    for path, body in (("/agent/progress", {"id": "ab-1.0"}), ("/agent/log?id=ab-1.0&offset=0", b"x")):
        status, answer, _ = rig.call("POST", path, body, other)
        assert (status, answer["code"]) == (409, "late")
        assert rig.call("POST", path, body, token)[0] == 200
    assert rig.call("GET", "/agent/task/ab-1.0", token=other)[0] == 404
    assert rig.call("GET", "/agent/task/ab-1.0", token=token)[0] == 200
    for query in ("", "?id=ab-1.0", "?id=../x&offset=0", "?id=ab-1.0&offset=-1", "?id=ab-1.0&offset=1e3"):
        assert rig.call("POST", "/agent/log" + query, b"x", token)[0] == 400
