"""Why a service cannot run from its source. The subject of each sentence is the role."""

from __future__ import annotations

from .kind import Who, kind

source_unreachable = kind(
    "source_unreachable",
    "{role} could not fetch a repository: {line}",
    "check the URL in the source attribute and the connection of the admin node, or open a bundle that holds it; then retry the role",
    who=Who.OPERATOR,
)
source_no_revision = kind(
    "source_no_revision",
    "{role} did not find a revision: {line}",
    "correct the revision in the source attribute (a tag, a branch or a commit), and commit the plan",
    who=Who.OPERATOR,
)
source_address = kind(
    "source_address",
    "{role} refused what a source attribute says: {line}",
    "correct the source attribute, and commit the plan",
    who=Who.OPERATOR,
)
source_build_failed = kind(
    "source_build_failed",
    "{role} could not build wheels: {line}",
    "read the log of the attempt (crowbar log NODE {role}); install what the build lacks on the admin node, or name another revision",
    who=Who.OPERATOR,
)
source_not_apart = kind(
    "source_not_apart",
    "{role} built nothing, because it cannot keep the build apart from the engine: {line}",
    "allow user namespaces on the admin node (sysctl kernel.unprivileged_userns_clone=1), then retry the role",
    who=Who.OPERATOR,
)
source_no_venv = kind(
    "source_no_venv",
    "{role} cannot make a virtual environment: {line}",
    "install python3-venv there, then retry the role",
    who=Who.OPERATOR,
)
source_python = kind(
    "source_python",
    "{role} cannot use the wheels of the admin node: {line}",
    "build with the node's Python: install it on the admin node, and name it in the attribute source-python",
    who=Who.OPERATOR,
)
source_not_fetched = kind(
    "source_not_fetched",
    "{role} could not fetch the wheels from the admin node: {line}",
    "retry the wheels role on the admin node, then this role",
    who=Who.OPERATOR,
)

SOURCE_CODES = {
    one.code: one
    for one in (
        source_unreachable,
        source_no_revision,
        source_address,
        source_build_failed,
        source_not_apart,
        source_no_venv,
        source_python,
        source_not_fetched,
    )
}
"""Code that a script prints as `source: CODE: LINE` before it ends with exit code 68 -> its kind."""
