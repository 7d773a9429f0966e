#!/usr/bin/env python3
"""Todo lists as plain files, a line for each thing."""
import argparse
import datetime
import os
import re
import sys

FOLDER = "/workspace/group/todo"
LINE = re.compile(r"- \[( |x)\] (.*)")
DUE, WHO = re.compile(r" due:(\d{4}-\d{2}-\d{2})\b"), re.compile(r" @(\w[\w-]*)")


def path(name):
    if not re.fullmatch(r"[\w][\w -]{0,40}", name):
        sys.exit(f"{name!r} is no name of a list; use letters, digits, blanks and hyphens")
    return os.path.join(FOLDER, f"{name}.md")


def read(name):
    try:
        with open(path(name), encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def write(name, lines):
    os.makedirs(FOLDER, exist_ok=True)
    with open(path(name) + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(path(name) + ".new", path(name))


def due(line):
    found = DUE.search(line)
    return found[1] if found else "9999"


def things(lines, done):
    """The places of what is open, or done, in the order in which it is shown."""
    places = [at for at, line in enumerate(lines) if (found := LINE.match(line)) and (found[1] == "x") == done]
    return places if done else sorted(places, key=lambda at: due(lines[at]))


def add(said):
    words = " ".join(said.what.split())
    if not words:
        sys.exit("say what is to be done")
    if said.due:
        try:
            datetime.date.fromisoformat(said.due)
        except ValueError:
            sys.exit(f"{said.due!r} is no day; write it like 2026-12-04")
        words += f" due:{said.due}"
    if said.who:
        words += " @" + re.sub(r"[^\w-]", "-", said.who)
    lines = read(said.list) or [f"# {said.list}", ""]
    if f"- [ ] {words}" in lines:
        sys.exit("that is on the list already")
    write(said.list, lines + [f"- [ ] {words}"])
    print(f"added to {said.list}: {words}")


def show(said):
    lines = read(said.list)
    places = things(lines, said.done)
    if not places:
        print(f"Nothing is {'done' if said.done else 'open'} on {said.list}.")
    today = datetime.date.today().isoformat()
    for number, at in enumerate(places, 1):
        late = " (overdue)" if not said.done and due(lines[at]) < today else ""
        print(f"{number}. {LINE.match(lines[at])[2]}{late}")


def done(said):
    lines = read(said.list)
    places = things(lines, False)
    if not 1 <= said.number <= len(places):
        sys.exit(f"there is no number {said.number} on {said.list}; `list` shows those there are")
    at = places[said.number - 1]
    lines[at] = lines[at].replace("- [ ]", "- [x]", 1)
    write(said.list, lines)
    print(f"done: {LINE.match(lines[at])[2]}")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    for name, run in ("add", add), ("list", show), ("done", done):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        if name == "add":
            command.add_argument("what")
            command.add_argument("--due", metavar="DAY")
            command.add_argument("--who", metavar="NAME")
        if name == "done":
            command.add_argument("number", type=int)
        if name == "list":
            command.add_argument("--done", action="store_true", help="what is done, instead")
        command.add_argument("--list", default="todo", metavar="NAME")
    said = reader.parse_args()
    said.run(said)


main()
