"""Horizon, the web page of a cloud, under uWSGI. It talks to the services inside of the rack; browsers come by the public endpoint."""

from cloud import PORTS, PUBLIC, Answer, Check, File, Service, Site
from cloud_api import Fault, http

SETTINGS = "/etc/openstack-dashboard/local_settings.d/_9000_crowbar.py"
UNIT = """\
# Written by Crowbar. A change here is overwritten.
[Unit]
Description=Horizon, the web page of OpenStack
After=network-online.target
Wants=network-online.target

[Service]
User=www-data
Group=www-data
LogsDirectory=horizon
ExecStart=/usr/bin/uwsgi_python3 --ini /etc/openstack-dashboard/horizon-uwsgi.ini
Restart=on-failure
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""
STATIC = "static-map = /static=/var/lib/openstack-dashboard/static"


def service(site: Site) -> Service:
    made = site.uwsgi("horizon", "horizon", "horizon", STATIC, "chdir = /usr/share/openstack-dashboard", "wsgi-file = wsgi.py")
    ini = "/etc/openstack-dashboard/horizon-uwsgi.ini"
    return Service(
        files={
            SETTINGS: File(_settings(site), mode=0o644),
            ini: made["/etc/horizon/horizon-uwsgi.ini"],
            "/etc/systemd/system/horizon.service": File(UNIT, mode=0o644),
        },
        units=["horizon"],
        answers=[Answer(site.url("horizon", "/auth/login/"))],
        checks=[Check("the page of Horizon", lambda: _proof(site))],
    )


def _settings(site: Site) -> str:
    front = site.one("cloud/front")
    cache = [f"{one}:11211" for one in site.addresses("cloud/cache")]
    values: dict[str, object] = {
        "ALLOWED_HOSTS": [front, site.address, "localhost"],
        "OPENSTACK_HOST": site.one("cloud/keystone"),
        "OPENSTACK_KEYSTONE_URL": site.keystone_url(),
        "OPENSTACK_ENDPOINT_TYPE": "internalURL",
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache", "LOCATION": cache}},
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "CSRF_TRUSTED_ORIGINS": [f"https://{front}:{PUBLIC + PORTS['horizon']}"],
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_SECURE": True,
        "USE_X_FORWARDED_HOST": True,
    }
    return "# Written by Crowbar. A change here is overwritten.\n" + "".join(f"{key} = {value!r}\n" for key, value in values.items())


def _proof(site: Site) -> None:
    """The page to log in has its form, and the style that it names is there."""
    url = site.url("horizon", "/auth/login/")
    page = http("GET", url, headers={"X-Forwarded-Proto": "https"})[1].decode("utf-8", "replace")
    if 'name="username"' not in page:
        raise Fault(f"{url} has no form to log in")
    style = next((part.partition('"')[0] for part in page.split('href="')[1:] if ".css" in part.partition('"')[0]), "")
    if not style:
        raise Fault(f"{url} names no style")
    http("GET", site.url("horizon", style))
