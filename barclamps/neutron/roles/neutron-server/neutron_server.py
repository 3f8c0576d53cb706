"""Neutron's API with ML2 and OVN, and OVN's databases with its northd. Neutron keeps no agents of its own, so it has no server for RPC."""

from cloud import Answer, Check, File, Service, Site, Step
from cloud_api import REGION, Entry, Fault

CONF = "/etc/neutron/neutron.conf.d/crowbar.conf"
NB, SB = 6641, 6642
WORKERS = ("neutron-ovn-maintenance-worker", "neutron-periodic-workers")
"""They belong to Neutron's API. Under uWSGI they are processes of their own, for which Debian has no units."""
UNIT = """\
# Written by Crowbar. A change here is overwritten.
[Unit]
Description={unit} of Neutron
After=network-online.target
Wants=network-online.target

[Service]
User=neutron
Group=neutron
WorkingDirectory=/var/lib/neutron
RuntimeDirectory=lock/neutron
RuntimeDirectoryPreserve=yes
ExecStart=/usr/bin/{unit} --log-file=/var/log/neutron/{unit}.log
Restart=on-failure
TimeoutStartSec=infinity
LimitNOFILE=65535

[Install]
WantedBy=multi-user.target
"""


def service(site: Site) -> Service:
    user, password = "neutron", site("neutron-password")
    options = " ".join(f"--db-{one}-addr={site.address} --db-{one}-create-insecure-remote=yes" for one in ("nb", "sb"))
    return Service(
        databases=[site.database("neutron", user, site("neutron-database-password"))],
        files={
            "/etc/default/ovn-central": File(f'# Written by Crowbar.\nOVN_CTL_OPTS="{options}"\n', mode=0o644),
            CONF: File(_configuration(site, password), group=user),
            **site.uwsgi("neutron", "neutron-api", user, "threads = 1", "start-time = %t", "wsgi-file = /usr/bin/neutron-api"),
            **{f"/etc/systemd/system/{unit}.service": File(UNIT.format(unit=unit), mode=0o644) for unit in WORKERS},
        },
        steps=[Step("tables", ["neutron-db-manage", "upgrade", "heads"], user)],
        units=["ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "ovn-northd", "ovn-central", "neutron-api", *WORKERS],
        answers=[Answer(site.url("neutron"))],
        entries=[Entry(user, password, "network", site.url("neutron"), site.public_url("neutron"))],
        keystone=site.keystone(),
        checks=[Check("Neutron has networks of OVN", lambda: _proof(site))],
    )


def _configuration(site: Site, password: str) -> dict[str, dict[str, object]]:
    account = site.account("neutron", password)
    return {
        "DEFAULT": {
            "transport_url": site.messages(),
            "host": site.name,
            "core_plugin": "ml2",
            "service_plugins": "ovn-router,qos,trunk",
            "auth_strategy": "keystone",
            "api_workers": site.workers,
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "notify_nova_on_port_status_changes": True,
            "notify_nova_on_port_data_changes": True,
        },
        "database": {"connection": site.sql("neutron", "neutron", site("neutron-database-password"))},
        "keystone_authtoken": site.authtoken("neutron", password),
        "nova": {**account, "region_name": REGION, "endpoint_type": "internal"},
        "placement": {**account, "endpoint_type": "internal"},
        "ml2": {
            "type_drivers": "geneve,flat,vlan",
            "tenant_network_types": "geneve",
            "mechanism_drivers": "ovn",
            "extension_drivers": "port_security,qos",
            "overlay_ip_version": 4,
        },
        "ml2_type_geneve": {"vni_ranges": "1:65536", "max_header_size": 38},
        "ml2_type_flat": {"flat_networks": "external"},
        "securitygroup": {"enable_security_group": True},
        "ovn": {
            "ovn_nb_connection": f"tcp:{site.address}:{NB}",
            "ovn_sb_connection": f"tcp:{site.address}:{SB}",
            "ovn_metadata_enabled": True,
        },
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
    }


def _proof(site: Site) -> None:
    """The extensions come from the plugins; an empty list of agents from OVN's databases."""
    keystone = site.keystone()
    names = {one["alias"] for one in keystone.call("GET", site.url("neutron", "/v2.0/extensions"))["extensions"]}
    for alias in ("router", "security-group", "port-security", "agent"):
        if alias not in names:
            raise Fault(f"Neutron has no extension {alias}")
    keystone.call("GET", site.url("neutron", "/v2.0/agents"))
