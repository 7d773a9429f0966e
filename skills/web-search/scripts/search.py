#!/usr/bin/env python3
"""Search the web through SearXNG."""
import argparse
import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

SERVER = json.loads((pathlib.Path(__file__).parent.parent / "settings.json").read_text())["server"]


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("what")
    reader.add_argument("--category", choices=("general", "news", "science", "it", "map", "images", "videos"), default="general")
    reader.add_argument("--time", choices=("day", "week", "month", "year"))
    reader.add_argument("--language", default="all")
    reader.add_argument("--most", type=int, default=8)
    said = reader.parse_args()
    query = {"q": said.what, "format": "json", "categories": said.category, "language": said.language}
    if said.time:
        query["time_range"] = said.time
    try:
        with urllib.request.urlopen(f"https://{SERVER}/search?{urllib.parse.urlencode(query)}", timeout=45) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{SERVER} or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")
    for answer in found.get("answers", []):
        print(f"Answer: {answer.get('answer', answer) if isinstance(answer, dict) else answer}\n")
    results = found.get("results", [])
    if not results:
        print(f"Nothing was found for {said.what!r}.")
    for number, one in enumerate(results[: said.most], 1):
        when = f" ({one['publishedDate'][:10]})" if one.get("publishedDate") else ""
        print(f"{number}. {one.get('title', '')}{when}\n   {one.get('url', '')}\n   {' '.join((one.get('content') or '').split())[:300]}")


main()
