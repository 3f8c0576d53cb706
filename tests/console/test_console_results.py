"""The page of the results: roles that validate, their tests, and the key that runs them again."""

from __future__ import annotations

from typing import Any

import pytest
from driving import SIZES, Still, console, drawn, press, shot, still, until
from msgspec.structs import replace

from engine import reasons, validation
from engine.core.world.work import Work
from engine.definitions import AttributeDef, RoleDef
from engine.model import NodeRole, State

REPORT: dict[str, Any] = {
    "passed": 85,
    "failed": 1,
    "skipped": 1,
    "excluded": 1,
    "seconds": 109.4,
    "groups": [
        {
            "name": "tempest.api.object_storage.test_container_services.ContainerTest",
            "seconds": 9.5,
            "tests": [
                {"name": "test_create_container", "result": "passed", "seconds": 0.4},
                {
                    "name": "test_delete_container",
                    "result": "failed",
                    "seconds": 2.1,
                    "line": "testtools.matchers._impl.MismatchError: 409 != 204: Container was not empty after all of its objects were deleted",
                },
            ],
        },
        {
            "name": "tempest.api.identity.v3.test_credentials.CredentialsTestJSON",
            "tests": [
                {"name": "test_credentials_create_get_update_delete", "result": "excluded", "line": "Keystone forbids what it does"},
                {"name": "test_credentials_list", "result": "skipped", "line": "the deployment has no EC2"},
            ],
        },
    ],
}


def world(state: State = State.ERROR) -> tuple[Still, float]:
    """A ready rack with a role that validates on one node."""
    source, at = still("ready")
    prove = RoleDef(name="tempest", barclamp="tempest", stage="system", jig="script", gives=("tempest-results",), validates=True)
    attribute = AttributeDef(name="tempest-results", path="tempest-results", schema=validation.SCHEMA, role="tempest")
    usual = source.world.catalog
    catalog = replace(usual, roles={**usual.roles, "tempest": prove}, attributes={**usual.attributes, "tempest-results": attribute})
    work = Work(source.world)
    assert source.world.plan is not None
    work.use(source.world.plan, catalog)
    failure = reasons.script_failed(role="tempest", exit=1, line="1 of 87 tests failed") if state is State.ERROR else None
    times = {"started": at - 400, "ended": at - 290, "since": at - 290}
    work.put_role(
        NodeRole(
            node="n3",
            role="tempest",
            deployment="cloud",
            state=state,
            attempt="i5-99",
            leg=1,
            gave={"tempest-results": REPORT},
            failure=failure,
            **times,
        )
    )
    return Still(work.finish(), source.where, [], at=at), at


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(("name", "keys"), [("results", "R"), ("results-test", "R down down"), ("results-all", "R t")])
def test_screen(name: str, keys: str, size: tuple[int, int], golden) -> None:
    source, at = world()
    text = drawn(source, at, size, keys)
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert all(len(one) <= size[0] for one in lines)
    golden(f"{name}-{size[0]}x{size[1]}", text)


async def test_v_runs_the_role_again() -> None:
    source, at = world()
    async with console(source, at, size=(100, 30)) as (app, pilot):
        await press(pilot, "R v")
        await until(pilot, lambda: source.asked)
        assert source.asked == [("validate", "n3", "tempest", None)]
        assert "tempest" in shot(app)


def test_without_reports_it_lists_the_roles() -> None:
    source, at = still("ready")
    told = drawn(source, at, (80, 24), "R")
    assert "6 of 6 validating roles passed" in told
    assert "passed    node-10         ready" in told


def test_a_rack_without_proofs_says_what_to_do() -> None:
    source, at = still("empty")
    assert "no role validates: bind one that does in the plan" in drawn(source, at, (80, 24), "R")
