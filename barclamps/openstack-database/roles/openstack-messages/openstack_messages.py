"""RabbitMQ, with the account `openstack`. The server makes it from its configuration when it starts for the first time, so that no
`rabbitmqctl` is needed: each call of that starts a second Erlang machine.
"""

from cloud import Check, File, Service, Site, Step
from cloud_api import Fault

EPMD = "[Socket]\nListenStream=\nListenStream=127.0.0.1:4369\n"
"""Erlang's list of names, which Debian opens to every address."""


def service(site: Site) -> Service:
    password = site("messages-password")
    return Service(
        files={
            "/etc/rabbitmq/rabbitmq-env.conf": File(_environment(site), mode=0o644),
            "/etc/systemd/system/epmd.socket.d/crowbar.conf": File(EPMD, mode=0o644),
            "/etc/rabbitmq/rabbitmq.conf": File(_configuration(site, password), group="rabbitmq"),
        },
        units=["epmd.socket", "rabbitmq-server"],
        # An account of an earlier password: the configuration counts only for an empty database.
        after=[
            Step(
                "the password of openstack",
                ["rabbitmqctl", "change_password", "openstack"],
                stdin=password + "\n",
                unless=lambda: _opens(site, password),
            )
        ],
        checks=[Check("RabbitMQ takes the account openstack", lambda: _proof(site, password))],
    )


def _environment(site: Site) -> str:
    """One node needs no port for other Erlang machines."""
    words = "-kernel inet_dist_use_interface {127,0,0,1}"
    if site.small:
        words += " +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
    lines = ["NODENAME=rabbit@localhost", "ERL_EPMD_ADDRESS=127.0.0.1", f'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="{words}"']
    return "# Written by Crowbar.\n" + "\n".join(lines) + "\n"


def _configuration(site: Site, password: str) -> str:
    lines = [
        "# Written by Crowbar. A change here is overwritten.",
        f"listeners.tcp.1 = {site.address}:5672",
        "default_user = openstack",
        f"default_pass = {password}",
        "loopback_users = none",
    ]
    if site.small:
        lines.append("vm_memory_high_watermark.absolute = 256MiB")
    return "\n".join(lines) + "\n"


def _proof(site: Site, password: str) -> None:
    import amqp

    try:
        amqp.Connection(host=f"{site.address}:5672", userid="openstack", password=password, connect_timeout=30).connect()
    except (OSError, amqp.AMQPError) as error:
        raise Fault(f"{site.address}:5672: {error}") from None


def _opens(site: Site, password: str) -> bool:
    import amqp

    try:
        amqp.Connection(host=f"{site.address}:5672", userid="openstack", password=password, connect_timeout=30).connect()
    except amqp.AccessRefused:
        return False
    except (OSError, amqp.AMQPError):
        return True  # it does not answer yet: the check waits for it
    return True
