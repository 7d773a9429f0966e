#!/usr/bin/env python3
"""Public holidays of a country."""
import argparse
import datetime
import json
import re
import sys
import urllib.error
import urllib.request


def ask(year, country):
    try:
        with urllib.request.urlopen(f"https://date.nager.at/api/v3/PublicHolidays/{year}/{country}", timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            sys.exit(f"{country} is no country that is known there")
        sys.exit(f"Nager.Date or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def main():
    today = datetime.date.today()
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("country", help="two letters, like DE")
    reader.add_argument("--year", type=int, default=today.year)
    reader.add_argument("--region", help="like BY: only what is a holiday there")
    reader.add_argument("--next", type=int, metavar="COUNT", help="those that come next")
    said = reader.parse_args()
    country = said.country.upper()
    if not re.fullmatch(r"[A-Z]{2}", country):
        sys.exit(f"{said.country!r} is no country; write it like DE")
    found = ask(said.year, country)
    if said.next:
        found = [day for day in found + ask(said.year + 1, country) if day["date"] >= today.isoformat()]
    if said.region:
        place = f"{country}-{said.region.upper()}"
        found = [day for day in found if day["global"] or place in (day["counties"] or [])]
    for day in found[: said.next or None]:
        weekday = datetime.date.fromisoformat(day["date"]).strftime("%A")
        where = "" if day["global"] else f" (only in {', '.join(day['counties'] or [])})"
        print(f"{day['date']}, {weekday}: {day['localName']}, {day['name']}{where}")


main()
