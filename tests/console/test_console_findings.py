"""A finding of an active role: where people see it, and the key that puts it right."""

from __future__ import annotations

import pytest
from driving import Still, console, press, shot, still, until
from msgspec.structs import replace

from engine import reasons
from engine.core.world.work import Work

WHAT = reasons.changed_by_hand(role="ntp-server", line="/x/chrony.conf was changed by hand: it differs from line 7 on")


def found(node: str, role: str) -> tuple[Still, float]:
    source, at = still("ready")
    work = Work(source.world)
    work.put_role(replace(work.node_roles[(node, role)], findings=(replace(WHAT, fields={**WHAT.fields, "role": role}),)))
    return Still(work.finish(), source.where, [], at=at), at


@pytest.mark.parametrize(("node", "role"), [("admin", "ntp-server"), ("n1", "ntp-client")])
async def test_a_finding_is_seen_from_the_list_down_to_the_role_and_r_retries_it(node: str, role: str) -> None:
    source, at = found(node, role)
    name = source.world.nodes[node].name
    async with console(source, at, size=(118, 48)) as (app, pilot):
        told = shot(app)
        assert f"{name.split('.')[0]}: {role} is applied, and /x/chrony.conf was changed by hand" in told, "the next step"
        assert told.count("/x/chrony.conf") >= 2, "and below the node's line"
        if node != "admin":  # the admin node comes first
            await press(pilot, "slash")
            for letter in name.split(".")[0]:
                await pilot.press({"-": "minus"}.get(letter, letter))
            await press(pilot, "enter")
        await press(pilot, "enter")
        await until(pilot, lambda: app.session.page.name == "node")
        line = next(one for one in shot(app).splitlines() if one.lstrip(" !>│").startswith(role))
        assert "!" in line
        assert "/x/chrony.conf was changed by hand" in line
        roles = [one.row.role for one in app.session.page.things()]
        for _ in range(roles.index(role)):
            await press(pilot, "down")
        await press(pilot, "r")
        await until(pilot, lambda: source.asked)
        assert source.asked[0][0] == "retry"
        assert source.asked[0][2] in (role, "")  # of the role, or of the whole node: both put it right
