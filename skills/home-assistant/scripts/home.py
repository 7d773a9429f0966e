#!/usr/bin/env python3
"""Ask Home Assistant how things are, and switch them."""
import argparse
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.request

SAID = json.loads((pathlib.Path(__file__).parent.parent / "settings.json").read_text())
AT = f"https://{SAID['server']}:{SAID['port']}/api/"


def ask(path, body=None):
    token = os.environ.get("HOME_ASSISTANT_TOKEN") or os.environ.get("HASS_TOKEN")
    if not token:
        sys.exit("there is no HOME_ASSISTANT_TOKEN: the owner's credential home-assistant needs env = \"HOME_ASSISTANT_TOKEN\"")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(AT + path, data, headers), timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"Home Assistant or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def show(state):
    about = state.get("attributes", {})
    unit = f" {about['unit_of_measurement']}" if about.get("unit_of_measurement") else ""
    more = ", ".join(f"{key} {about[key]}" for key in ("temperature", "current_temperature", "brightness", "hvac_action")
                     if about.get(key) is not None)
    print(f"{state['entity_id']} ({about.get('friendly_name', '')}): {state['state']}{unit}{', ' + more if more else ''}")


def entity(text):
    if not re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", text):
        sys.exit(f"{text!r} is no id of a thing; `find` prints them")
    return text


def value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(dest="command", required=True)
    commands.add_parser("find").add_argument("words", nargs="*")
    commands.add_parser("show").add_argument("thing")
    do = commands.add_parser("do")
    for name in "domain", "service", "thing":
        do.add_argument(name)
    do.add_argument("--with", dest="more", action="append", default=[], metavar="KEY=VALUE")
    said = reader.parse_args()
    if said.command == "find":
        words = [word.lower() for word in said.words]
        told = 0
        for state in ask("states"):
            name = f"{state['entity_id']} {state.get('attributes', {}).get('friendly_name', '')}".lower()
            if all(word in name for word in words) and told < 60:
                show(state)
                told += 1
        if not told:
            print("Nothing has these words in its name.")
    elif said.command == "show":
        show(ask(f"states/{entity(said.thing)}"))
    else:
        if not re.fullmatch(r"[a-z_]+", said.domain) or not re.fullmatch(r"[a-z_]+", said.service):
            sys.exit("a service is written like light turn_on")
        body = {"entity_id": entity(said.thing), **{key: value(text) for key, _, text in (one.partition("=") for one in said.more)}}
        changed = ask(f"services/{said.domain}/{said.service}", body)
        for state in changed if isinstance(changed, list) else []:
            show(state)
        if not changed:
            print("Done; nothing is other than it was.")


main()
