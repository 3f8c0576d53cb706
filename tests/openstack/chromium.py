"""Headless Chromium, by the DevTools protocol through two pipes (--remote-debugging-pipe), and the pixels of a PNG."""

from __future__ import annotations

import base64
import json
import os
import shutil
import struct
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

PROGRAM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
WAIT_S = 60.0


class Browser:
    """One tab. It trusts any certificate: the site's authority is proven elsewhere."""

    def __init__(self, profile: Path, before: list[str]) -> None:
        """`before`: words before the program, such as `ip netns exec NAME`."""
        self._before = before
        self._profile, self._number, self._events = profile, 0, list[dict[str, Any]]()
        self._session = ""
        self._buffer = b""

    def __enter__(self) -> Browser:
        assert PROGRAM, "Chromium is not installed"
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        argv = [
            *self._before,
            PROGRAM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._profile}",
        ]
        argv += ["--ignore-certificate-errors", "--force-color-profile=srgb", "--window-size=1280,900", "--no-first-run", "--disable-sync"]
        argv += ["--disable-component-update", "--disable-background-networking", "--no-proxy-server", "about:blank"]
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        environment = {**os.environ, "HOME": str(self._profile)}
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *argv], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL, env=environment
        )
        os.close(theirs_in)
        os.close(theirs_out)
        (tab,) = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=tab["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(30)
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": self._session} if self._session else {})}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]
            self._events.append(said)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._in, 1 << 20)
            assert piece, "Chromium has ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def complaints(self) -> list[str]:
        """What the page said to the console as errors. A refused login is one of the browser's own."""
        self.value("0")
        entries = [one["params"]["entry"] for one in self._events if one.get("method") == "Log.entryAdded"]
        thrown = [one["params"] for one in self._events if one.get("method") == "Runtime.exceptionThrown"]
        return [str(one["text"]) for one in entries if one["level"] == "error" and "401" not in one["text"]] + [str(one) for one in thrown]

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def value(self, expression: str) -> object:
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def wait(self, expression: str) -> None:
        until = time.monotonic() + WAIT_S
        while not self.value(f"!!({expression})"):
            assert time.monotonic() < until, (expression, self.value("document.body.innerText"))
            time.sleep(0.05)

    def _box(self, selector: str, scroll: bool = True) -> dict[str, float]:
        node = f"document.querySelector({json.dumps(selector)})"
        self.wait(node)
        move = f"{node}.scrollIntoView({{block: 'nearest'}});" if scroll else ""
        box = self.value(
            f"(() => {{ {move} const r = {node}.getBoundingClientRect(); return {{x: r.x, y: r.y, width: r.width, height: r.height}}; }})()"
        )
        assert isinstance(box, dict)
        return box

    def click(self, selector: str) -> None:
        """With the mouse, in the middle of what is there."""
        box = self._box(selector)
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def click_text(self, selector: str, text: str) -> None:
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find(one => one.innerText.includes({json.dumps(text)}))"
        self.wait(found)
        self.value(f"{found}.id = 'wanted-by-test'")
        self.click("#wanted-by-test")
        self.value("document.getElementById('wanted-by-test')?.removeAttribute('id')")

    def type(self, selector: str, text: str) -> None:
        self.click(selector)
        self.call("Input.insertText", text=text)

    def picture(self, selector: str) -> bytes:
        """PNG of what the screen shows of it."""
        box = {name: round(value) for name, value in self._box(selector).items()}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", clip={**box, "scale": 1})["data"])


def pixels(png: bytes) -> list[list[tuple[int, int, int]]]:
    """Rows of red, green and blue of a PNG with 8 bits (RFC 2083: chunks, and the five filters of a row)."""
    data, at, width, height, channels = b"", 8, 0, 0, 3
    while at < len(png):
        (size,), kind = struct.unpack_from("!I", png, at), png[at + 4 : at + 8]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from("!IIBB", png, at + 8)
            channels = {2: 3, 6: 4}[colour]
            assert depth == 8
        elif kind == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    raw, step, before, out = zlib.decompress(data), width * channels, bytearray(width * channels), []
    for row in range(height):
        start = row * (step + 1)
        line = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + step]), before, channels)
        out.append([(line[x], line[x + 1], line[x + 2]) for x in range(0, step, channels)])
        before = line
    return out


def _unfiltered(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    for x in range(len(line)):
        a, b, c = (line[x - channels], above[x], above[x - channels]) if x >= channels else (0, above[x], 0)
        p = a + b - c
        nearest = a if abs(p - a) <= abs(p - b) and abs(p - a) <= abs(p - c) else b if abs(p - b) <= abs(p - c) else c
        line[x] = (line[x] + (0, a, b, (a + b) // 2, nearest)[kind]) & 0xFF
    return line
