#!/usr/bin/env python3
"""Read mail by JMAP (RFC 8620, 8621)."""
import argparse
import html
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

SAID = json.loads((pathlib.Path(__file__).parent.parent / "settings.json").read_text())
MAIL = "urn:ietf:params:jmap:mail"


def ask(path, body=None):
    token = os.environ.get("JMAP_TOKEN")
    if not token:
        sys.exit("there is no JMAP_TOKEN: the owner's credential jmap needs env = \"JMAP_TOKEN\"")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(f"https://{SAID['server']}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=45) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{SAID['server']} or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def call(*calls):
    session = ask(SAID["session"])
    account = session["primaryAccounts"][MAIL]
    path = urllib.parse.urlsplit(session.get("apiUrl", "")).path or SAID["api"]
    calls = [[name, {"accountId": account, **arguments}, str(at)] for at, (name, arguments) in enumerate(calls)]
    answers = ask(path, {"using": ["urn:ietf:params:jmap:core", MAIL], "methodCalls": calls})["methodResponses"]
    for name, answer, _ in answers:
        if name == "error":
            sys.exit(f"the server refuses: {answer.get('type')} {answer.get('description', '')}")
    return answers[-1][1]


def sender(mail):
    first = (mail.get("from") or [{}])[0]
    return f"{first.get('name') or ''} <{first.get('email', '')}>".strip()


def show(said):
    wanted = {}
    if said.unread:
        wanted["notKeyword"] = "$seen"
    if said.search:
        wanted["text"] = said.search
    if said.since:
        wanted["after"] = f"{said.since}T00:00:00Z"
    query = {"sort": [{"property": "receivedAt", "isAscending": False}], "limit": said.most, "filter": wanted or None}
    ids = {"resultOf": "0", "name": "Email/query", "path": "/ids"}
    properties = ["id", "from", "subject", "receivedAt", "preview", "hasAttachment"]
    found = call(("Email/query", query), ("Email/get", {"#ids": ids, "properties": properties}))["list"]
    for mail in found:
        files = ", with files" if mail.get("hasAttachment") else ""
        print(f"{mail['id']}  {mail.get('receivedAt', '')[:16]}  {sender(mail)}{files}\n  {mail.get('subject') or '(no subject)'}\n"
              f"  {' '.join((mail.get('preview') or '').split())[:200]}")
    if not found:
        print("There is no such mail.")


def plain(text):
    text = re.sub(r"(?is)<(script|style).*?</\1>", " ", text)
    text = re.sub(r"(?i)<br\s*/?>|</(p|div|tr|li|h\d)>", "\n", text)
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def read(said):
    properties = ["id", "from", "to", "cc", "subject", "receivedAt", "textBody", "htmlBody", "bodyValues", "attachments"]
    asked = {"ids": [said.id], "properties": properties, "fetchAllBodyValues": True, "maxBodyValueBytes": 200_000}
    found = call(("Email/get", asked))["list"]
    if not found:
        sys.exit(f"there is no message {said.id!r}; `list` prints ids")
    mail = found[0]
    people = lambda key: ", ".join(f"{one.get('name') or ''} <{one.get('email', '')}>".strip() for one in mail.get(key) or [])
    print(f"From: {sender(mail)}\nTo: {people('to')}\nDate: {mail.get('receivedAt', '')}\nSubject: {mail.get('subject') or ''}\n")
    for part in mail.get("textBody") or mail.get("htmlBody") or []:
        value = mail.get("bodyValues", {}).get(part.get("partId"), {}).get("value", "")
        value = plain(value) if part.get("type") == "text/html" else value
        print("\n".join(line.rstrip() for line in value.splitlines())[:60_000])
    for file in mail.get("attachments") or []:
        print(f"File: {file.get('name') or 'without a name'}, {file.get('type')}, {file.get('size', 0)} bytes")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    listing = commands.add_parser("list")
    listing.add_argument("--unread", action="store_true")
    listing.add_argument("--search", metavar="WORDS")
    listing.add_argument("--since", metavar="DAY")
    listing.add_argument("--most", type=int, default=15)
    listing.set_defaults(run=show)
    reading = commands.add_parser("read")
    reading.add_argument("id")
    reading.set_defaults(run=read)
    said = reader.parse_args()
    said.run(said)


main()
