"""How Starlette, and so FastAPI, reads a request: /usr/bin/python3 asgi.py PORT"""
import sys
import urllib.parse

import starlette
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    try:
        form = {name: str(value) for name, value in (await request.form()).multi_items()}
    except Exception:  # What it refuses, it does not read.
        form = {}
    reading = {"framework": f"Starlette {starlette.__version__}", "method": request.method,
               "path": urllib.parse.quote(scope["path"], safe=""),
               "query": dict(request.query_params), "form": form}
    await JSONResponse([reading])(scope, receive, send)


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="off")
