"""Keystone under uWSGI, with Fernet tokens. The keys of the tokens are made here once; a second node of Keystone would need the same.

It comes from the packages, or from source: then its programs are in a virtual environment that `from-source` has made. uWSGI itself and its
plugin stay the packages', so the environment has the node's own Python.
"""

import subprocess
from pathlib import Path

from cloud import Answer, Check, File, Service, Site, Step
from cloud_api import REGION, Fault, Http, Keystone

CONF = "/etc/keystone/keystone.conf.d/crowbar.conf"
FROM_SOURCE = Path(__file__).with_name("from-source")
KEYS = Path("/etc/keystone/fernet-keys"), Path("/etc/keystone/credential-keys")


def service(site: Site) -> Service:
    user = "keystone"
    database = site.database("keystone", user, site("keystone-database-password"))
    password = site("cloud-admin-password")
    internal, public = site.url("keystone", "/v3"), site.public_url("keystone", "/v3")
    who = ["--keystone-user", user, "--keystone-group", user]
    admin = Keystone(internal, password)
    venv = source()
    manage = f"{venv}/bin/keystone-manage" if venv else "keystone-manage"
    return Service(
        databases=[database],
        files={
            "/root/openrc": File(_openrc(password, internal), mode=0o600, restarts=False),
            CONF: File(_configuration(site), group=user),
            **site.uwsgi("keystone", "keystone", user, *program(venv)),
        },
        steps=[
            Step("tables", [manage, "db_sync"], user),
            Step("keys of the tokens", [manage, "fernet_setup", *who], unless=lambda: (KEYS[0] / "0").exists()),
            Step("keys of the credentials", [manage, "credential_setup", *who], unless=lambda: (KEYS[1] / "0").exists()),
            Step(
                "the first administrator",
                [manage, "bootstrap"],
                user,
                unless=lambda: _is_so(admin, internal, public),
                environment={
                    "OS_BOOTSTRAP_PASSWORD": password,
                    "OS_BOOTSTRAP_ADMIN_URL": internal,
                    "OS_BOOTSTRAP_INTERNAL_URL": internal,
                    "OS_BOOTSTRAP_PUBLIC_URL": public,
                    "OS_BOOTSTRAP_REGION_ID": REGION,
                },
            ),
        ],
        units=["keystone"],
        answers=[Answer(internal)],
        checks=[Check("the administrator can log in", lambda: _proof(admin, internal, public))],
    )


def source() -> Path | None:
    """The virtual environment that counts, by its real path, so that another one makes another configuration. None: the packages."""
    done = subprocess.run([str(FROM_SOURCE), "bin", "keystone"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Fault(f"from-source does not say where Keystone is: {done.stderr.strip()[:300]}")
    return Path(done.stdout.strip()).resolve().parent if done.stdout.strip() else None


def program(venv: Path | None) -> tuple[str, ...]:
    """Lines of uWSGI. Keystone had a script for it until 2025.1, and has a module since 2024.2."""
    if venv is None:
        return ("wsgi-file = /usr/bin/keystone-wsgi-public",)
    script = venv / "bin/keystone-wsgi-public"
    return f"virtualenv = {venv}", f"wsgi-file = {script}" if script.exists() else "module = keystone.wsgi.api:application"


def _openrc(password: str, url: str) -> str:
    """For a person at the controller: `. /root/openrc`, then `openstack ...`."""
    words = {"USERNAME": "admin", "PASSWORD": password, "PROJECT_NAME": "admin", "USER_DOMAIN_NAME": "Default"}
    words |= {
        "PROJECT_DOMAIN_NAME": "Default",
        "AUTH_URL": url,
        "IDENTITY_API_VERSION": "3",
        "REGION_NAME": REGION,
        "INTERFACE": "internal",
    }
    return "# Written by Crowbar.\n" + "".join(f"export OS_{key}={value}\n" for key, value in words.items())


def _configuration(site: Site) -> dict[str, dict[str, object]]:
    cache = ",".join(f"{one}:11211" for one in site.addresses("cloud/cache"))
    return {
        "database": {"connection": site.sql("keystone", "keystone", site("keystone-database-password"))},
        "token": {"provider": "fernet", "expiration": site("token-hours") * 3600},
        "identity": {"password_hash_rounds": 4} if site.small else {},
        "cache": {"enabled": True, "backend": "dogpile.cache.memcached", "memcache_servers": cache},
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def _proof(admin: Keystone, internal: str, public: str) -> None:
    admin.token()
    for interface, url in (("internal", internal), ("public", public)):
        admin.has_endpoint("identity", interface, url)


def _is_so(admin: Keystone, internal: str, public: str) -> bool:
    try:
        _proof(admin, internal, public)
    except (Fault, Http):
        return False
    return True
