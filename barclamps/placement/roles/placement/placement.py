"""Placement: which compute node has how much left of what."""

from cloud import Answer, Check, File, Service, Site
from cloud_api import Entry, Fault

CONF = "/etc/placement/placement.conf.d/crowbar.conf"


def service(site: Site) -> Service:
    user, password = "placement", site("placement-password")
    return Service(
        databases=[site.database("placement", user, site("placement-database-password"))],
        files={
            CONF: File(_configuration(site, password), group=user),
            **site.uwsgi("placement", "placement-api", user, "wsgi-file = /usr/bin/placement-api"),
        },
        steps=[site.tables(user, "placement-manage", "db", "sync")],
        units=["placement-api"],
        answers=[Answer(site.url("placement"))],
        entries=[Entry(user, password, "placement", site.url("placement"), site.public_url("placement"))],
        keystone=site.keystone(),
        checks=[Check("Placement knows the kinds of resources", lambda: _proof(site))],
    )


def _configuration(site: Site, password: str) -> dict[str, dict[str, object]]:
    return {
        "placement_database": {"connection": site.sql("placement", "placement", site("placement-database-password"))},
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": site.authtoken("placement", password),
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def _proof(site: Site) -> None:
    """The kinds stand in the database since its tables were made."""
    url = site.url("placement", "/resource_classes")
    headers = {"OpenStack-API-Version": "placement 1.7"}
    known = {one["name"] for one in site.keystone().call("GET", url, headers=headers)["resource_classes"]}
    if not {"VCPU", "MEMORY_MB", "DISK_GB"} <= known:
        raise Fault(f"{url} knows only {', '.join(sorted(known)) or 'nothing'}")
