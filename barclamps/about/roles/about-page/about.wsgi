"""The page about a node: a WSGI program for gunicorn. Its text is in the file `about.txt` beside it."""

import os

import gunicorn

HERE = os.path.dirname(os.path.abspath(__file__))


def page(_environ, start_response):
    with open(os.path.join(HERE, "about.txt"), encoding="utf-8") as file:
        text = file.read()
    body = f"{text}server: gunicorn {gunicorn.__version__}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
