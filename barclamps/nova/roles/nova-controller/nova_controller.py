"""Nova's API, metadata service, conductor and scheduler. Under uWSGI the two APIs have one thread for each process: they are eventlet's."""

from cloud import Answer, Check, File, Service, Site, Step
from cloud_api import REGION, Entry, Fault

CONF = "/etc/nova/nova.conf.d/crowbar.conf"
UNITS = ("nova-api", "nova-api-metadata", "nova-conductor", "nova-scheduler")
TABLES = """\
import sys
from nova import config, objects
from nova.cmd import manage

config.parse_args(["nova-manage"])
objects.register_all()
server, messages = "{scheme}://{username}:{password}@{hostname}", "{scheme}://{username}:{password}@{hostname}:{port}/"
cells = manage.CellV2Commands()
for step in (
    lambda: manage.ApiDbCommands().sync(),
    lambda: cells.map_cell0(server + "/nova_cell0?{query}"),
    lambda: 0 if any(not cell.is_cell0() for cell in objects.CellMappingList.get_all(manage.context.get_admin_context()))
    else cells.create_cell("cell1", server + "/nova?{query}", messages),
    lambda: manage.DbCommands().sync(),
):
    if step():
        sys.exit(1)
"""
"""What four calls of nova-manage do, in one process: each imports all of Nova. The cells hold the form of the connections instead of
passwords, so a new password needs no new cell."""


def service(site: Site) -> Service:
    user, password = "nova", site("nova-password")
    databases = [site.database(name, user, site("nova-database-password")) for name in ("nova_api", "nova_cell0", "nova")]
    return Service(
        databases=databases,
        files={
            CONF: File(_configuration(site, password), group=user),
            **site.uwsgi("nova", "nova-api", user, "threads = 1", "wsgi-file = /usr/bin/nova-api-wsgi"),
            **site.uwsgi("metadata", "nova-api-metadata", user, "threads = 1", "wsgi-file = /usr/bin/nova-metadata-wsgi"),
            **site.daemon("nova-conductor", user),
            **site.daemon("nova-scheduler", user),
        },
        steps=[Step("tables", ["python3", "-"], user, stdin=TABLES)],
        units=UNITS,
        answers=[Answer(site.url("nova")), Answer(site.url("metadata"))],
        entries=[Entry(user, password, "compute", site.url("nova", "/v2.1"), site.public_url("nova", "/v2.1"))],
        keystone=site.keystone(),
        checks=[Check("Nova's conductor and scheduler report to the API", lambda: _proof(site))],
    )


def _configuration(site: Site, password: str) -> dict[str, dict[str, object]]:
    account = site.account("nova", password)
    database = site("nova-database-password")
    return {
        "DEFAULT": {"transport_url": site.messages(), "my_ip": site.address, "host": site.name},
        "api": {"auth_strategy": "keystone"},
        "api_database": {"connection": site.sql("nova_api", "nova", database)},
        "database": {"connection": site.sql("nova", "nova", database)},
        "keystone_authtoken": site.authtoken("nova", password),
        "service_user": {**account, "send_service_user_token": True},
        "placement": account,
        "neutron": {**account, "service_metadata_proxy": True, "metadata_proxy_shared_secret": site("metadata-password")},
        "cinder": {**account, "os_region_name": REGION, "catalog_info": "volumev3::internalURL"},
        "conductor": {"workers": site.workers},
        # A compute node that is new is found within so many seconds.
        "scheduler": {"workers": site.workers, "discover_hosts_in_cells_interval": 20},
        "vnc": {"enabled": False},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def _proof(site: Site) -> None:
    found = site.keystone().call("GET", site.url("nova", "/v2.1/os-services"))["services"]
    up = {one["binary"] for one in found if one["host"] == site.name and one["state"] == "up"}
    for binary in ("nova-conductor", "nova-scheduler"):
        if binary not in up:
            raise Fault(f"{binary} of {site.name} does not report")
