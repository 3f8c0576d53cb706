"""Cinder's API and scheduler."""

from cloud import PORTS, Answer, Check, File, Service, Site
from cloud_api import Entry, Fault

CONF = "/etc/cinder/cinder.conf.d/crowbar.conf"
PROJECT = "/v3/%(project_id)s"


def service(site: Site) -> Service:
    user, password = "cinder", site("cinder-password")
    return Service(
        databases=[site.database("cinder", user, site("cinder-database-password"))],
        files={
            CONF: File(_configuration(site, password), group=user),
            **site.uwsgi("cinder", "cinder-api", user, "wsgi-file = /usr/bin/cinder-wsgi"),
            **site.daemon("cinder-scheduler", user),
        },
        steps=[site.tables(user, "cinder-manage", "db", "sync")],
        units=["cinder-api", "cinder-scheduler"],
        answers=[Answer(site.url("cinder"))],
        entries=[Entry(user, password, "volumev3", site.url("cinder", PROJECT), site.public_url("cinder", PROJECT))],
        keystone=site.keystone(),
        checks=[Check("Cinder's scheduler reports to the API", lambda: _proof(site))],
    )


def _configuration(site: Site, password: str) -> dict[str, dict[str, object]]:
    account = site.account("cinder", password)
    return {
        "DEFAULT": {
            "transport_url": site.messages(),
            "host": site.name,
            "my_ip": site.address,
            "auth_strategy": "keystone",
            "glance_api_servers": f"http://{site.one('cloud/glance')}:{PORTS['glance']}",
            "default_volume_type": "__DEFAULT__",
        },
        "database": {"connection": site.sql("cinder", "cinder", site("cinder-database-password"))},
        "keystone_authtoken": site.authtoken("cinder", password),
        "service_user": {**account, "send_service_user_token": True},
        "nova": {**account, "interface": "internal"},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def _proof(site: Site) -> None:
    keystone = site.keystone()
    found = keystone.call("GET", f"{keystone.endpoint('volumev3')}/os-services")["services"]
    if "up" not in [one["state"] for one in found if one["binary"] == "cinder-scheduler" and one["host"] == site.name]:
        raise Fault(f"cinder-scheduler of {site.name} does not report")
