"""memcached, on the admin network."""

import socket

from cloud import Check, File, Service, Site
from cloud_api import Fault

PORT = 11211


def service(site: Site) -> Service:
    text = f"# Written by Crowbar. A change here is overwritten.\n-d\nlogfile /var/log/memcached.log\n-m {64 if site.small else 1024}\n"
    text += f"-p {PORT}\n-u memcache\n-l {site.address}\n-P /var/run/memcached/memcached.pid\n"
    return Service(
        files={"/etc/memcached.conf": File(text, mode=0o644)},
        units=["memcached"],
        checks=[Check("memcached answers", lambda: _proof(site.address))],
    )


def _proof(address: str) -> None:
    """Keeps a value and reads it back (the text protocol of memcached, doc/protocol.txt)."""
    try:
        with socket.create_connection((address, PORT), timeout=10) as link:
            link.sendall(b"set crowbar 0 60 2\r\nok\r\nget crowbar\r\n")
            said = b""
            while b"END\r\n" not in said and b"ERROR" not in said:
                piece = link.recv(4096)
                if not piece:
                    break
                said += piece
    except OSError as error:
        raise Fault(f"{address}:{PORT}: {error}") from None
    if b"\r\nok\r\n" not in said:
        raise Fault(f"{address}:{PORT} does not keep a value: {said[:100]!r}")
