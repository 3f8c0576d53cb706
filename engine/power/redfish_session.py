"""One conversation with a Redfish service (DMTF DSP0266): a login, resources as JSON, changes and their tasks, a logout.

Rules
* It uses a session if the service has sessions (DSP0266 13.3.4). Otherwise, or if all sessions are in use, it sends the account with
  each request (HTTP Basic). Both go over the line whose certificate was recognised (`redfish_line`). A session is ended, because BMCs
  have few. A session that the BMC forgot (it restarts, for example) is opened again, at most twice.
* A change carries the ETag of the resource. If the tag is out of date, or the service wants another form, the resource is read again,
  once.
* The service's words reach a message only as 160 printable characters without the password.
"""

from __future__ import annotations

import base64
import re
import time
from contextlib import suppress
from urllib.parse import urlsplit

from msgspec import structs

from . import FailureKind, SessionFailed
from .redfish_body import LARGEST, LARGEST_REGISTRY, Json, member, message_ids, pointed, rows, words
from .redfish_line import HOLDERS, ROOT, Answer, Line, service_root

_LOGOUT_S = 2.0
_UNKNOWN = (404, 405, 410, 501)
_FULL = re.compile(r"(?i)sessionlimit|session.{0,40}(exceed|limit|maximum|in use)|(exceed|limit|maximum).{0,40}session")
_LOGINS, _PAGES = 3, 32
_ENDED_BADLY = ("Exception", "Killed", "Cancelled", "Interrupted")


class RedfishSession:
    """`with RedfishSession(line, user, password) as session: session.get("/redfish/v1/Systems/1")`. Every method raises `SessionFailed`."""

    def __init__(self, line: Line, user: str, password: str) -> None:
        """Logs in. If that fails, the line is closed."""
        self._line = line
        self._account = (user, password)
        self._headers: dict[str, str] = {}
        self._own = ""
        """Path of the session, for the logout."""
        self._logins = 0
        try:
            self.root = service_root(line)
            self._log_in()
        except BaseException:
            line.close()
            raise

    @property
    def deadline(self) -> float:
        return self._line.deadline

    def __enter__(self) -> RedfishSession:
        return self

    def __exit__(self, *_exception: object) -> None:
        line = self._line
        line.gives_way, line.yields = lambda: False, False
        try:
            if self._own:
                line.deadline = time.monotonic() + _LOGOUT_S
                with suppress(SessionFailed):  # it forgets an idle session
                    line.ask("DELETE", self._own, self._headers)
        finally:
            line.close()

    def path(self, said: Json, base: str = ROOT) -> str:
        return self._line.path(said, base)

    def get(self, said: Json, base: str = ROOT) -> Answer:
        """The resource. `said` is the BMC's text, or `{"@odata.id": path}`. With a `#`, the object inside the resource."""
        path, _, pointer = self.path(said, base).partition("#")
        answer = self._asked("GET", path, None, {})
        self._judged(answer, path)
        if not pointer.startswith("/"):
            return answer
        part = pointed(answer.body, pointer)
        if part is None:
            raise SessionFailed("unsupported", f"there is nothing at {path}#{pointer}")
        return structs.replace(answer, body=part)

    def get_registry(self, said: Json) -> Answer:
        """A registry of settings, which may be longer than other answers."""
        self._line.largest = LARGEST_REGISTRY
        try:
            return self.get(said)
        finally:
            self._line.largest = LARGEST

    def members(self, said: Json, most: int) -> list[Json]:
        """The members of a collection, page by page: links, or the resources if the service includes them. A few more than
        `most` at most; 32 pages."""
        found: list[Json] = []
        seen: set[str] = set()
        while said is not None and len(found) < most and len(seen) < _PAGES:
            path = self.path(said)
            if path in seen:
                break
            seen.add(path)
            body = self.get(path).body
            found += rows(body.get("Members"))
            said = body.get("Members@odata.nextLink") or body.get("@odata.nextLink")
        return found

    def post(self, said: Json, body: Json, base: str = ROOT) -> Answer:
        path = self.path(said, base)
        return self._judged(self._asked("POST", path, body, {}), path)

    def push(self, said: Json, content: bytes, kind: str) -> Answer:
        """Posts octets of this media type."""
        path = self.path(said)
        return self._judged(self._asked("POST", path, content, {"Content-Type": kind}), path)

    def tried(self, said: Json) -> Answer:
        """A resource with its status, whatever that is: for one that may be gone."""
        return self._asked("GET", self.path(said), None, {})

    def delete(self, said: Json) -> Answer:
        path = self.path(said)
        return self._judged(self._asked("DELETE", path, None, {}), path)

    def patch(self, path: str, body: Json, seen: Answer) -> Answer:
        """Changes a resource that was read before. Sends an ETag if the service wants one."""
        path = self.path(path)
        answer = self._asked("PATCH", path, body, {"If-Match": seen.etag} if seen.etag else {})
        if answer.status in (412, 428):
            tag = _other_tag(self.get(path), seen.etag)
            answer = self._asked("PATCH", path, body, {"If-Match": tag} if tag else {})
        return self._judged(answer, path)

    def task_of(self, answer: Answer) -> str:
        """Where to ask for the result of a change that was only accepted (202; DSP0266 12.2). Empty: nowhere."""
        if answer.status != 202:
            return ""
        with suppress(SessionFailed):
            return self.path(answer.headers.get("Location") or answer.body.get("@odata.id"))
        return ""

    def task_failed(self, path: str) -> str:
        """Why a task failed. Empty: it continues, has succeeded, or nobody knows it any more; then the changed resource tells more."""
        answer = self._asked("GET", path, None, {})
        state = answer.body.get("TaskState")
        if state in _ENDED_BADLY:
            return f"its task ended as {state}{self._words(answer)}"
        if 400 <= answer.status < 500 and answer.status not in (*_UNKNOWN, 401, 403):
            return (
                f"its task was refused (HTTP {answer.status}){self._words(answer)}"  # a monitor answers as the change would have answered
            )
        return ""

    def _judged(self, answer: Answer, path: str) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise self._refusal(answer, path)

    def _asked(self, method: str, path: str, body: Json, headers: dict[str, str]) -> Answer:
        answer = self._line.ask(method, path, self._headers | headers, body)
        if answer.status == 401 and "X-Auth-Token" in self._headers and self._logins < _LOGINS:
            self._log_in()
            answer = self._line.ask(method, path, self._headers | headers, body)
        return answer

    # Logins

    def _log_in(self) -> None:
        self._logins += 1
        self._headers, self._own = {}, ""
        sessions = member(self.root, "Links").get("Sessions")
        if isinstance(sessions, dict) and self._opened(self._line.path(sessions)):
            return
        account = base64.b64encode("{}:{}".format(*self._account).encode()).decode()
        self._headers = {"Authorization": f"Basic {account}"}
        something = next(self.root[name] for name in HOLDERS if isinstance(self.root.get(name), dict))
        tried = self._line.ask("GET", self._line.path(something), self._headers)
        if tried.status == 401:
            raise SessionFailed("authentication", f"login refused{self._words(tried)}")

    def _opened(self, path: str) -> bool:
        """A session. False: the service has none, or none left."""
        user, password = self._account
        answer = self._line.ask("POST", path, {}, {"UserName": user, "Password": password}, patient=lambda answer: not _is_full(answer))
        if answer.status in _UNKNOWN or _is_full(answer):
            return False
        if answer.status in (400, 401):
            raise SessionFailed("authentication", f"login refused{self._words(answer)}")
        self._judged(answer, path)
        token, own = answer.headers.get("X-Auth-Token", ""), answer.headers.get("Location", answer.body.get("@odata.id", ""))
        if not re.fullmatch(r"[!-~]{1,1000}", token):
            raise SessionFailed("unsupported", "it took the login and gave no token")
        self._headers = {"X-Auth-Token": token}
        with suppress(ValueError, SessionFailed):  # then it ends by itself, like idle sessions
            plain = urlsplit(str(own)).path
            self._own = self._line.path(plain) if plain.startswith("/") else ""
        return True

    # What it says about an error

    def _refusal(self, answer: Answer, path: str) -> SessionFailed:
        status = answer.status
        kind: FailureKind = "refused"
        if status in _UNKNOWN:
            kind, said = "unsupported", f"it does not know {path} (HTTP {status})"
        elif 300 <= status < 400:
            said = f"it answers with a redirect (HTTP {status}) that leads to another host or nowhere, and those are not followed"
        elif status == 401:
            said = "it has forgotten the session (HTTP 401)"
        elif status == 403:
            said = "the account may not do that, or its password must be changed first (HTTP 403)"
        elif status >= 500:
            said = f"it failed (HTTP {status})"
        else:
            said = f"it would not (HTTP {status})"
        return SessionFailed(kind, f"{said}{self._words(answer)}", passing=status == 429 or status >= 500)

    def _words(self, answer: Answer) -> str:
        text = words(answer.body)
        if self._account[1]:
            text = text.replace(self._account[1], "***")
        return f": {text[:160].strip()}" if text else ""


def _is_full(answer: Answer) -> bool:
    """True if the answer says that all sessions are in use. Services say so with 400, 403, 503 and others."""
    return answer.status >= 400 and answer.status != 401 and _FULL.search(message_ids(answer.body)) is not None


def _other_tag(fresh: Answer, sent: str) -> str:
    """The next If-Match after `sent` was refused: the new tag, in strong form, which some services require although they send weak
    ones (RFC 9110 8.8.3). If it is the same again, another form of it. Without any tag, any version (`*`)."""
    tag = fresh.etag
    strong = tag.removeprefix("W/").strip()
    quoted = strong if strong[:1] == '"' else f'"{strong}"'
    forms = (strong, strong.replace('-gzip"', '"'), fresh.own_etag, quoted) if tag else ("*",)  # Apache marks those of packed answers
    return next((one for one in forms if one and one != sent), "")
