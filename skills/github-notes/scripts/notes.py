#!/usr/bin/env python3
"""Notes as files in a repository at GitHub."""
import argparse
import base64
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.request

SAID = json.loads((pathlib.Path(__file__).parent.parent / "settings.json").read_text())
AT = f"https://api.github.com/repos/{SAID['owner']}/{SAID['repository']}/contents/notes"


def ask(path, body=None, missing=None):
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")
    if not token:
        sys.exit("there is no GITHUB_TOKEN: the owner's credential github needs env = \"GITHUB_TOKEN\"")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json", "User-Agent": "doorward-skill-notes"}
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(AT + path, data, headers, method="GET" if body is None else "PUT")
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404 and missing is not None:
            return missing
        sys.exit(f"GitHub or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def path(name):
    name = name.removesuffix(".md")
    if not re.fullmatch(r"\w[\w-]*(/\w[\w-]*){0,4}", name, re.ASCII):
        sys.exit(f"{name!r} is no name of a note; write it like recipes/bread")
    return f"/{name}.md"


def show(said):
    folder = "/" + said.folder if said.folder else ""
    if said.folder and not re.fullmatch(r"\w[\w-]*(/\w[\w-]*){0,4}", said.folder, re.ASCII):
        sys.exit(f"{said.folder!r} is no folder of notes")
    found = ask(folder, missing=[])
    for one in found:
        name = one["path"].removeprefix("notes/")
        print(f"{name}/" if one["type"] == "dir" else f"{name.removesuffix('.md')}  {one['size']} bytes")
    if not found:
        print("There are no notes.")


def read(said):
    print(base64.b64decode(ask(path(said.note))["content"]).decode(errors="replace"))


def write(said):
    try:
        text = pathlib.Path(said.file).read_bytes()
    except OSError as error:
        sys.exit(f"{said.file} cannot be read: {error}")
    old = ask(path(said.note), missing={})
    body = {"message": said.why, "content": base64.b64encode(text).decode()}
    if "sha" in old:
        body["sha"] = old["sha"]
    ask(path(said.note), body)
    print(f"written: {said.note}, {len(text)} bytes")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    listing = commands.add_parser("list")
    listing.add_argument("folder", nargs="?")
    listing.set_defaults(run=show)
    reading = commands.add_parser("read")
    reading.add_argument("note")
    reading.set_defaults(run=read)
    writing = commands.add_parser("write")
    writing.add_argument("note")
    writing.add_argument("file")
    writing.add_argument("--why", default="a note")
    writing.set_defaults(run=write)
    said = reader.parse_args()
    said.run(said)


main()
