"""What Tempest must know of the deployment: which services answer, accounts for the tests, and its configuration.

Accounts: each worker gets a few users, each with a project of its own. They are made anew for each run, and deleted afterwards.
* Tempest can make users for each class of tests instead (dynamic credentials). Then the classes of object storage took 67 seconds to
  prepare. With these accounts it is 32, on a machine that was twice as busy.
* Users that outlive a run would be wrong: a killed run leaves containers in them, and many tests count containers.
* Tests of servers need a network for each class, and only dynamic credentials bring one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from cloud import Site
from cloud_api import REGION, Fault, Http, http

KINDS = {"swift": "object-store", "glance": "image", "nova": "compute", "neutron": "network"}
"""Service -> its type in Keystone's catalogue."""
_MADE_BY_TEMPEST = re.compile(r"tempest-.+-[0-9]{5,}(-.+)?")
Sections = dict[str, dict[str, object]]


class NotYet(Exception):
    """A service that the plan has does not answer yet."""


class Cloud:
    def __init__(self, site: Site) -> None:
        self.site = site
        self.keystone = site.keystone()

    def services(self) -> list[str]:
        """The services besides Keystone that the deployment has. Raises NotYet, and Fault or Http if Keystone does not work."""
        self.keystone.token()
        kinds = {one["type"] for one in self.keystone.catalog}
        found = [name for name, kind in KINDS.items() if kind in kinds]
        for name in KINDS:
            if name not in found and self.site(f"cloud/{name}", []):
                raise NotYet(f"Keystone's catalogue has no {KINDS[name]} service yet: {name} is not done")
        return found

    def wrong(self, name: str) -> str:
        """Why a service does not answer its users. Empty: it does."""
        url = self.site.public_url(name, "/info" if name == "swift" else "/v3" if name == "keystone" else "/")
        try:
            http("GET", url, ca=self.site("site-authority"), timeout=60)
        except Http as wrong:
            return str(wrong) if wrong.status >= 500 else ""
        except Fault as wrong:
            return str(wrong)
        return ""

    def storage_features(self) -> list[str]:
        """What Swift's middleware offers, by its own word. Raises Fault, Http."""
        _, told = http("GET", self.site.public_url("swift", "/info"), ca=self.site("site-authority"), timeout=60)
        return sorted(name for name in told if name != "swift") if isinstance(told, dict) else []

    def clean(self) -> None:
        """Deletes users and projects of Tempest: of this run, or of one that was killed."""
        for plural in ("users", "projects"):
            for one in self.keystone.call("GET", f"/{plural}")[plural]:
                if _MADE_BY_TEMPEST.fullmatch(one["name"]):
                    self.keystone.call("DELETE", f"/{plural}/{one['id']}")

    def computes(self) -> None:
        """Raises NotYet if Nova has fewer compute nodes than the plan."""
        wanted = len(self.site("cloud/compute", []))
        url = self.keystone.endpoint("compute")
        found = self.keystone.call("GET", f"{url}/os-services?binary=nova-compute")["services"]
        up = sum(one["state"] == "up" for one in found)
        if up < wanted:
            raise NotYet(f"{up} of {wanted} compute nodes are up")

    def accounts(self, workers: int, services: list[str]) -> list[dict[str, object]]:
        """Makes the accounts of this run. As Tempest's file of accounts wants them."""
        kinds = {"one": "member", "two": "member", "three": "member", "chief": "admin"}
        if "swift" in services:
            kinds["reseller"] = "ResellerAdmin"
        roles = {name: self.keystone.ensure("roles", {"name": name})["id"] for name in sorted(set(kinds.values()))}
        out: list[dict[str, object]] = []
        for _ in range(workers):
            for kind, role in kinds.items():
                name, password = f"tempest-{kind}-{secrets.randbelow(10**8):08d}", secrets.token_urlsafe(24)
                project = self.keystone.call("POST", "/projects", {"project": {"name": name, "domain_id": "default"}})["project"]
                user = self.keystone.call("POST", "/users", {"user": {"name": name, "domain_id": "default", "password": password}})["user"]
                self.keystone.call("PUT", f"/projects/{project['id']}/users/{user['id']}/roles/{roles[role]}")
                known = {"username": name, "project_name": name, "domain_name": "Default", "password": password, "roles": [role]}
                out.append({**known, **({"types": ["admin"]} if role == "admin" else {})})
        return out


def configuration(site: Site, services: list[str], home: Path, features: list[str], known: Mapping[str, str]) -> Sections:
    """tempest.conf. `known`: ids of image and flavours, for the tests of servers. Empty: it is for all other tests."""
    return {
        "DEFAULT": {"log_file": home / "tempest.log", "debug": False},
        "oslo_concurrency": {"lock_path": home / "lock"},
        "auth": {
            "use_dynamic_credentials": bool(known),
            "create_isolated_networks": bool(known),
            **({} if known else {"test_accounts_file": home / "accounts.yaml"}),
            # Also without dynamic credentials: some classes insist on them.
            "admin_username": "admin",
            "admin_password": site("cloud-admin-password"),
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "tempest_roles": "member",
        },
        "identity": {
            "uri_v3": site.public_url("keystone", "/v3"),
            "ca_certificates_file": home / "authority.pem",
            "auth_version": "v3",
            "region": REGION,
            "v3_endpoint_type": "public",
        },
        "identity-feature-enabled": {"api_v2": False, "api_v3": True, "trust": True, "security_compliance": False},
        "service_available": {
            **{name: name in services for name in KINDS},
            "cinder": False,
            "horizon": False,
        },
        "object-storage": {"operator_role": "member", "reseller_admin_role": "ResellerAdmin"},
        "object-storage-feature-enabled": {
            "discoverability": True,
            "discoverable_apis": ",".join(features),
            "container_sync": "container_sync" in features,
        },
        **(_of_servers(known) if known else {}),
    }


def _of_servers(known: Mapping[str, str]) -> Sections:
    off = (
        "resize cold_migration live_migration vnc_console suspend snapshot attach_encrypted_volume volume_multiattach config_drive".split()
    )
    return {
        "image": {"build_timeout": 600},
        "compute": {
            "image_ref": known["image"],
            "image_ref_alt": known["image"],
            "flavor_ref": known["flavor"],
            "flavor_ref_alt": known["flavor-alt"],
            "build_timeout": 900,
            "ready_wait": 0,
            "min_compute_nodes": 1,
            "max_microversion": "latest",
        },
        "compute-feature-enabled": {**dict.fromkeys(off, False), "console_output": True},
        "network": {"project_network_cidr": "10.100.0.0/16"},
        "network-feature-enabled": {"api_extensions": "all"},
        "validation": {"run_validation": False, "connect_method": "fixed"},
    }
