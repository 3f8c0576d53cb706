"""What the events of an Ansible run mean for each of its hosts: the log's lines, the gives, and how the host's attempt ended. Pure.

Events are those of ansible-runner (its documentation, "Runner Artifact Job Events").

* A host is done only if the play reached its end there: Ansible's own counts (`playbook_on_stats`) name it, without failure, and no play
  ended early because of another host (`any_errors_fatal`, `max_fail_percentage`).
* The failure of a host is its last one that nothing ignored or rescued, because that one ended the host's play.
* A host without Python says so with exit code 127 of its shell, as each program that is not there (POSIX shell, 2.8.2).
* Gives are what `set_stats` sets as `crowbar_gives`, and facts with the name of a give of the role: of `set_fact`, `setup` and any other
  module that returns `ansible_facts`. A name of Ansible's cannot have a `-`, so `default-ipv4` is the fact `default_ipv4` or
  `ansible_default_ipv4`, as `setup` calls it. What `set_stats` says counts first, then the fact without the prefix.
* A fact's result belongs to the host of the event, and no other fact of it is kept: `setup` returns hundreds.
* `crowbar_exit` is the exit code of the attempt (64, 128 or 192 instead of 0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from ..definitions import Json
from .cause import clean, shorten
from .outcome import AGAIN, AGAIN_REBOOT, DONE, DONE_REBOOT, NO_TOOL, NOT_SO

FAILED = 2
GIVES, EXIT = "crowbar_gives", "crowbar_exit"
MAX_MESSAGE = 400
_GENERIC = ("non-zero return code", "module failure", "the module failed", "module result deserialization")
"""Beginnings of messages that say less than what the program said."""
_RUN_ENDS = {0, 2, 4, 6}
"""Exit codes of ansible-playbook after a whole run: nothing, hosts failed (2), hosts unreachable (4)."""
_HOST_KEY = re.compile(r"host key verification failed|remote host identification has changed", re.IGNORECASE)
_NO_PYTHON = re.compile(
    r"python\S*: (?:command )?not found|no python interpreter|module interpreter .* was not found|python\S*: no such file", re.IGNORECASE
)


class HostResult(Struct, frozen=True, kw_only=True):
    """How a host's attempt ended."""

    exit: Annotated[int, Meta(ge=0, le=255)] = DONE
    message: Annotated[str, Meta(max_length=512)] = ""
    unreachable: bool = False
    """True if Ansible could not reach it, or lost it: nothing is known of the rest of its tasks."""
    wrong_key: bool = False
    """True if it showed another host key."""
    gives: dict[str, Json] = {}


class _Host:
    __slots__ = ("changed", "exit", "facts", "failure", "gives", "lost", "no_python", "task")

    def __init__(self) -> None:
        self.task = ""
        """The task whose heading its log has."""
        self.failure = ""
        self.changed = ""
        """The first task that changed something."""
        self.lost = ""
        self.no_python = False
        self.gives: dict[str, Json] = {}
        self.facts: dict[str, Json] = {}
        """By the names of the facts."""
        self.exit: Json = DONE


class Story:
    """Takes the events of one run in their order."""

    def __init__(self, hosts: Iterable[str], check: bool, gives: Iterable[str] = ()) -> None:
        """`gives`: names of what the role gives."""
        self._hosts = {name: _Host() for name in hosts}
        self._facts = {give: (f"ansible_{plain}", plain) for give in gives for plain in [give.replace("-", "_")]}
        self._check = check
        self._stats: Mapping[str, Mapping[str, int]] = {}
        self._broken_off = False
        self._complaint = ""
        """The first line without a host that complains."""

    def take(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Host -> the text that its log gets. The key "" is the text for all hosts."""
        kind = str(event.get("event", ""))
        text = clean_lines(str(event.get("stdout") or ""))
        data = event.get("event_data")
        data = data if isinstance(data, Mapping) else {}
        if kind == "playbook_on_no_hosts_remaining":
            self._broken_off = True
        elif kind == "playbook_on_stats":
            self._stats = {key: value for key, value in data.items() if isinstance(value, Mapping)}
            return {}
        elif kind.startswith("runner_"):
            return self._of_host(kind, data, text)
        elif kind.startswith("playbook_on_task_start"):
            return {}
        if not self._complaint and re.search(r"\berror\b", text, re.IGNORECASE):
            self._complaint = shorten(" ".join(text.split()), MAX_MESSAGE)
        return {"": f"{text}\n"} if text.strip() else {}

    def _of_host(self, kind: str, data: Mapping[str, Any], text: str) -> dict[str, str]:
        name = str(data.get("host", ""))
        host = self._hosts.get(name)
        if host is None:
            return {}
        task = shorten(clean(str(data.get("task", "") or data.get("task_action", ""))), 120)
        result = data.get("res")
        result = result if isinstance(result, Mapping) else {}
        if kind == "runner_on_failed" and not data.get("ignore_errors"):
            host.failure = _failure(task, result)
            host.no_python = (_failed_part(result) or result).get("rc") == 127 and _NO_PYTHON.search(_said(result)) is not None
        elif kind == "runner_on_unreachable":
            host.lost = _failure(task, result)
        elif kind == "runner_on_ok":
            if result.get("changed") and not host.changed:
                host.changed = task
            _set_stats(host, result.get("ansible_stats"))
        if kind in ("runner_on_ok", "runner_item_on_ok"):
            self._take_facts(host, result.get("ansible_facts"))
        if not text.strip():
            return {}
        heading = "" if host.task == task else f"\nTASK [{task}]\n"
        host.task = task
        return {name: f"{heading}{text}\n"}

    def results(self, code: int) -> dict[str, HostResult]:
        """How each host's attempt ended, after ansible-playbook ended with `code`."""
        return {name: self._result(name, host, code) for name, host in self._hosts.items()}

    def _result(self, name: str, host: _Host, code: int) -> HostResult:
        if self._count("dark", name) or (host.lost and not self._count("processed", name)):
            message = host.lost or "Ansible could not reach it"
            return HostResult(exit=FAILED, message=message, unreachable=True, wrong_key=_HOST_KEY.search(message) is not None)
        if self._count("failures", name):
            message = host.failure or "a task failed"
            if host.no_python:
                return HostResult(exit=NO_TOOL, message=message)
            return HostResult(exit=NOT_SO if self._check else FAILED, message=message)
        if code not in _RUN_ENDS:
            return HostResult(exit=FAILED, message=self._complaint or f"ansible-playbook ended with exit code {code}")
        if self._broken_off:
            return HostResult(exit=FAILED, message="the play ended early, because a task failed on another node")
        if not self._count("processed", name):
            return HostResult(exit=FAILED, message=self._complaint or "no play of the playbook is for this node")
        if self._check and self._count("changed", name):
            return HostResult(exit=NOT_SO, message=f"{host.changed}: it would change something")
        if self._check:
            return HostResult(gives=self._gives(host))
        if host.exit not in (DONE, DONE_REBOOT, AGAIN, AGAIN_REBOOT):
            return HostResult(exit=FAILED, message=f"{EXIT} must be 0, 64, 128 or 192, not {shorten(clean(str(host.exit)), 40)}")
        return HostResult(exit=int(host.exit), gives=self._gives(host))

    def _take_facts(self, host: _Host, facts: Any) -> None:
        if isinstance(facts, Mapping):
            host.facts |= {name: facts[name] for names in self._facts.values() for name in names if name in facts}

    def _gives(self, host: _Host) -> dict[str, Json]:
        facts = {give: host.facts[name] for give, names in self._facts.items() for name in names if name in host.facts}
        return facts | host.gives

    def _count(self, what: str, name: str) -> int:
        found = self._stats.get(what, {}).get(name, 0)
        return found if isinstance(found, int) else 0


def _set_stats(host: _Host, stats: Any) -> None:
    """What one task `set_stats` says of its host."""
    data = stats.get("data") if isinstance(stats, Mapping) else None
    if isinstance(data, Mapping):
        host.exit = data.get(EXIT, host.exit)
        gives = data.get(GIVES)
        host.gives |= {str(key): value for key, value in gives.items()} if isinstance(gives, Mapping) else {}


def _failure(task: str, result: Mapping[str, Any]) -> str:
    """`TASK: what it said`, on one line."""
    return shorten(" ".join(clean(f"{task}: {_said(result)}").split()), MAX_MESSAGE)


def _said(result: Mapping[str, Any]) -> str:
    """The most telling text of a result. A loop's own message says only that an item failed."""
    inner = _failed_part(result)
    if inner is not None:
        return _said(inner)
    parts = [str(result[key]).strip() for key in ("msg", "stderr", "module_stderr", "module_stdout") if result.get(key)]
    if len(parts) > 1 and parts[0].lower().startswith(_GENERIC):
        return " ".join(parts[1:])
    return parts[0] if parts else "it failed without a message"


def _failed_part(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first part of a result that failed: an item of a loop, or one of several modules."""
    modules = result.get("failed_modules")
    parts = [*(result.get("results") or ()), *(modules.values() if isinstance(modules, Mapping) else ())]
    return next((one for one in parts if isinstance(one, Mapping) and one.get("failed")), None)


def clean_lines(text: str) -> str:
    """The text without control sequences, line by line."""
    return "\n".join(clean(line) for line in text.replace("\r", "").split("\n")).strip("\n")
