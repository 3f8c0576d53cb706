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
not_on_servers = kind(
    "not_on_servers",
    "role {role} runs only on the admin node, and the plan places it on a server, or a role there requires it on the same node",
    "write `{role}: admin` in the plan's deployment, and `on: admin` where a role requires it",
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
wish_left_out = kind(
    "wish_left_out",
    "role {role} wishes {wish}, and this site leaves out stage {stage}, whose roles carry the wish out",
    "put the stage into the store's stages.yml, or take the role out of the plan",
    who=Who.OPERATOR,
)
placed_left_out = kind(
    "placed_left_out",
    "the plan in force places role {role} in deployment {deployment}, and this site leaves out its stage {stage}",
    "put the stage into the store's stages.yml; or first commit a plan without the role",
    who=Who.OPERATOR,
)
revision_moved = kind(
    "revision_moved",
    "the plan was made from revision {expected}, and revision {revision} is in force now, committed by {who}",
    "look at the differences (crowbar plan diff), make the change again from the plan in force, then commit it",
    who=Who.OPERATOR,
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
no_parent = kind(
    "no_parent",
    "deployment {deployment} has the parent {parent}, which the plan does not have",
    "commit both together, or choose another parent: crowbar deployment edit {deployment} --parent NAME",
    who=Who.OPERATOR,
)
parents_cycle = kind(
    "parents_cycle",
    "these deployments would be each other's parents: {path}",
    "choose another parent for one of them: crowbar deployment edit NAME --parent NAME",
    who=Who.OPERATOR,
)
root_stays = kind(
    "root_stays",
    "deployment {deployment} is the root of all deployments: it has only attributes, and cannot be deleted",
    "edit its attributes, or another deployment",
    who=Who.OPERATOR,
)
has_children = kind(
    "has_children",
    "deployment {deployment} cannot be deleted while it is the parent of {children}",
    "delete these in the same commit, or give them another parent",
    who=Who.OPERATOR,
)
still_required = kind(
    "still_required",
    "deployment {deployment} cannot be deleted, because roles of other deployments require its roles on other nodes: {roles}",
    "delete those deployments in the same commit, or remove these roles from them",
    who=Who.OPERATOR,
)
still_owns = kind(
    "still_owns",
    "deployment {deployment} cannot be deleted, because the plan gives it {owns}",
    "give these to another deployment in the plan, and commit the plan without the deployment",
    who=Who.OPERATOR,
)
not_proposed = kind(
    "not_proposed",
    "no edit of deployment {deployment} waits",
    "list what waits: crowbar deployment list",
    who=Who.OPERATOR,
)
proposed_since = kind(
    "proposed_since",
    "{who} proposed another edit of deployment {deployment} ({when})",
    "read it with crowbar deployment show {deployment} --proposed, then repeat your command",
    who=Who.OPERATOR,
)
deployment_changed = kind(
    "deployment_changed",
    "{who} changed deployment {deployment} in revision {revision} ({when}), and the edit was made on revision {base}",
    "drop the edit: crowbar deployment recall {deployment}; or take it up again on the present plan, and look at its preview: "
    "crowbar deployment take-up {deployment}",
    who=Who.OPERATOR,
)
