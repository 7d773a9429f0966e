#!/usr/bin/env python3
"""Read RSS and Atom feeds, and tell what is new."""
import argparse
import html
import json
import os
import re
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as tree

FOLLOWED, SEEN, MOST = "/workspace/group/feeds.txt", "/workspace/group/.feeds.json", 2000


def fetch(url):
    request = urllib.request.Request(url, headers={"User-Agent": "doorward-skill-feeds/1"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = answer.read(8 << 20)
    if b"<!ENTITY" in body[:20_000]:
        raise ValueError("it defines entities, which no feed needs")
    return tree.fromstring(body)


def plain(text):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text or "")).split())


def entries(feed):
    local = lambda one: one.tag.rsplit("}", 1)[-1]
    for item in (one for one in feed.iter() if local(one) in ("item", "entry")):
        parts = {}
        for part in item:
            name = local(part)
            if name == "link" and part.get("href") and part.get("rel", "alternate") == "alternate":
                parts.setdefault("link", part.get("href"))
            elif "".join(part.itertext()).strip():
                parts.setdefault(name, "".join(part.itertext()).strip())
        words = plain(parts.get("description") or parts.get("summary") or parts.get("content"))
        when = parts.get("pubDate") or parts.get("published") or parts.get("updated") or parts.get("date") or ""
        link = parts.get("link", "")
        yield {"id": parts.get("guid") or parts.get("id") or link or parts.get("title", ""), "title": plain(parts.get("title")),
               "link": link, "when": when, "words": words[:300]}


def show(entry):
    print(f"- {entry['title']} ({entry['when']})\n  {entry['link']}\n  {entry['words']}")


def read(url):
    try:
        return list(entries(fetch(url)))
    except urllib.error.HTTPError as error:
        print(f"{url}: answered {error.code}: {error.read(500).decode(errors='replace')}", file=sys.stderr)
    except (urllib.error.URLError, ValueError, TimeoutError, tree.ParseError) as error:
        print(f"{url}: cannot be read: {error}", file=sys.stderr)
    return None


def new(keep):
    try:
        with open(FOLLOWED, encoding="utf-8") as file:
            urls = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        sys.exit(f"there is no {FOLLOWED}; write the address of a feed into each line")
    try:
        with open(SEEN, encoding="utf-8") as file:
            seen = json.load(file)
    except (FileNotFoundError, ValueError):
        seen = {}
    count, failed = 0, 0
    for url in urls:
        found = read(url)
        if found is None:
            failed += 1
            continue
        known = set(seen.get(url, []))
        fresh = [entry for entry in found if entry["id"] not in known]
        if fresh:
            print(f"{url}: {len(fresh)} new")
            for entry in fresh[:30]:
                show(entry)
        count += len(fresh)
        seen[url] = (seen.get(url, []) + [entry["id"] for entry in fresh])[-MOST:]
    if not keep:
        with open(SEEN + ".new", "w", encoding="utf-8") as file:
            json.dump({url: ids for url, ids in seen.items() if url in urls}, file)
        os.replace(SEEN + ".new", SEEN)
    if count == 0 and not failed:
        print("Nothing is new.")
    sys.exit(1 if failed else 0)


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(dest="command", required=True)
    commands.add_parser("new").add_argument("--keep", action="store_true", help="remember nothing")
    commands.add_parser("read").add_argument("url")
    said = reader.parse_args()
    if said.command == "new":
        new(said.keep)
    found = read(said.url)
    if found is None:
        sys.exit(1)
    for entry in found[:50]:
        show(entry)


main()
