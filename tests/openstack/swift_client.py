"""A client of Swift for tests, which runs in the network of a lab. Arguments: the proxy's URL and a password of rack:retriever. Standard input:
a list of [method, path, base64 of the content or null]. Standard output: a list of [status, SHA-256 of the body, text of a short body]."""

import base64
import hashlib
import json
import sys
import urllib.error
import urllib.request


def main(url: str, password: str) -> None:
    known = {"X-Storage-User": "rack:retriever", "X-Storage-Pass": password}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/auth/v1.0", headers=known), timeout=60) as answer:
        token = answer.headers["X-Auth-Token"]
    out = []
    for method, path, content in json.load(sys.stdin):
        data = None if content is None else base64.b64decode(content)
        request = urllib.request.Request(f"{url}/v1/TEMP_rack{path}", data=data, method=method, headers={"X-Auth-Token": token})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
        out.append([status, hashlib.sha256(body).hexdigest(), body.decode("utf-8", "replace") if len(body) < 100_000 else ""])
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
