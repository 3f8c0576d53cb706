"""Why an installed machine is not adopted, or what the engine does not do on one that is."""

from __future__ import annotations

from .kind import Who, kind

join_silent = kind(
    "join_silent",
    "no SSH server answers at {address}: {message}",
    "check the address, the cable and that sshd runs there; then join it again",
    who=Who.OPERATOR,
)
join_host_key = kind(
    "join_host_key",
    "{address} shows the SSH host key {fingerprint}, and nobody has confirmed it",
    "on the machine's own screen: ssh-keygen -lf {file}; if it shows the same, join it with --host-key {fingerprint}",
    who=Who.OPERATOR,
)
join_other_key = kind(
    "join_other_key",
    "{address} shows the SSH host key {fingerprint}, not the confirmed one; the engine sent nothing to it",
    "find out which machine answers at {address}; if its key was made anew, confirm {fingerprint} with --host-key",
    who=Who.OPERATOR,
)
join_login = kind(
    "join_login",
    "{user} cannot log in at {address}: {message}",
    "give another --user, --key FILE or --password-stdin",
    who=Who.OPERATOR,
)
join_credential = kind(
    "join_credential",
    "the credential for {user} at {address} is not usable: {message}; what was given is not shown",
    "give a private key without a passphrase in OpenSSH's format, or a password",
    who=Who.OPERATOR,
)
join_not_root = kind(
    "join_not_root",
    "{user} at {address} cannot become root by sudo: {message}",
    "join it as root, or allow sudo to {user}",
    who=Who.OPERATOR,
)
join_failed = kind(
    "join_failed",
    "the machine at {address} cannot be adopted: {message}",
    "correct that on the machine, then join it again",
    who=Who.OPERATOR,
)
join_key_refused = kind(
    "join_key_refused",
    "root has the engine's key at {address} and still cannot log in with it: {message}",
    "set PermitRootLogin to prohibit-password in the machine's sshd_config, then join it again",
    who=Who.OPERATOR,
)
join_key_left = kind(
    "join_key_left",
    "{why}; the engine's key is still in root's authorized_keys at {address}: {message}",
    "correct that, and join the machine again; or remove the line that ends in `crowbar` there",
    who=Who.OPERATOR,
)
already_node = kind(
    "already_node",
    "the machine at {address} is already node {node}: both have the {what} {value}",
    "look at {node}; to adopt the machine anew, delete that node first: crowbar node {node} delete",
    who=Who.OPERATOR,
)
address_of_node = kind(
    "address_of_node",
    "the address {address} belongs to node {node}",
    "give the machine another address, or delete {node}",
    who=Who.OPERATOR,
)
joined_role = kind(
    "joined_role",
    "the joined machine {node} cannot have the role {role}: {why}",
    "take the role from that node in the plan",
    who=Who.AUTHOR,
)
joined_boots = kind(
    "joined_boots",
    "the joined machine {node} asked to boot over the network; the engine serves it nothing, so that it goes on to its disk",
    "put its disk first in the boot order",
    who=Who.TECHNICIAN,
)
joined_reboot = kind(
    "joined_reboot",
    "a role on the joined machine {node} needs a reboot, which the engine never does there",
    "reboot {node} when that is possible; the role then goes on",
    who=Who.OPERATOR,
)
key_stays = kind(
    "key_stays",
    "the engine's key is still on {name} at {address}, which is no node any more: {message}",
    "remove the line that ends in `crowbar` from /root/.ssh/authorized_keys there",
    who=Who.OPERATOR,
)
