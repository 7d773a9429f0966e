#!/usr/bin/env python3
"""The weather at a place: now, and by day."""
import argparse
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

WORDS = {
    0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "freezing fog",
    51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "freezing drizzle", 57: "freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "freezing rain", 67: "freezing rain",
    71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains", 80: "light showers", 81: "showers",
    82: "violent showers", 85: "snow showers", 86: "heavy snow showers", 95: "thunderstorm",
    96: "thunderstorm with hail", 99: "thunderstorm with heavy hail",
}


def ask(url, **query):
    try:
        with urllib.request.urlopen(url + "?" + urllib.parse.urlencode(query), timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"Open-Meteo or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")


def place(text):
    spot = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*", text)
    if spot:
        return float(spot[1]), float(spot[2]), text.strip()
    found = ask("https://geocoding-api.open-meteo.com/v1/search", name=text, count=5).get("results") or []
    if not found:
        sys.exit(f"no place is called {text!r}")
    named = lambda one: ", ".join(str(one[key]) for key in ("name", "admin1", "country") if one.get(key))
    for other in found[1:]:
        print(f"also: {named(other)} at {other['latitude']},{other['longitude']}")
    return found[0]["latitude"], found[0]["longitude"], named(found[0])


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("place", help="a name, or LATITUDE,LONGITUDE")
    reader.add_argument("--days", type=int, default=3, choices=range(1, 17), metavar="1-16")
    said = reader.parse_args()
    latitude, longitude, name = place(said.place)
    seen = ask(
        "https://api.open-meteo.com/v1/forecast", latitude=latitude, longitude=longitude, timezone="auto",
        forecast_days=said.days, current="temperature_2m,apparent_temperature,weather_code,wind_speed_10m",
        daily="weather_code,temperature_2m_min,temperature_2m_max,precipitation_sum,precipitation_probability_max,"
              "wind_speed_10m_max",
    )
    now, daily = seen["current"], seen["daily"]
    print(f"{name}, {now['time']}: {WORDS.get(now['weather_code'], 'unknown')}, {now['temperature_2m']} °C "
          f"(feels like {now['apparent_temperature']} °C), wind {now['wind_speed_10m']} km/h")
    for at, day in enumerate(daily["time"]):
        column = lambda key: daily[key][at]
        print(f"{day}: {WORDS.get(column('weather_code'), 'unknown')}, {column('temperature_2m_min')} to "
              f"{column('temperature_2m_max')} °C, rain {column('precipitation_sum')} mm "
              f"({column('precipitation_probability_max')} %), wind up to {column('wind_speed_10m_max')} km/h")


main()
