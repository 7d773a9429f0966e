"""How Django and Flask read a request: /usr/bin/python3 wsgi.py PORT"""
import io
import json
import sys
import urllib.parse
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
import flask
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest

settings.configure(DEBUG=False, DATA_UPLOAD_MAX_NUMBER_FIELDS=None)
django.setup()

METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")


def lists(read):
    try:
        return {name: values for name, values in read().lists()}
    except Exception:  # What it refuses, it does not read.
        return {}


def escaped(path):
    return urllib.parse.quote(path, safe="")


def replaced(method, form, environ):
    """Django REST framework before 3.3 took the form's `_method`, Flask's documents the header."""
    said = form.get("_method", [""])[-1] or environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "")
    return said.upper() if method == "POST" and said.upper() in METHODS else method


def as_django(environ):
    request = WSGIRequest(environ)
    form = lists(lambda: request.POST)
    return {"framework": f"Django {django.__version__}", "method": replaced(request.method, form, environ),
            "path": escaped(request.path), "query": lists(lambda: request.GET), "form": form}


def as_flask(environ):
    request = flask.Request(environ)
    form = lists(lambda: request.form)
    return {"framework": f"Flask {flask.__version__}", "method": replaced(request.method, form, environ),
            "path": escaped(request.path), "query": lists(lambda: request.args), "form": form}


def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    readings = [read(dict(environ, **{"wsgi.input": io.BytesIO(body)})) for read in (as_django, as_flask)]
    answer = json.dumps(readings).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass

    def address_string(self):
        return ""


class Server(WSGIServer):
    request_queue_size = 64


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
server.set_app(app)
server.serve_forever()
