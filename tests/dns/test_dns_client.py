"""The role dns-client with the C library's own resolver, which asks the real named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dns_site import ADMIN, DOMAIN, REPO, Site, host

ROLE = REPO / "barclamps/dns/roles/dns-client"


def client(site: Site, etc: Path, action: str) -> tuple[int, str]:
    """The script on a system whose /etc is that folder."""
    script = f"mount --bind {etc} /etc && exec sh {ROLE / action}"
    site.document |= {"dns-servers": [ADMIN], "hostname": "web"}
    site.role("dns-records", "verify")  # writes the attributes
    done = site.inside(["env", "CROWBAR_DNS_TRIES=1", "unshare", "--mount", "sh", "-c", script])
    return done.returncode, done.stdout + done.stderr


def test_the_node_resolves_its_own_name_and_the_admin_nodes(site: Site, tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    shutil.copytree("/etc/alternatives", etc / "alternatives", symlinks=True)  # awk is there
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    (etc / "hosts").write_text(f"127.0.1.1 web.{DOMAIN} web\n")
    (etc / "resolv.conf").write_text("nameserver 10.0.0.99\n")
    site.good("dns-server")
    site.good("dns-records")
    assert client(site, etc, "verify")[0] == 1
    code, said = client(site, etc, "run")
    assert code == 0, said
    assert (etc / "resolv.conf").read_text() == f"search {DOMAIN}\nnameserver {ADMIN}\n"
    code, said = client(site, etc, "verify")
    assert (code, f"web.{DOMAIN} has no address in DNS" in said) == (1, True), "/etc/hosts does not count"
    site.good("dns-records", dns={"hosts": [host("web", "10.0.0.81")]})
    code, said = client(site, etc, "verify")
    assert code == 0, said
    assert os.path.lexists(etc / "resolv.conf")
