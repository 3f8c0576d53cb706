"""The role dns-server with the real named: what it serves, and to whom."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dns_site import ADMIN, DOMAIN, LIMIT_S, Site, wait


def test_it_serves_the_admin_node_from_the_start(site: Site) -> None:
    site.good("dns-server")
    assert site.gives == {"dns-servers": [ADMIN], "dns-address": ADMIN, "dns-name": f"admin.{DOMAIN}"}
    assert site.ask(f"admin.{DOMAIN}") == [ADMIN]
    assert site.ask(DOMAIN, "NS") == [f"admin.{DOMAIN}."]
    site.good("dns-server", "verify")
    pid = site.pid
    site.good("dns-server")
    assert site.pid == pid, "the same run again starts nothing"


def test_it_listens_on_the_admin_address_only(served: Site) -> None:
    listening = served.inside(["ss", "-Hlntu"]).stdout
    assert {line.split()[4] for line in listening.splitlines()} == {f"{ADMIN}:53"}


def test_names_outside_are_refused_at_once_without_forwarders(served: Site) -> None:
    assert served.status("www.example.org") == "REFUSED"
    assert served.status(f"nobody.{DOMAIN}") == "NXDOMAIN"


def test_an_update_without_the_key_is_refused(served: Site) -> None:
    update = f"server {ADMIN}\nzone {DOMAIN}\nupdate add evil.{DOMAIN} 60 A 10.0.0.66\nsend\n"
    done = served.inside(["nsupdate"], update)
    assert done.returncode != 0
    assert "REFUSED" in done.stderr
    wrong = served.inside(["nsupdate", "-y", "hmac-sha256:crowbar:d3Jvbmc="], update)
    assert wrong.returncode != 0
    assert served.status(f"evil.{DOMAIN}") == "NXDOMAIN"


def test_a_zone_is_handed_over_only_with_the_key(served: Site) -> None:
    stranger = served.inside(["dig", f"@{ADMIN}", "+noall", "+answer", DOMAIN, "AXFR"]).stdout
    assert f"admin.{DOMAIN}" not in stranger
    assert ("admin." + DOMAIN + ".", "A", ADMIN) in served.transfer(DOMAIN)


def test_the_key_is_the_users_own_and_in_no_list_of_processes(served: Site) -> None:
    key = served.state / "dns/key.conf"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().partition('secret "')[2].partition('"')[0]
    assert len(secret) >= 40
    assert secret not in Path(f"/proc/{served.pid}/cmdline").read_text()
    assert secret not in (served.state / "dns/named.conf").read_text()


def test_forwarders_are_asked_for_names_outside(site: Site, tmp_path: Path) -> None:
    """Another named on the same machine is the outside."""
    zone = "$TTL 60\n@ SOA a. b. 1 60 60 60 60\n@ NS a.\nwww A 10.9.9.9\n"
    (tmp_path / "outside.db").write_text(zone)
    options = (
        f'directory "{tmp_path}"; listen-on {{ 10.0.0.11; }}; listen-on-v6 {{ none; }}; pid-file none; session-keyfile none; recursion no;'
    )
    (tmp_path / "outside.conf").write_text(
        f'options {{ {options} }};\ncontrols {{ }};\nzone "example.org" {{ type primary; file "outside.db"; }};\n'
    )
    other = subprocess.Popen(site.command(["/usr/sbin/named", "-g", "-c", str(tmp_path / "outside.conf")]), stderr=subprocess.DEVNULL)
    try:
        site.good("dns-server")
        pid = site.pid
        site.good("dns-server", dns_forwarders=["10.0.0.11"])
        wait(lambda: site.ask("www.example.org") == ["10.9.9.9"], "the forwarder is not asked")
        assert site.pid == pid, "named took its new files without a pause"
        site.good("dns-server", "verify")
    finally:
        other.terminate()
        other.wait(LIMIT_S)


def test_a_new_network_is_a_new_zone_and_an_old_one_goes(site: Site) -> None:
    site.good("dns-server", dns_zones=[DOMAIN, "0.0.10.in-addr.arpa"])
    site.good("dns-server", dns_zones=[DOMAIN, "0.2.10.in-addr.arpa"])
    assert site.ask("0.2.10.in-addr.arpa", "NS") == [f"admin.{DOMAIN}."]
    assert site.status("0.0.10.in-addr.arpa", "NS") in ("REFUSED", "NXDOMAIN")
    assert not list((site.state / "dns/zones").glob("0.0.10*"))
    site.good("dns-server", "verify")


def test_the_sites_own_servers_are_used_instead(site: Site) -> None:
    site.good("dns-server")
    pid = site.pid
    site.good("dns-server", dns_nameservers=["10.7.7.7"])
    assert site.gives == {"dns-servers": ["10.7.7.7"], "dns-address": "", "dns-name": ""}
    assert not Path(f"/proc/{pid}/exe").exists()
    site.good("dns-server", "verify")
    site.good("dns-records", dns_address="")
    site.good("dns-server", dns_serve=False, dns_nameservers=[])
    assert site.gives["dns-servers"] == []


def test_texts_that_would_be_configuration_are_refused(site: Site) -> None:
    for wrong in (
        {"dns_forwarders": ["10.0.0.1; }; //"]},
        {"domain": 'x"; };'},
        {"domain": "x\ny"},
        {"admin_address": "10.0.0.10\n::1"},
        {"admin_subnets": ["10.0.0.0/24; any"]},
        {"dns_zones": [DOMAIN, "../../etc/passwd"]},
    ):
        before = dict(site.document)
        done = site.role("dns-server", **wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith("dns-server: ")
        site.document = before
