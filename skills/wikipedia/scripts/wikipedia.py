#!/usr/bin/env python3
"""Search Wikipedia, or read an article as plain text."""
import argparse
import html
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request


def ask(language, **query):
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,15}", language):
        sys.exit(f"{language!r} is no language of Wikipedia; write it like en, de, ar")
    url = f"https://{language}.wikipedia.org/w/api.php?" + urllib.parse.urlencode(
        {"action": "query", "format": "json", "formatversion": 2, **query})
    request = urllib.request.Request(url, headers={"User-Agent": "doorward-skill-wikipedia/1"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"Wikipedia or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def search(said):
    found = ask(said.language, list="search", srsearch=said.what, srlimit=8)["query"]["search"]
    if not found:
        sys.exit(f"nothing was found for {said.what!r}")
    for one in found:
        words = html.unescape(re.sub(r"<[^>]+>", "", one.get("snippet", "")))
        print(f"{one['title']}: {' '.join(words.split())}")


def read(said):
    how = {} if said.whole else {"exintro": 1}
    pages = ask(said.language, prop="extracts|info", inprop="url", explaintext=1, redirects=1, titles=said.what, **how)
    page = pages["query"]["pages"][0]
    if page.get("missing") or not page.get("extract"):
        sys.exit(f"there is no article {said.what!r}; `search` finds titles")
    print(f"{page['title']} ({page.get('fullurl', 'Wikipedia')})\n\n{page['extract'][:60_000]}")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    for name, run in ("search", search), ("read", read):
        command = commands.add_parser(name)
        command.add_argument("what")
        command.add_argument("--language", default="en")
        command.add_argument("--whole", action="store_true", help="all of the article")
        command.set_defaults(run=run)
    said = reader.parse_args()
    said.run(said)


main()
