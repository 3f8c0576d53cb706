"""Swift's proxy: the API. Two ways to log in: Keystone's tokens, and Swift's own old way (`/auth/v1.0`), which the retriever shows.

Traps
* Both together work only as `authtoken keystoneauth tempauth`, in this order, with the prefix TEMP for the accounts of the latter.
* tempauth keeps its tokens in memcached, so nobody can log in that way without it.
* The S3 middleware is left out. It must stand elsewhere in the pipeline.
"""

import secrets

from cloud import Act, Answer, Check, File, Service, Site
from cloud_api import Entry, Fault, Http, http
from cloud_rings import has_rings, put_rings, swift_conf

PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats container_sync bulk tempurl ratelimit crossdomain {auth} "
    "formpost staticweb copy container-quotas account-quotas slo dlo versioned_writes symlink proxy-logging proxy-server"
)
FILTERS = (
    "catch_errors gatekeeper healthcheck listing_formats container_sync bulk tempurl ratelimit crossdomain "
    "formpost staticweb copy slo dlo symlink"
).split()
"""Filters that need no settings, and whose names are those of their programs."""
ACCOUNT = "AUTH_%(project_id)s"
USER = "rack:retriever"
"""The account and the user of the retriever in the old way."""


def service(site: Site) -> Service:
    rings = site("swift-ring")
    with_keystone = bool(site.addresses("cloud/keystone"))
    return Service(
        files={
            "/etc/swift/swift.conf": swift_conf(site),
            "/etc/swift/proxy-server.conf": File(_proxy(site, with_keystone), group="swift"),
        },
        steps=[Act("rings", lambda: put_rings(rings))],
        units=["swift-proxy"],
        answers=[Answer(site.url("swift", "/healthcheck"))],
        keystone=site.keystone() if with_keystone else None,
        entries=[_entry(site)] if with_keystone else [],
        checks=[
            Check("the node has the rings of swift-rings", lambda: has_rings(rings)),
            Check("Swift keeps an object, logged in the old way", lambda: _old_way(site)),
            *([Check("Swift keeps an object, logged in by Keystone", lambda: _by_keystone(site))] if with_keystone else []),
        ],
    )


def _entry(site: Site) -> Entry:
    path = f"/v1/{ACCOUNT}"
    return Entry("swift", site("swift-password"), "object-store", site.url("swift", path), site.public_url("swift", path))


def _proxy(site: Site, with_keystone: bool) -> dict[str, dict[str, object]]:
    caches = ",".join(f"{one}:11211" for one in site.addresses("cloud/cache"))
    auth = "authtoken keystoneauth tempauth" if with_keystone else "tempauth"
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": {"bind_ip": site.address, "bind_port": 8080, "workers": site.workers, "user": "swift"},
        "pipeline:main": {"pipeline": PIPELINE.format(auth=auth)},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": True},
        **{f"filter:{name}": {"use": f"egg:swift#{name}"} for name in FILTERS},
        "filter:proxy-logging": {"use": "egg:swift#proxy_logging"},
        "filter:container-quotas": {"use": "egg:swift#container_quotas"},
        "filter:account-quotas": {"use": "egg:swift#account_quotas"},
        "filter:versioned_writes": {
            "use": "egg:swift#versioned_writes",
            "allow_versioned_writes": True,
            "allow_object_versioning": True,
        },
        "filter:cache": {"use": "egg:swift#memcache", "memcache_servers": caches},
        "filter:tempauth": {
            "use": "egg:swift#tempauth",
            "reseller_prefix": "TEMP",
            # The URL that a client gets back. Behind TLS, Swift cannot know it.
            "user_rack_retriever": f"{site('retriever-password')} .admin {_public(site)}/v1/TEMP_rack",
        },
    }
    if with_keystone:
        sections["filter:authtoken"] = {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            "delay_auth_decision": True,
            **site.authtoken("swift", site("swift-password")),
        }
        sections["filter:keystoneauth"] = {
            "use": "egg:swift#keystoneauth",
            "operator_roles": "admin, member",
            "reseller_admin_role": "ResellerAdmin",
        }
    return sections


def _public(site: Site) -> str:
    return site.public_url("swift") if site.addresses("cloud/front") else site.url("swift")


def _old_way(site: Site) -> None:
    known = {"X-Storage-User": USER, "X-Storage-Pass": site("retriever-password")}
    headers, _body = http("GET", site.url("swift", "/auth/v1.0"), headers=known, timeout=60)
    if headers["X-Storage-Url"] != f"{_public(site)}/v1/TEMP_rack":
        raise Fault(f"who logs in the old way gets the URL {headers['X-Storage-Url']}")
    _keeps(site.url("swift", "/v1/TEMP_rack"), headers["X-Auth-Token"])


def _by_keystone(site: Site) -> None:
    admin = site.keystone()
    token = admin.token()
    _keeps(admin.endpoint("object-store"), token)


def _keeps(url: str, token: str) -> None:
    """Puts an object, reads it back, and deletes it."""
    known, content = {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}, secrets.token_bytes(1000)
    place = f"{url}/crowbar-proof"
    http("PUT", place, headers=known, timeout=60)
    file = f"{place}/{secrets.token_hex(8)}"
    http("PUT", file, content, known, timeout=60)
    try:
        if http("GET", file, headers=known, timeout=60)[1] != content:
            raise Fault("Swift gives back other octets than it was given")
    finally:
        try:
            http("DELETE", file, headers=known, timeout=60)
        except (Fault, Http) as wrong:
            print(f"cloud: {wrong}")
