"""A fake of the engine's side of the agent's calls."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from node_shell import task_tar

Body = dict[str, Any]


class Engine:
    """A fake of the engine's side: orders to give, and all that was said to it."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.orders: list[Body] = []
        self.tasks: dict[str, bytes] = {}
        self.hellos: list[Body] = []
        self.byes: list[Body] = []
        self.progress: list[Body] = []
        self.results: list[Body] = []
        self.logs: dict[str, bytearray] = {}
        self.refusal = 401
        self.unauthorized = 0
        self.polls = 0
        self.token = ""
        self.hello_status: list[int] = []
        """Answers of the next hellos; 200 after."""
        self.result_status: list[int] = []
        self.acknowledge: list[bool] = []
        self.task_status: list[int] = []
        self.log_status: list[int] = []
        self.cut_task = 0
        self.time: Any = None
        """What the answer of a hello says that it is."""
        self.fingerprint = ""
        """The same of the claim."""
        self.server: ThreadingHTTPServer | None = None
        self.port = 0

    def up(self) -> None:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_GET(self) -> None:
                engine.get(self)

            def do_POST(self) -> None:
                engine.post(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def order(self, **order: Any) -> None:
        with self.lock:
            self.orders.append(order)
            self.lock.notify_all()

    def run(self, id: str, script: str, timeout: float = 60) -> None:
        self.tasks[id] = task_tar(script)
        self.order(do="run", id=id, timeout=timeout)

    @staticmethod
    def answer(http: BaseHTTPRequestHandler, status: int, body: Body | bytes | None = None) -> None:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body, indent=1).encode()
        http.send_response(status)
        if status != 204:
            http.send_header("Content-Length", str(len(raw)))
        http.end_headers()
        http.wfile.write(raw)

    def authorized(self, http: BaseHTTPRequestHandler) -> bool:
        if self.token and http.headers["Authorization"] == f"Bearer {self.token}":
            return True
        self.unauthorized += 1
        self.answer(http, self.refusal, {"code": "token", "message": "unknown token"})
        return False

    def get(self, http: BaseHTTPRequestHandler) -> None:
        if not self.authorized(http):
            return
        if http.path.partition("?")[0] == "/agent/next":
            self.polls += 1
            with self.lock:
                self.lock.wait_for(lambda: self.orders, 0.3)
                order = self.orders.pop(0) if self.orders else None
            self.answer(http, 200, order) if order else self.answer(http, 204)
            return
        tar = self.tasks[http.path.removeprefix("/agent/task/")]
        if self.task_status:
            self.answer(http, self.task_status.pop(0))
        elif self.cut_task:
            http.send_response(200)
            http.send_header("Content-Length", str(len(tar)))
            http.end_headers()
            http.wfile.write(tar[: self.cut_task])
            self.cut_task = 0
            http.close_connection = True
        else:
            self.answer(http, 200, tar)

    def post(self, http: BaseHTTPRequestHandler) -> None:
        raw = http.rfile.read(int(http.headers["Content-Length"]))
        path, _, query = http.path.partition("?")
        if path == "/agent/hello":
            self.hellos.append(json.loads(raw))
            status = self.hello_status.pop(0) if self.hello_status else 200
            if status == 200:
                self.token = f"tok.{len(self.hellos)}"
                more = {} if self.time is None else {"time": self.time}
                more |= {"fingerprint": self.fingerprint} if self.fingerprint else {}
                self.answer(http, 200, {"node": "n1", "token": self.token, "name": "node-1.r07.example.net", **more})
            else:
                self.answer(http, status, {"code": "second_claim", "message": "another machine has claimed this boot"})
            return
        if not self.authorized(http):
            return
        if path == "/agent/log":
            fields = dict(field.split("=") for field in query.split("&"))
            log = self.logs.setdefault(fields["id"], bytearray())
            at = int(fields["offset"])
            if self.log_status:
                self.answer(http, self.log_status.pop(0))
                return
            assert at <= len(log)
            log[at : at + len(raw)] = raw
            self.answer(http, 200, {"offset": len(log)})
            return
        body = json.loads(raw)
        if path == "/agent/progress":
            self.progress.append(body)
            self.answer(http, 204)
        elif path == "/agent/result":
            self.results.append(body)
            status = self.result_status.pop(0) if self.result_status else 200
            if status == 200:
                self.answer(http, 200, {"acknowledged": self.acknowledge.pop(0) if self.acknowledge else True})
            else:
                self.answer(http, status)
        else:
            assert path == "/agent/bye"
            self.byes.append(body)
            self.answer(http, 200, {})
