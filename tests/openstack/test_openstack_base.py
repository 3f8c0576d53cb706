"""The roles that every cloud stands on: database, messages, cache, public endpoints, Keystone. With the real daemons on Debian."""

from __future__ import annotations

import json

import pytest
from cloud_lab import CloudLab, CloudNode

pytestmark = [pytest.mark.slow, pytest.mark.client]

ROLES = ("openstack-cache", "openstack-database", "openstack-messages", "openstack-front", "keystone")
UNIT = {
    "openstack-cache": "memcached",
    "openstack-database": "mariadb",
    "openstack-messages": "rabbitmq-server",
    "openstack-front": "haproxy",
    "keystone": "keystone",
}


@pytest.fixture(scope="module")
def controller(lab: CloudLab) -> CloudNode:
    node = lab.node("control-1", "127.0.1.1", *ROLES)
    for role in ROLES:
        assert node.run(role, "verify").code == 1, f"{role} has not run yet"
    node.bring(*ROLES)
    return node


@pytest.mark.parametrize("role", ROLES)
def test_a_second_run_restarts_nothing(controller: CloudNode, role: str) -> None:
    before = controller.started(UNIT[role])
    done = controller.run(role)
    assert done.code == 0, done
    assert controller.started(UNIT[role]) == before
    assert "wrote" not in done.out


@pytest.mark.parametrize("role", ROLES)
def test_what_stopped_is_seen_and_started(controller: CloudNode, role: str) -> None:
    assert controller.call("systemctl", "stop", UNIT[role]).returncode == 0
    told = controller.run(role, "verify")
    assert (told.code, f"{UNIT[role]} does not run" in told.out) == (1, True), told
    controller.bring(role)


def test_no_password_is_in_a_list_of_processes_or_readable_for_all(lab: CloudLab, controller: CloudNode) -> None:
    secrets = [f"secret-{name}" for name, one in lab.catalog.attributes.items() if one.generate]
    listed = controller.call("ps", "-eo", "args").stdout
    assert not [one for one in secrets if one in listed]
    found = controller.call("runuser", "-u", "nobody", "--", "grep", "-rlsF", "secret-", "/etc", "/var/log", "/run")
    assert found.stdout.split() == []


def test_users_reach_keystone_by_tls_with_the_sites_authority(lab: CloudLab, controller: CloudNode) -> None:
    ca = lab.folder / "ca.pem"
    ca.write_bytes(lab.site.pem)
    url = f"https://{controller.address}:15000/v3/auth/tokens"
    user = {"name": "admin", "domain": {"id": "default"}, "password": "secret-cloud-admin-password"}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
        }
    }
    done = lab.call(
        "curl", "-sS", "--noproxy", "*", "--cacert", str(ca), "-H", "Content-Type: application/json", "-d", "@-", url, data=json.dumps(body)
    )
    assert json.loads(done.stdout)["token"]["user"]["name"] == "admin", done
    version = lab.call("curl", "-sS", "--noproxy", "*", "--cacert", str(ca), f"https://{controller.address}:15000/v3")
    assert json.loads(version.stdout)["version"]["links"][0]["href"] == f"https://{controller.address}:15000/v3/"
    assert lab.call("curl", "-sS", "--noproxy", "*", url).returncode == 60, "another authority does not do"


def test_a_new_password_reaches_the_service(lab: CloudLab, controller: CloudNode) -> None:
    lab.values |= {"keystone-database-password": "another-1234", "messages-password": "another-5678"}
    try:
        assert controller.run("keystone", "verify").code == 1
        assert controller.run("openstack-messages", "verify").code == 1
        controller.bring("keystone", "openstack-messages")
    finally:
        del lab.values["keystone-database-password"], lab.values["messages-password"]
        controller.bring("keystone", "openstack-messages")
