#!/usr/bin/env python3
"""Departures and journeys by public transport."""
import argparse
import datetime
import json
import sys
import urllib.error
import urllib.parse
import urllib.request


def ask(what, **query):
    url = f"https://api.transitous.org/api/v1/{what}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"User-Agent": "doorward-skill-transport/1"})
    try:
        with urllib.request.urlopen(request, timeout=45) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"Transitous or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def found(text):
    """Places of this name, stops first."""
    places = ask("geocode", text=text)
    if not places:
        sys.exit(f"no stop is called {text!r}")
    return sorted(places, key=lambda place: place.get("type") != "STOP")


def area(place):
    return ", ".join(one["name"] for one in place.get("areas", [])[:2] if one.get("name"))


def stops(said):
    for place in found(said.name)[:8]:
        print(f"{place.get('id', '')}  {place['name']} ({area(place)})")


def late(planned, real):
    if not planned or not real:
        return ""
    parsed = [datetime.datetime.fromisoformat(time.replace("Z", "+00:00")) for time in (planned, real)]
    minutes = round((parsed[1] - parsed[0]).total_seconds() / 60)
    return f", {minutes} min late" if minutes > 0 else ""


def departures(said):
    stop = found(said.name)[0] if ":" not in said.name and "_" not in said.name else {"id": said.name, "name": said.name}
    print(f"From {stop['name']}:")
    for one in ask("stoptimes", stopId=stop["id"], n=said.most).get("stopTimes", []):
        place = one.get("place", {})
        planned, real = place.get("scheduledDeparture"), place.get("departure")
        track = f", track {place['track']}" if place.get("track") else ""
        off = ", CANCELLED" if one.get("cancelled") else ""
        print(f"- {planned or real}  {one.get('routeShortName', '')} to {one.get('headsign', '')}{track}{late(planned, real)}{off}")


def spot(text):
    if ":" in text or "_" in text or "," in text:
        return text
    place = found(text)[0]
    return place.get("id") if place.get("type") == "STOP" else f"{place['lat']},{place['lon']}"


def route(said):
    query = {"fromPlace": spot(said.begin), "toPlace": spot(said.end)}
    if said.at:
        query["time"] = said.at
    journeys = ask("plan", **query).get("itineraries", [])
    if not journeys:
        print("There is no such journey.")
    for number, one in enumerate(journeys[: said.most], 1):
        print(f"{number}. {one['startTime']} to {one['endTime']}, {round(one['duration'] / 60)} min, {one.get('transfers', 0)} changes")
        for leg in one.get("legs", []):
            name = leg.get("routeShortName") or leg.get("mode", "").lower()
            delay = late(leg.get("scheduledStartTime"), leg.get("startTime"))
            print(f"   {leg['startTime']} {leg['from']['name']} to {leg['to']['name']} {leg['endTime']}: {name}{delay}")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    for word, run in ("stops", stops), ("departures", departures), ("route", route):
        command = commands.add_parser(word)
        command.set_defaults(run=run)
        for argument in ("begin", "end") if word == "route" else ("name",):
            command.add_argument(argument)
        command.add_argument("--most", type=int, default=4)
        if word == "route":
            command.add_argument("--at", metavar="TIME", help="when it begins, like 2026-12-01T09:00:00+01:00")
    said = reader.parse_args()
    said.run(said)


main()
