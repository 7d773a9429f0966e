#!/usr/bin/env python3
"""Convert an amount between currencies."""
import argparse
import datetime
import decimal
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request


def code(text):
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no currency; write it like EUR")
    return text.upper()


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("amount")
    reader.add_argument("base", type=code)
    reader.add_argument("to", type=code, nargs="+")
    reader.add_argument("--on", metavar="DAY", default="latest")
    said = reader.parse_args()
    try:
        amount = decimal.Decimal(said.amount.replace(",", "."))
        said.on == "latest" or datetime.date.fromisoformat(said.on)
    except (decimal.InvalidOperation, ValueError):
        sys.exit("write the amount like 120.50 and the day like 2026-06-01")
    query = urllib.parse.urlencode({"base": said.base, "symbols": ",".join(said.to)})
    try:
        with urllib.request.urlopen(f"https://api.frankfurter.dev/v1/{said.on}?{query}", timeout=30) as answer:
            rates = json.load(answer, parse_float=decimal.Decimal)
    except urllib.error.HTTPError as error:
        sys.exit(f"Frankfurter or the door answered {error.code}: {error.read(2000).decode(errors='replace')}")
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        sys.exit(f"no answer that can be read: {error}")
    for name in said.to:
        rate = rates["rates"].get(name)
        if rate is None:
            print(f"there is no rate for {name}")
        else:
            print(f"{amount} {said.base} = {amount * rate:.2f} {name} (rate {rate} of {rates['date']})")


main()
