#!/usr/bin/env python3
"""Read a document as plain text."""
import argparse
import html.parser
import os
import posixpath
import re
import sys
import xml.etree.ElementTree as tree
import zipfile
import zlib

MOST_BYTES, MOST_TEXT = 200 << 20, 400_000


class Unreadable(Exception):
    """Why a document has no text for us."""


# Packed formats: Word, Excel, PowerPoint, OpenDocument, EPUB.

def part(packed, name):
    info = packed.getinfo(name)
    if info.file_size > MOST_BYTES:
        raise Unreadable(f"{name} in it is too large")
    data = packed.read(info)
    if b"<!ENTITY" in data:
        raise Unreadable(f"{name} in it defines entities, which no document needs")
    return data


def local(element):
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def attribute(element, name):
    return next((value for key, value in element.attrib.items() if key.rsplit("}", 1)[-1] == name), None)


def words(element, breaks):
    """The text in an element; `breaks` says what ends a line, and what is a gap in one."""
    out = []
    for one in element.iter():
        name = local(one)
        if name == "t" or not breaks.get("only_t"):
            out.append(one.text or "")
        if name in ("tab", "s"):
            out.append(" ")
        if name in ("br", "cr", "line-break"):
            out.append("\n")
        if not breaks.get("only_t") and one is not element:
            out.append(one.tail or "")
    return "".join(out).strip()


def numbered(names, pattern):
    return sorted((name for name in names if re.fullmatch(pattern, name)), key=lambda name: int(re.findall(r"\d+", name)[-1]))


def docx(packed, said):
    for paragraph in tree.fromstring(part(packed, "word/document.xml")).iter():
        if local(paragraph) == "p":
            style = next((attribute(one, "val") or "" for one in paragraph.iter() if local(one) == "pStyle"), "")
            text = words(paragraph, {"only_t": True})
            if text:
                yield f"# {text}" if style.lower().startswith(("heading", "title")) else text


def pptx(packed, said):
    for number, name in enumerate(numbered(packed.namelist(), r"ppt/slides/slide\d+\.xml"), 1):
        if said.wants(number):
            yield f"# Slide {number}"
            for paragraph in tree.fromstring(part(packed, name)).iter():
                if local(paragraph) == "p" and (text := words(paragraph, {"only_t": True})):
                    yield text


def xlsx(packed, said):
    shared = []
    if "xl/sharedStrings.xml" in packed.namelist():
        strings = tree.fromstring(part(packed, "xl/sharedStrings.xml"))
        shared = [words(one, {"only_t": True}) for one in strings if local(one) == "si"]
    titles = [attribute(one, "name") for one in tree.fromstring(part(packed, "xl/workbook.xml")).iter() if local(one) == "sheet"]
    for number, name in enumerate(numbered(packed.namelist(), r"xl/worksheets/sheet\d+\.xml"), 1):
        if said.sheet and said.sheet != number:
            continue
        yield f"# Sheet {number}: {titles[number - 1] if number <= len(titles) else ''}"
        for row in (one for one in tree.fromstring(part(packed, name)).iter() if local(one) == "row"):
            cells = []
            for cell in (one for one in row if local(one) == "c"):
                found = next((one for one in cell.iter() if local(one) in ("v", "t")), None)
                value = found.text or "" if found is not None else ""
                if cell.get("t") == "s" and value.isdigit() and int(value) < len(shared):
                    value = shared[int(value)]
                letters = re.match(r"[A-Z]*", cell.get("r") or "")[0]
                place = sum((ord(one) - 64) * 26 ** at for at, one in enumerate(reversed(letters))) or len(cells) + 1
                cells += [""] * (min(place, 500) - 1 - len(cells)) + [value]
            if any(cells):
                yield "\t".join(cells)


def opendocument(packed, said):
    content = tree.fromstring(part(packed, "content.xml"))
    # The paragraphs in tables are told with their rows.
    told = {id(one) for cell in content.iter() if local(cell) == "table-cell" for one in cell.iter()}
    for one in content.iter():
        name = local(one)
        if name in ("table", "page"):
            yield f"# {'Table' if name == 'table' else 'Slide'} {attribute(one, 'name') or ''}"
        elif name == "table-row":
            cells = [words(cell, {}) for cell in one if local(cell) in ("table-cell", "covered-table-cell")]
            if any(cells):
                yield "\t".join(cells).rstrip()
        elif name in ("h", "p") and id(one) not in told and (text := words(one, {})):
            yield f"# {text}" if name == "h" else text


class Plain(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.out, self.skips = [], 0

    def handle_starttag(self, tag, attrs):
        self.skips += tag in ("script", "style", "head")
        if tag in ("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4"):
            self.out.append("\n# " if tag.startswith("h") else "\n")

    def handle_endtag(self, tag):
        self.skips -= tag in ("script", "style", "head") and self.skips > 0

    def handle_data(self, data):
        if not self.skips:
            self.out.append(data)


def epub(packed, said):
    root = tree.fromstring(part(packed, "META-INF/container.xml"))
    package = next(one.get("full-path") for one in root.iter() if local(one) == "rootfile")
    about = tree.fromstring(part(packed, package))
    files = {one.get("id"): one.get("href") for one in about.iter() if local(one) == "item"}
    for number, one in enumerate((one for one in about.iter() if local(one) == "itemref"), 1):
        name = posixpath.normpath(posixpath.join(posixpath.dirname(package), files.get(one.get("idref"), "")))
        if said.wants(number) and name in packed.namelist():
            plain = Plain()
            plain.feed(part(packed, name).decode("utf-8", "replace"))
            yield "\n".join(" ".join(line.split()) for line in "".join(plain.out).splitlines() if line.strip())


# PDF: objects are found where they stand, so that a damaged table of them is no matter.

OBJECT = re.compile(rb"(?<!\d)(\d+)\s+(\d+)\s+obj\b(.*?)(?=\bendobj\b|(?<!\d)\d+\s+\d+\s+obj\b|\Z)", re.S)
REFERENCE = re.compile(rb"(\d+)\s+\d+\s+R\b")
TOKEN = re.compile(rb"\((?:\\.|[^\\()]|\((?:\\.|[^\\()])*\))*\)|<[0-9A-Fa-f\s]*>|\[|\]|/[^\s/<>\[\]()]+|[-+]?\d*\.?\d+|[A-Za-z'\"*]+", re.S)
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def unpacked(body):
    """The bytes of an object's stream; none where it has none, or is of a kind that is not text."""
    found = re.search(rb"\bstream\r?\n", body)
    if not found:
        return None
    head, data = body[:found.start()], body[found.end():]
    data = data[:data.rfind(b"endstream")] if b"endstream" in data else data
    if b"FlateDecode" in head or b"/Fl " in head:
        try:
            return zlib.decompressobj().decompress(data, MOST_BYTES)
        except zlib.error:
            return None
    return data if b"/Filter" not in head else None


class Pdf:
    def __init__(self, data):
        if re.search(rb"/Encrypt\s+\d+\s+\d+\s+R|/Encrypt\s*<<", data):
            raise Unreadable("it is locked with a password, or was protected against copying")
        self.objects = {int(found[1]): found[3] for found in OBJECT.finditer(data)}
        for body in list(self.objects.values()):
            if b"/ObjStm" in body[:400]:
                self.within(body)

    def within(self, body):
        """The objects that stand packed in another."""
        text, first = unpacked(body), re.search(rb"/First\s+(\d+)", body)
        if text is None or not first:
            return
        numbers = [int(one) for one in text[:int(first[1])].split() if one.isdigit()]
        places = list(zip(numbers[::2], numbers[1::2]))
        for at, (number, begin) in enumerate(places):
            end = places[at + 1][1] if at + 1 < len(places) else len(text)
            self.objects.setdefault(number, text[int(first[1]) + begin:int(first[1]) + end])

    def named(self, body, key):
        """What stands behind a key: objects that are named, or the text itself."""
        found = re.search(rb"/" + key + rb"\s*(\[[^\]]*\]|<<.*?>>(?=\s*(?:/|>>|$))|\d+\s+\d+\s+R)", body, re.S)
        if not found:
            return []
        text = found[1]
        if text.startswith(b"<<"):
            return [text]
        return [self.objects[int(one)] for one in REFERENCE.findall(text) if int(one) in self.objects]

    def pages(self):
        ordered, seen = [], set()

        def walk(number):
            body = self.objects.get(number, b"")
            if number in seen or len(seen) > 20_000:
                return
            seen.add(number)
            kids = re.search(rb"/Kids\s*\[([^\]]*)\]", body)
            if kids:
                for one in REFERENCE.findall(kids[1]):
                    walk(int(one))
            elif re.search(rb"/Type\s*/Page\b", body):
                ordered.append(body)

        kids = {int(one) for body in self.objects.values() for found in re.findall(rb"/Kids\s*\[([^\]]*)\]", body)
                for one in REFERENCE.findall(found)}
        for number, body in sorted(self.objects.items()):
            if re.search(rb"/Type\s*/Pages\b", body) and number not in kids:
                walk(number)
        return ordered or [body for body in self.objects.values() if re.search(rb"/Type\s*/Page\b", body)]

    def fonts(self, page):
        resources = self.named(page, b"Resources")
        parent = page
        for _ in range(20):
            if resources:
                break
            above = self.named(parent, b"Parent")
            if not above:
                return {}
            parent = above[0]
            resources = self.named(parent, b"Resources")
        listed = self.named(resources[0], b"Font") if resources else []
        maps = {}
        for name, number in re.findall(rb"/([^\s/]+)\s+(\d+)\s+\d+\s+R", listed[0]) if listed else []:
            font = self.objects.get(int(number), b"")
            told = self.named(font, b"ToUnicode")
            maps[name] = character_map(unpacked(told[0]) or b"") if told else (1, {})
        return maps

    def text(self, page):
        data = b"\n".join(unpacked(body) or b"" for body in self.named(page, b"Contents"))
        return shown(data, self.fonts(page))


def character_map(text):
    """How many bytes a letter has, and which letter it is."""
    letters, width = {}, 1
    decode = lambda digits: bytes.fromhex(digits.decode().ljust(len(digits) + len(digits) % 2, "0")).decode("utf-16-be", "replace")
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", text, re.S):
        for code, to in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            letters[int(code, 16)] = decode(to)
            width = max(width, len(code) // 2)
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", text, re.S):
        for low, high, to in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*(<[0-9A-Fa-f]+>|\[[^\]]*\])", block):
            width = max(width, len(low) // 2)
            span = range(int(low, 16), min(int(high, 16), int(low, 16) + 65_535) + 1)
            if to.startswith(b"["):
                letters.update(zip(span, (decode(one) for one in re.findall(rb"<([0-9A-Fa-f]+)>", to))))
            else:
                first = decode(to[1:-1])
                letters.update((code, first[:-1] + chr(min(ord(first[-1]) + code - span[0], 0x10FFFF))) for code in span)
    return width, letters


def string(token):
    if token.startswith(b"<"):
        digits = re.sub(rb"\s", b"", token[1:-1])
        return bytes.fromhex(digits.decode() + "0" * (len(digits) % 2))
    undo = lambda found: (bytes([int(found[1], 8) & 255]) if found[1][:1].isdigit() else
                          b"" if found[1] in b"\r\n" else ESCAPES.get(found[1], found[1]))
    return re.sub(rb"\\([0-7]{1,3}|\r\n|.)", undo, token[1:-1], flags=re.S)


def shown(data, fonts):
    """The text that a page's drawing shows, with a line where it moves down."""
    out, held, font, height = [], [], (1, {}), None

    def put(raw):
        width, letters = font
        codes = [int.from_bytes(raw[at:at + width], "big") for at in range(0, len(raw), width)]
        out.append("".join(letters.get(code, "" if width > 1 else bytes([code]).decode("cp1252", "replace")) for code in codes))

    for token in TOKEN.findall(data):
        if token[:1] in b"(<[]/" or re.fullmatch(rb"[-+]?\d*\.?\d+", token):
            held.append(token)
            continue
        numbers = [float(one) for one in held if re.fullmatch(rb"[-+]?\d*\.?\d+", one)]
        if token == b"Tf" and held:
            font = fonts.get(held[0][1:], (1, {}))
        elif token in (b"Td", b"TD") and len(numbers) >= 2:
            out.append("\n" if numbers[-1] else " ")
        elif token == b"Tm" and len(numbers) >= 6:
            out.append("\n" if height is not None and numbers[-1] != height else " ")
            height = numbers[-1]
        elif token == b"T*":
            out.append("\n")
        elif token in (b"Tj", b"'", b'"', b"TJ"):
            if token in (b"'", b'"'):
                out.append("\n")
            for one in held:
                if one[:1] in (b"(", b"<"):
                    put(string(one))
                elif re.fullmatch(rb"-\d*\.?\d+", one) and float(one) < -200:
                    # A wide gap is how many programs write a blank.
                    out.append(" ")
        elif token == b"ET":
            out.append("\n")
        held = []
    lines = (" ".join(line.split()) for line in "".join(out).splitlines())
    return "\n".join(line for line in lines if line)


def pdf(path, said):
    with open(path, "rb") as file:
        document = Pdf(file.read(MOST_BYTES))
    pages, empty = document.pages(), True
    if not pages:
        raise Unreadable("no page was found in it")
    for number, page in enumerate(pages, 1):
        if said.wants(number):
            text = document.text(page)
            empty &= not text
            yield f"# Page {number} of {len(pages)}\n{text}"
    if empty:
        raise Unreadable("its pages are pictures or empty: there is no text in it")


def document(path, said):
    with open(path, "rb") as file:
        begin = file.read(1024)
    if b"%PDF-" in begin:
        yield from pdf(path, said)
    elif begin.startswith(b"PK"):
        with zipfile.ZipFile(path) as packed:
            kinds = (("word/document.xml", docx), ("xl/workbook.xml", xlsx), ("ppt/presentation.xml", pptx),
                     ("content.xml", opendocument), ("META-INF/container.xml", epub))
            read = next((read for name, read in kinds if name in packed.namelist()), None)
            if read is None:
                raise Unreadable("it is an archive and no document; unpack it first")
            yield from read(packed, said)
    elif begin.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable("it is of an old Office, or locked with a password; ask for it as .docx, .xlsx, .pptx or PDF")
    elif b"\0" not in begin:
        with open(path, encoding="utf-8", errors="replace") as file:
            yield file.read(MOST_TEXT)
    else:
        raise Unreadable("it is none of PDF, Word, Excel, PowerPoint, OpenDocument and EPUB")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("file")
    reader.add_argument("--pages", help="of a PDF, or slides, or chapters: 3 or 3-5")
    reader.add_argument("--sheet", type=int, help="of a workbook: 2")
    said = reader.parse_args()
    span = re.fullmatch(r"(\d+)(?:-(\d+))?", said.pages or "1-1000000")
    if not span:
        sys.exit(f"{said.pages!r} is no span of pages; write it like 3-5")
    said.wants = lambda number: int(span[1]) <= number <= int(span[2] or span[1])
    told = 0
    try:
        for text in document(said.file, said):
            print(text[:MOST_TEXT - told])
            told += len(text)
            if told > MOST_TEXT:
                print("(it goes on; ask for some of its pages with --pages)")
                break
    except Unreadable as error:
        sys.exit(f"{os.path.basename(said.file)}: {error}")
    except (OSError, KeyError, ValueError, StopIteration, tree.ParseError, zipfile.BadZipFile, RuntimeError) as error:
        sys.exit(f"{os.path.basename(said.file)} cannot be read: {error}")


main()
