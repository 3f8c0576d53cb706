"""What an Ansible run is given, and what its events mean: pure, without Ansible."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jig_orders import order

from engine.jigs.ansible_batches import Batches
from engine.jigs.ansible_events import Story
from engine.jigs.ansible_files import host_names, host_vars, inventory, known_host, pack
from engine.jigs.ssh import SshTarget
from engine.jigs.task_tar import TaskTarError

TARGET = SshTarget(address="192.168.124.81", host_key="ssh-ed25519 AAAA root@node")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("{}%\n'\"\\"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8, alphabet="ab-{} "), inner, max_size=3),
    max_leaves=8,
)


class Marked(str):
    """A text with the tag `!unsafe`."""

    __slots__ = ()


class Reader(yaml.SafeLoader):
    """Reads `!unsafe` as Ansible does."""


Reader.add_constructor("!unsafe", lambda loader, node: Marked(loader.construct_scalar(node)))


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [
        text for one in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()) for text in texts(one)
    ]


@given(JSON)
def test_attributes_arrive_as_they_are_and_no_text_is_a_template(value: Any) -> None:
    found = yaml.load(host_vars(order(attributes={"motd": value}, target=TARGET)), Reader)
    assert found["crowbar"] == {"motd": value}
    assert all(isinstance(text, Marked) for text in texts(found))


def test_hosts_have_names_addresses_and_groups() -> None:
    one = order("ab-1.0", target=TARGET, deployment="cloud.east")
    two = order("ab-2.0", node="n2", target=SshTarget(address="fd00::2", port=2222, user="root", host_key="ssh-rsa BBBB"))
    assert inventory([one, two]) == {
        "all": {
            "hosts": {
                "n1-name": {"ansible_host": "192.168.124.81", "ansible_port": 22, "ansible_user": "root"},
                "n2-name": {"ansible_host": "fd00::2", "ansible_port": 2222, "ansible_user": "root"},
            },
            "children": {
                "role_demo": {"hosts": {"n1-name": None, "n2-name": None}},
                "deployment_cloud_east": {"hosts": {"n1-name": None}},
            },
        }
    }
    assert known_host(TARGET) == "192.168.124.81 ssh-ed25519 AAAA"
    assert known_host(two.target or TARGET) == "[fd00::2]:2222 ssh-rsa BBBB"


@pytest.mark.parametrize("name", ["a b", "", "localhost", "../x", "-x", "a:22", "all,b", "ä"])
def test_a_name_that_an_inventory_cannot_have_is_replaced_by_the_id(name: str) -> None:
    one = order(target=TARGET)
    renamed = type(one)(**{field: getattr(one, field) for field in one.__struct_fields__} | {"node": type(one.node)(id="n/7", name=name)})
    assert host_names([renamed]) == {"ab-1.0": "node-n_7"}


def test_the_task_has_what_the_run_reads_and_secrets_in_private_files(tmp_path: Path) -> None:
    (tmp_path / "playbook.yml").write_text("- hosts: all\n")
    made = pack([order(folder=tmp_path, target=TARGET, secrets=("sesame",), attributes={"p": "sesame"})], tmp_path / "key")
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        modes = {member.name: member.mode for member in tar}
        assert json.loads(tar.extractfile("masks.json").read()) == ["sesame"]  # type: ignore[union-attr]
    assert modes.pop("run") == 0o755
    assert set(modes) == {
        *("attributes.json", "batch.json", "masks.json", "known_hosts", "project/playbook.yml"),
        *("inventory/hosts.yml", "inventory/host_vars/n1-name.yml"),
    }
    assert set(modes.values()) == {0o600}


def test_a_role_with_neither_playbook_nor_roles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskTarError, match=r"neither playbook\.yml nor roles/"):
        pack([order(folder=tmp_path, target=TARGET)], tmp_path / "key")


def test_a_batch_is_remembered_and_ends_with_its_last_attempt(tmp_path: Path) -> None:
    batches = Batches(tmp_path)
    batches.record("run-a.0", ["a.0", "b.0"])
    assert (batches.end("a.0"), batches.end("a.0"), batches.of("x.0")) == ("", "", "")
    again = Batches(tmp_path)
    assert (again.of("a.0"), again.is_over("a.0"), again.is_over("b.0")) == ("run-a.0", True, False)
    assert again.end("b.0") == "run-a.0"
    assert Batches(tmp_path).is_over("b.0")


def test_a_torn_file_is_a_run_that_never_began(tmp_path: Path) -> None:
    (tmp_path / "run-a.0.json").write_text('{"open":["a')
    assert Batches(tmp_path).of("a.0") == ""


# -- events -----------------------------------------------------------------------------------------------------------


def event(kind: str, host: str = "", task: str = "t", **result: Any) -> dict[str, Any]:
    return {"event": kind, "stdout": f"{kind} {host}", "event_data": {"host": host, "task": task, "res": result}}


def stats(**counts: dict[str, int]) -> dict[str, Any]:
    return {"event": "playbook_on_stats", "event_data": {"processed": {"a": 1, "b": 1}} | counts}


def told(*events: dict[str, Any], code: int = 0, check: bool = False, gives: tuple[str, ...] = ()) -> dict[str, Any]:
    story = Story(["a", "b"], check, gives)
    for one in events:
        story.take(one)
    return story.results(code)


def test_a_rescued_failure_is_none() -> None:
    found = told(event("runner_on_failed", "a", msg="no"), stats())
    assert (found["a"].exit, found["b"].exit) == (0, 0)


def test_the_last_failure_is_the_hosts() -> None:
    rescued, fatal = event("runner_on_failed", "a", task="try", msg="first"), event("runner_on_failed", "a", task="mount", msg="second")
    assert told(rescued, fatal, stats(failures={"a": 1}), code=2)["a"].message == "mount: second"


def test_a_host_whose_play_another_host_ended_is_not_done() -> None:
    found = told(event("runner_on_failed", "a", msg="no"), event("playbook_on_no_hosts_remaining"), stats(failures={"a": 1}), code=2)
    assert (found["b"].exit, "another node" in found["b"].message) == (2, True)


def test_a_host_that_no_play_is_for_is_not_done() -> None:
    assert told({"event": "playbook_on_stats", "event_data": {"processed": {"a": 1}}})["b"].exit == 2


@pytest.mark.parametrize("code", [1, 5, 8, 99, 250, 254])
def test_a_run_that_broke_is_no_success(code: int) -> None:
    assert {one.exit for one in told(stats(), code=code).values()} == {2}


def test_a_run_without_its_counts_is_no_success() -> None:
    assert {one.exit for one in told(event("runner_on_ok", "a"), code=0).values()} == {2}


def test_a_check_that_would_change_something_names_the_first_task() -> None:
    one, two = event("runner_on_ok", "a", task="one", changed=True), event("runner_on_ok", "a", task="two", changed=True)
    found = told(one, two, stats(changed={"a": 2}), check=True)
    assert (found["a"].exit, found["a"].message, found["b"].exit) == (1, "one: it would change something", 0)


def test_a_lost_host_is_unreachable_and_a_wrong_key_is_said() -> None:
    lost = event("runner_on_unreachable", "a", msg="Failed to connect: Host key verification failed.")
    found = told(lost, stats(dark={"a": 1}), code=4)
    assert (found["a"].unreachable, found["a"].wrong_key, found["b"].exit) == (True, True, 0)


@pytest.mark.parametrize("check", [False, True])
def test_facts_that_the_role_gives_are_gives_of_their_host(check: bool) -> None:
    setup = event(
        "runner_on_ok", "a", ansible_facts={"ansible_default_ipv4": {"address": "10.0.0.1"}, "ansible_kernel": "6.1", "n_cpus": 1}
    )
    own = event("runner_on_ok", "b", ansible_facts={"default_ipv4": "mine", "ansible_default_ipv4": "its"})
    item = event("runner_item_on_ok", "b", ansible_facts={"n_cpus": 8})
    found = told(setup, own, item, stats(), gives=("default-ipv4", "n-cpus"), check=check)
    assert found["a"].gives == {"default-ipv4": {"address": "10.0.0.1"}, "n-cpus": 1}
    assert found["b"].gives == {"default-ipv4": "mine", "n-cpus": 8}


def test_what_set_stats_says_counts_before_facts() -> None:
    said = event("runner_on_ok", "a", ansible_stats={"data": {"crowbar_gives": {"x": 1}}})
    later = event("runner_on_ok", "a", ansible_facts={"x": 2})
    assert told(said, later, stats(), gives=("x",))["a"].gives == {"x": 1}


@pytest.mark.parametrize("facts", [None, "x", ["x"], {"y": 1}, 3])
def test_facts_of_another_form_or_name_are_none(facts: Any) -> None:
    assert told(event("runner_on_ok", "a", ansible_facts=facts), stats(), gives=("x",))["a"].gives == {}


def test_a_failed_task_gives_no_facts() -> None:
    assert told(event("runner_on_failed", "a", ansible_facts={"x": 1}, ignore_errors=True), stats(), gives=("x",))["a"].gives == {}


@given(st.lists(st.tuples(st.sampled_from(["runner_on_ok", "runner_on_failed", "runner_on_unreachable", "playbook_on_no_hosts_remaining", "error", "verbose"]), st.sampled_from(["a", "b", "c"]), JSON), max_size=8), st.integers(0, 255), JSON)  # fmt: skip
def test_whatever_ansible_says_a_success_is_one_that_it_counted(events: list[tuple[str, str, Any]], code: int, counts: Any) -> None:
    story = Story(["a", "b"], False, ("x",))
    for kind, host, result in events:
        for name in story.take({"event": kind, "stdout": str(result), "event_data": {"host": host, "task": "t", "res": result}}):
            assert name in ("", "a", "b")
    story.take({"event": "playbook_on_stats", "event_data": counts})
    assert all(found.exit in (1, 2, 69) for found in story.results(code).values()), "none of these counted a host as processed"
