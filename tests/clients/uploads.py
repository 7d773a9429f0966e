"""Uploads as programs do it. Prints for each client and path the status and the code of what came back."""
import http.client, json, os, sys

import httpx, requests

HOST, FILE = "site.example", "upload"


def say(name, path, status, body):
    print(name, path, status, json.loads(body).get("code") if status != 200 else "")


for path in sys.argv[1:]:
    url = f"https://{HOST}{path}"
    with open(FILE, "rb") as body:
        connection = http.client.HTTPSConnection("127.0.0.1", 3128)
        connection.set_tunnel(HOST)
        connection.request("PUT", path, body=body, headers={"Content-Length": str(os.path.getsize(FILE))})
        answer = connection.getresponse()
        say("http.client", path, answer.status, answer.read())
    with open(FILE, "rb") as body:
        answer = requests.put(url, data=body)
        say("requests", path, answer.status_code, answer.content)
    # Over HTTP/2 it waits for ever for room to send more, whoever answers early.
    with open(FILE, "rb") as body, httpx.Client(timeout=100) as client:
        answer = client.put(url, content=body)
        say("httpx", path, answer.status_code, answer.content)
