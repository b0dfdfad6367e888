"""A WSGI application that tells which worker answers."""
import os


def app(environ, start_response):
    body = b"served by gunicorn, worker %d\n" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("Content-Length", str(len(body)))])
    return [body]
