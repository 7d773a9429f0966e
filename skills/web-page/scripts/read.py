#!/usr/bin/env python3
"""Read a web page as plain text."""
import argparse
import html.parser
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

LEFT_OUT = {"script", "style", "noscript", "template", "svg", "nav", "footer", "aside", "form", "button", "iframe",
            "select", "dialog"}
BLOCKS = {"p", "div", "section", "article", "main", "header", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ul", "ol", "tr",
          "table", "blockquote", "pre", "figure", "figcaption", "dd", "dt", "br", "hr"}
NEVER_CLOSED = {"br", "hr", "img", "input", "meta", "link", "source", "wbr", "area", "base", "col", "embed", "track"}
ASIDE = re.compile(r"(^|[-_ ])(ads?|advert\w*|banner|breadcrumbs?|comments?|cookie\w*|menu|nav\w*|newsletter|popup|promo\w*|"
                   r"related|share|sharing|sidebar|social|sponsor\w*|subscribe)([-_ ]|$)", re.I)


class Page(html.parser.HTMLParser):
    """Takes a page apart into blocks of text, and weighs what they stand in."""

    def __init__(self, base):
        super().__init__()
        self.base, self.open, self.title, self.blocks, self.links = base, [], "", [], []
        self.text, self.in_links, self.skips, self.found = "", 0, 0, False

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in BLOCKS:
            self.end_block()
        if tag in NEVER_CLOSED:
            return
        words = f"{attrs.get('class') or ''} {attrs.get('id') or ''} {attrs.get('role') or ''}"
        hidden = "hidden" in attrs or attrs.get("aria-hidden") == "true"
        skip = tag in LEFT_OUT or hidden or (tag not in ("html", "body", "main", "article") and bool(ASIDE.search(words)))
        main = tag in ("article", "main") or attrs.get("role") == "main"
        self.open.append((tag, skip, main, attrs.get("href") if tag == "a" else None, len(self.text)))
        self.skips += skip
        self.found |= main

    def handle_endtag(self, tag):
        if all(entry[0] != tag for entry in self.open):
            return
        if tag in BLOCKS:
            self.end_block()
        while self.open:
            name, skip, _, href, begun = self.open.pop()
            self.skips -= skip
            if href and not self.skips:
                words = self.text[begun:].strip()
                self.in_links += len(words)
                address = urllib.parse.urljoin(self.base, href)
                if words and address.startswith(("http://", "https://")):
                    self.links.append((" ".join(words.split()), address))
            if name == tag:
                break

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "title" and not self.title:
            self.title = " ".join(data.split())
        elif not self.skips and not any(entry[0] == "head" for entry in self.open):
            self.text += data

    def end_block(self):
        heading = next((entry[0] for entry in reversed(self.open) if re.fullmatch(r"h[1-6]", entry[0])), None)
        kept = any(entry[0] == "pre" for entry in self.open)
        words = self.text.strip("\n") if kept else " ".join(self.text.split())
        listed = any(entry[0] == "li" for entry in self.open)
        if words:
            self.blocks.append((any(entry[2] for entry in self.open), heading, listed, words, self.in_links))
        self.text, self.in_links = "", 0

    def read(self):
        self.end_block()
        lines = []
        for main, heading, listed, words, in_links in self.blocks:
            # Outside of what says that it is the text, a short piece or one of links alone is a menu.
            if self.found and not main or not self.found and not heading and (len(words) < 25 or in_links > len(words) / 2):
                continue
            lines.append(f"# {words}" if heading else f"- {words}" if listed else words)
        return "\n\n".join(lines)


def fetch(url):
    request = urllib.request.Request(url, headers={
        "User-Agent": "Mozilla/5.0 (compatible; doorward-skill-web-page/1)", "Accept": "text/html,text/plain;q=0.8"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            kind = answer.headers.get_content_type()
            body = answer.read(4 << 20)
            named = answer.headers.get_content_charset() or re.search(rb"charset=[\"']?([\w-]+)", body[:2000])
            charset = named if isinstance(named, str) else named[1].decode() if named else "utf-8"
            try:
                return answer.geturl(), kind, body.decode(charset, "replace")
            except LookupError:
                return answer.geturl(), kind, body.decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        sys.exit(f"the site or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"the page cannot be read: {error}")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("url")
    reader.add_argument("--links", action="store_true", help="the addresses behind links, too")
    said = reader.parse_args()
    url, kind, text = fetch(said.url)
    if kind not in ("text/html", "application/xhtml+xml"):
        if not kind.startswith("text/") and kind != "application/json":
            sys.exit(f"it is no page, but {kind}; fetch it as a file")
        print(text[:60_000])
        return
    page = Page(url)
    page.feed(text)
    page.close()
    print(f"{page.title} ({url})\n\n{page.read()[:60_000]}")
    if said.links:
        print("\nLinks:")
        for at, (words, address) in enumerate(page.links[:100], 1):
            print(f"{at}. {words}: {address}")


main()
