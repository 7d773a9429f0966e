#!/usr/bin/env python3
"""Read calendars by CalDAV."""
import argparse
import base64
import datetime
import json
import os
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as tree

SAID = json.loads((pathlib.Path(__file__).parent.parent / "settings.json").read_text())
DAV, CAL = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"
LIST = ('<propfind xmlns="DAV:"><prop><displayname/><resourcetype/></prop></propfind>')
EVENTS = ('<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data>'
          '<C:expand start="{0}" end="{1}"/></C:calendar-data></prop><C:filter><C:comp-filter name="VCALENDAR">'
          '<C:comp-filter name="VEVENT"><C:time-range start="{0}" end="{1}"/></C:comp-filter></C:comp-filter></C:filter>'
          '</C:calendar-query>')


def ask(method, path, body):
    user, password = os.environ.get("CALDAV_USER", ""), os.environ.get("CALDAV_PASSWORD")
    if not password:
        sys.exit("there is no CALDAV_PASSWORD: the owner's credential caldav needs env = \"CALDAV_PASSWORD\"")
    user = user or SAID["home"].rsplit("/", 1)[-1]
    headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), "Depth": "1",
               "Content-Type": "application/xml; charset=utf-8"}
    request = urllib.request.Request(f"https://{SAID['server']}{path}", body.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=45) as answer:
            return tree.fromstring(answer.read(16 << 20))
    except urllib.error.HTTPError as error:
        sys.exit(f"{SAID['server']} or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError, tree.ParseError) as error:
        sys.exit(f"no answer that can be read: {error}")


def calendars():
    for one in ask("PROPFIND", SAID["home"] + "/", LIST).iter(f"{DAV}response"):
        if one.find(f".//{CAL}calendar") is not None:
            path = urllib.parse.unquote(urllib.parse.urlsplit(one.findtext(f"{DAV}href", "")).path)
            name = path.rstrip("/").rsplit("/", 1)[-1]
            yield name, one.findtext(f".//{DAV}displayname") or name


def lines(text):
    """Lines of iCalendar, with what was folded put together."""
    return re.sub(r"\r?\n[ \t]", "", text).splitlines()


def moment(name, value):
    zone = re.search(r"TZID=([^;:]+)", name)
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?", value)
    if not found:
        return value, value
    day = "-".join(found.group(1, 2, 3))
    if not found[4]:
        return day, f"{day} all day"
    where = "UTC" if found[6] else zone[1] if zone else ""
    return f"{day} {found[4]}:{found[5]}", f"{day} {found[4]}:{found[5]} {where}".strip()


def events(text):
    event, inside = None, 0
    for line in lines(text):
        name, _, value = line.partition(":")
        key = name.split(";")[0].upper()
        if key == "BEGIN" and value.upper() == "VEVENT":
            event, inside = {}, 0
        elif key == "BEGIN":
            inside += 1
        elif key == "END" and value.upper() == "VEVENT":
            if event:
                yield event
            event = None
        elif key == "END":
            inside -= 1
        elif event is not None and inside == 0:
            if key in ("DTSTART", "DTEND"):
                event[key] = moment(name, value)
            elif key in ("SUMMARY", "LOCATION", "STATUS"):
                event[key] = re.sub(r"\\([,;\\])", r"\1", value.replace("\\n", " ").replace("\\N", " "))


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    show = commands.add_parser("events")
    show.add_argument("--from", dest="begin", type=datetime.date.fromisoformat, default=datetime.date.today(), metavar="DAY")
    show.add_argument("--days", type=int, default=1)
    show.add_argument("--calendar", metavar="NAME")
    said = reader.parse_args()
    there = list(calendars())
    if said.command == "list":
        for name, words in there:
            print(f"{name}: {words}")
        return
    wanted = [name for name, words in there if said.calendar is None or said.calendar.lower() in (name.lower(), words.lower())]
    if not wanted:
        sys.exit(f"there is no calendar {said.calendar!r}; `list` shows those there are")
    span = [f"{day:%Y%m%d}T000000Z" for day in (said.begin, said.begin + datetime.timedelta(days=said.days))]
    found = []
    for name in wanted:
        answer = ask("REPORT", f"{SAID['home']}/{urllib.parse.quote(name)}/", EVENTS.format(*span))
        for data in answer.iter(f"{CAL}calendar-data"):
            found += [(event.get("DTSTART", ("", ""))[0], name, event) for event in events(data.text or "")]
    for _, name, event in sorted(found, key=lambda one: one[:2]):
        end = f" to {event['DTEND'][1]}" if "DTEND" in event and "all day" not in event["DTEND"][1] else ""
        where = f", {event['LOCATION']}" if event.get("LOCATION") else ""
        off = " (cancelled)" if event.get("STATUS") == "CANCELLED" else ""
        print(f"{event.get('DTSTART', ('', ''))[1]}{end}: {event.get('SUMMARY', 'without a title')}{where}{off} [{name}]")
    if not found:
        print("Nothing is in the calendar then.")


main()
