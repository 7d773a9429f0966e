#!/usr/bin/env python3
"""Where a parcel is."""
import argparse
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request


def place(of):
    address = (of or {}).get("address") or {}
    return address.get("addressLocality") or address.get("countryCode") or ""


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("number")
    reader.add_argument("--language", default="en")
    said = reader.parse_args()
    number = re.sub(r"[\s-]", "", said.number)
    if not re.fullmatch(r"[A-Za-z0-9]{5,40}", number):
        sys.exit(f"{said.number!r} is no tracking number")
    key = os.environ.get("DHL_API_KEY")
    if not key:
        sys.exit("there is no DHL_API_KEY: the owner's credential dhl needs env = \"DHL_API_KEY\"")
    query = urllib.parse.urlencode({"trackingNumber": number, "language": said.language})
    request = urllib.request.Request(f"https://api-eu.dhl.com/track/shipments?{query}", headers={"DHL-API-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer).get("shipments", [])
    except urllib.error.HTTPError as error:
        if error.code == 404:
            sys.exit(f"nothing is known of {number}; it may be too early, or of another carrier")
        sys.exit(f"DHL or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")
    for parcel in found:
        now = parcel.get("status", {})
        words = now.get("description") or now.get("status") or now.get("statusCode", "")
        print(f"{parcel.get('id', number)}: {words}, {now.get('timestamp', '')[:16]} {place(now.get('location'))}".rstrip())
        if parcel.get("estimatedTimeOfDelivery"):
            print(f"expected {parcel['estimatedTimeOfDelivery'][:16]}")
        for event in parcel.get("events", [])[:10]:
            words = event.get("description") or event.get("status", "")
            print(f"- {event.get('timestamp', '')[:16]} {place(event.get('location'))}: {words}")
    if not found:
        print(f"Nothing is known of {number}.")


main()
