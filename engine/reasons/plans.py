"""Why the engine cannot commit a plan, bind its roles or serve its images."""

from __future__ import annotations

from .kind import Who, kind

no_plan = kind("no_plan", "no plan is committed", "commit a plan: crowbar commit PLAN", who=Who.AUTHOR)
bad_plan = kind(
    "bad_plan",
    "plan {name} has a mistake: {message}",
    "correct the plan; crowbar plan check lists all its mistakes",
    who=Who.AUTHOR,
)
not_committed = kind(
    "not_committed",
    "the engine could not commit the plan: {message}",
    "fix the cause, then commit the plan again",
    who=Who.OPERATOR,
)
cycle = kind("cycle", "these roles would wait for each other: {path}", "remove one of the requirements", who=Who.AUTHOR)
conflicts = kind(
    "conflicts", "role {role} conflicts with {other} on node {node}", "give the node only one of the two roles", who=Who.AUTHOR
)
wishes_conflict = kind(
    "wishes_conflict",
    "on {node}, role {role} wishes {what} {value}, and role {other} wishes {instead}",
    "give the node only one of the two roles, or set {what} for the node by a rule",
    who=Who.AUTHOR,
)
machine_lacks = kind(
    "machine_lacks",
    "role {role} wants a machine whose {fact} is {wanted}, and {fact} of {node} is {seen}",
    "give the role to other nodes in the plan, or change the machine and discover it again: crowbar node {node} reset",
    who=Who.AUTHOR,
)
network_unknown = kind(
    "network_unknown",
    "role {role} needs network {network}, which the plan does not have",
    "add network {network} to the plan, or take the role out of it; nearest networks of the plan: {nearest}",
    who=Who.AUTHOR,
)
node_owned = kind(
    "node_owned",
    "deployment {deployment} names node {node} for role {role}, and the node belongs to deployment {owner}",
    "take the node out of deployment {deployment}, or give it to a deployment that both share, by a rule",
    who=Who.AUTHOR,
)
owner_unknown = kind(
    "owner_unknown",
    "{what} belongs to deployment {deployment}, which the plan does not have",
    "add deployment {deployment} to the plan, or let {what} belong to another deployment",
    who=Who.AUTHOR,
)
network_owned = kind(
    "network_owned",
    "role {role} in deployment {deployment} needs network {network}, which belongs to deployment {owner}",
    "move the role to deployment {owner} or below it, or let the network belong to a deployment above both",
    who=Who.AUTHOR,
)
no_provider = kind(
    "no_provider",
    "role {role} requires {requires}, which only stands for other roles, and no barclamp has a role that provides it",
    "import a barclamp with a role that provides {requires}",
    who=Who.AUTHOR,
)
which_provider = kind(
    "which_provider",
    "role {role} requires {requires}, which several roles provide: {providers}",
    "place one of these roles in the plan",
    who=Who.AUTHOR,
)
image_missing = kind(
    "image_missing",
    "image {image} is missing",
    "build the image: crowbar image build {image}",
    who=Who.OPERATOR,
)
image_other = kind(
    "image_other",
    "another version of Crowbar built image {image}, so its agent or packages may not match",
    "build the image again: crowbar image build {image}",
    who=Who.OPERATOR,
)
image_damaged = kind(
    "image_damaged",
    "image {image} is damaged: its checksum is wrong",
    "build the image again: crowbar image build {image}",
    who=Who.OPERATOR,
)
