"""Adopting an installed machine from the console: its fingerprint is confirmed first, and a password is on no screen."""

from __future__ import annotations

from typing import Any

from driving import console, press, shot, still, until

from crowbar_tui.console.snapshot import Said
from engine import reasons

SHOWN = "SHA256:N5wyQn3nTzHl0QmYvWgG1U8C8qj2o5Vb1m9sDk3cQ7A"
FILE = "/etc/ssh/ssh_host_ed25519_key.pub"


class Engine:
    """Answers as an engine does that has no key on the machine yet."""

    def __call__(self, _verb: str, address: str, host_key: str, password: str | None) -> Any:
        if not host_key:
            return reasons.join_host_key(address=address, fingerprint=SHOWN, file=FILE)
        if password != "pass phrase":
            return reasons.join_login(address=address, user="root", message="root may not log in with the engine's key")
        return Said(True, f"old-db.r1.test is joined: debian-12 at {address}")


async def test_each_question_follows_from_the_refusal_before() -> None:
    source, at = still("working")
    source.answer = Engine()
    async with console(source, at, keys="colon j o i n space a enter") as (app, pilot):
        await until(pilot, lambda: "address of the installed machine" in shot(app))
        await press(pilot, "1 0 full_stop 0 full_stop 0 full_stop 9 enter")
        await until(pilot, lambda: SHOWN in shot(app).replace("\n", ""))
        assert FILE in shot(app)
        await press(pilot, "y")
        await until(pilot, lambda: "password of root at 10.0.0.9" in shot(app))
        await press(pilot, "p a s s space p h r a s e")
        assert "*" * 11 in shot(app)
        assert "phrase" not in shot(app)
        await press(pilot, "enter")
        await until(pilot, lambda: "old-db.r1.test is joined" in shot(app))
        assert [one[1:] for one in source.asked] == [
            ("10.0.0.9", "", None),
            ("10.0.0.9", SHOWN, None),
            ("10.0.0.9", SHOWN, "pass phrase"),
        ]
        assert not [note for note in app.session.notes if "phrase" in note.text]


async def test_a_fingerprint_that_is_not_confirmed_ends_it() -> None:
    source, at = still("working")
    source.answer = Engine()
    async with console(source, at, keys="colon j o i n space a enter") as (app, pilot):
        await press(pilot, "1 0 full_stop 0 full_stop 0 full_stop 9 enter")
        await until(pilot, lambda: "adopt the machine at 10.0.0.9?" in shot(app))
        await press(pilot, "enter")
        await pilot.pause()
        assert len(source.asked) == 1
        assert "adopt the machine" not in shot(app)
