"""Glance, the images of servers. They are files on this node. Glance stays on eventlet, as Debian starts it."""

from cloud import PORTS, Answer, Check, File, Service, Site
from cloud_api import Entry, Fault

CONF = "/etc/glance/glance.conf.d/crowbar.conf"
FOLDER = "/var/lib/glance/images"


def service(site: Site) -> Service:
    user, password = "glance", site("glance-password")
    return Service(
        databases=[site.database("glance", user, site("glance-database-password"))],
        files={CONF: File(_configuration(site, password), group=user), **site.daemon("glance-api", user)},
        steps=[site.tables(user, "glance-manage", "db_sync")],
        units=["glance-api"],
        answers=[Answer(site.url("glance"))],
        entries=[Entry(user, password, "image", site.url("glance"), site.public_url("glance"))],
        keystone=site.keystone(),
        checks=[Check("Glance keeps images in its files", lambda: _proof(site))],
    )


def _configuration(site: Site, password: str) -> dict[str, dict[str, object]]:
    return {
        "DEFAULT": {
            "bind_host": site.address,
            "bind_port": PORTS["glance"],
            "workers": site.workers,
            "enabled_backends": "disk:file",
            "image_size_cap": site("image-gigabytes") << 30,
        },
        "glance_store": {"default_backend": "disk"},
        "disk": {"filesystem_store_datadir": FOLDER},
        "database": {"connection": site.sql("glance", "glance", site("glance-database-password"))},
        "keystone_authtoken": site.authtoken("glance", password),
        "paste_deploy": {"flavor": "keystone"},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def _proof(site: Site) -> None:
    keystone = site.keystone()
    stores = keystone.call("GET", site.url("glance", "/v2/info/stores"))["stores"]
    if [one["id"] for one in stores] != ["disk"]:
        raise Fault(f"{site.url('glance')} has other stores: {stores}")
    keystone.call("GET", site.url("glance", "/v2/images?limit=1"))
