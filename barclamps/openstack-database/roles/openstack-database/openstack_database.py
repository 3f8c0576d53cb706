"""MariaDB, and its account `crowbar`, with which the services' roles make their databases."""

from cloud import Check, File, Service, Site, Step
from cloud_api import Fault

CONF = "/etc/mysql/mariadb.conf.d/90-crowbar.cnf"


def service(site: Site) -> Service:
    return Service(
        files={CONF: File(_configuration(site), mode=0o644)},
        units=["mariadb"],
        after=[Step("the account crowbar", ["mariadb"], stdin=_account(site("database-admin-password")), unless=lambda: _opens(site))],
        checks=[Check("MariaDB takes the account crowbar", lambda: _proof(site))],
    )


def _configuration(site: Site) -> str:
    lines = [
        "# Written by Crowbar. A change here is overwritten.",
        "[mariadbd]",
        f"bind-address = {site.address}",
        "max_connections = 4096",
        "skip-name-resolve",
        "character-set-server = utf8mb4",
    ]
    if site.small:
        lines += [
            "max_connections = 300",
            "innodb_flush_log_at_trx_commit = 0",
            "sync_binlog = 0",
            "innodb_buffer_pool_size = 96M",
            "innodb_log_file_size = 32M",
            "performance_schema = off",
            "key_buffer_size = 1M",
        ]
    return "\n".join(lines) + "\n"


def _account(password: str) -> str:
    """The password has no character that SQL knows; the attribute's pattern sees to that."""
    return (
        f"CREATE USER IF NOT EXISTS 'crowbar'@'%' IDENTIFIED BY '{password}';\n"
        f"ALTER USER 'crowbar'@'%' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO 'crowbar'@'%' WITH GRANT OPTION;\n"
    )


def _connect(site: Site) -> None:
    import pymysql

    pymysql.connect(host=site.address, user="crowbar", password=site("database-admin-password"), connect_timeout=30).close()


def _opens(site: Site) -> bool:
    try:
        _proof(site)
    except Fault:
        return False
    return True


def _proof(site: Site) -> None:
    import pymysql

    try:
        _connect(site)
    except pymysql.MySQLError as error:
        raise Fault(f"{site.address}:3306: {error.args[-1]}") from None
