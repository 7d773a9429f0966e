#!/usr/bin/env python3
"""Turn what people say about time into what schedule_task wants."""
import argparse
import datetime
import json
import re
import sys
import zoneinfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


def clock(text):
    found = re.fullmatch(r"(\d{1,2})(?::(\d{2}))?\s*(am|pm)?", text.strip())
    if not found:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        hour = hour % 12 + (12 if found[3] == "pm" else 0)
    return (hour, minute) if hour < 24 and minute < 60 else None


def day_of(text):
    return next((at for at, day in enumerate(DAYS) if day[:3] == text[:3] and day.startswith(text)), None)


def once(moment):
    return {"schedule_type": "once", "schedule_value": moment.strftime("%Y-%m-%d %H:%M")}, moment.strftime("once, on %A %Y-%m-%d at %H:%M")


def cron(minute, hour, days, words):
    return {"schedule_type": "cron", "schedule_value": f"{minute} {hour} * * {days}"}, f"{words} at {hour:02}:{minute:02}"


def understood(text, now):
    text = " ".join(text.lower().replace(" at ", " ").split())
    found = re.fullmatch(r"in (\d+|an?) (minute|hour|day|week)s?", text)
    if found:
        count = 1 if found[1] in ("a", "an") else int(found[1])
        # Nothing is due more than once a minute, so the minute that is not over yet counts.
        return once((now + datetime.timedelta(seconds=count * UNITS[found[2]], minutes=1)).replace(second=0))
    found = re.fullmatch(r"every (day|weekday|weekend|\w+day)s? (.+)", text)
    if found and (at := clock(found[2])):
        days = {"day": "*", "weekday": "1-5", "weekend": "0,6"}.get(found[1])
        if days is None and (day := day_of(found[1])) is not None:
            days = str((day + 1) % 7)
        if days is not None:
            return cron(at[1], at[0], days, f"every {found[1]}")
    found = re.fullmatch(r"(?:(today|tomorrow|\d{4}-\d{2}-\d{2}|(?:next |on )?\w+day) )?(.+)", text)
    if found and (at := clock(found[2])):
        moment = now.replace(hour=at[0], minute=at[1], second=0)
        word = (found[1] or "").removeprefix("next ").removeprefix("on ")
        if word == "tomorrow":
            moment += datetime.timedelta(days=1)
        elif re.match(r"\d", word):
            moment = datetime.datetime.combine(datetime.date.fromisoformat(word), moment.timetz())
        elif word not in ("", "today"):
            day = day_of(word)
            if day is None:
                return None
            moment += datetime.timedelta(days=(day - now.weekday()) % 7)
            moment += datetime.timedelta(days=7 if moment <= now else 0)
        elif not word and moment <= now:
            moment += datetime.timedelta(days=1)
        if moment <= now:
            sys.exit(f"{moment:%Y-%m-%d %H:%M} is over; it is {now:%Y-%m-%d %H:%M} there")
        return once(moment)
    return None


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("time")
    reader.add_argument("--zone", default="UTC", help="like Europe/Berlin")
    reader.add_argument("--now", type=datetime.datetime.fromisoformat, help=argparse.SUPPRESS)
    said = reader.parse_args()
    try:
        zone = zoneinfo.ZoneInfo(said.zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        sys.exit(f"{said.zone!r} is no time zone that is known here; write it like Europe/Berlin, or UTC")
    now = (said.now.replace(tzinfo=zone) if said.now else datetime.datetime.now(zone)).replace(microsecond=0)
    try:
        found = understood(said.time, now)
    except ValueError:
        found = None
    if found is None:
        sys.exit("write it like: in 45 minutes, tomorrow 8:00, friday 17:30, 2026-12-01 9:00, every day 7:00, every monday 7:30")
    arguments, words = found
    print(json.dumps({**arguments, "time_zone": said.zone}))
    print(f"That is {words}, {said.zone}.")


main()
