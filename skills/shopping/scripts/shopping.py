#!/usr/bin/env python3
"""A shopping list with amounts and shops."""
import argparse
import json
import os
import re
import sys

FILE = "/workspace/group/shopping.json"
UNITS = ("kg", "g", "mg", "l", "dl", "cl", "ml", "lb", "oz", "pack", "packs", "bottle", "bottles", "can", "cans", "box", "boxes",
         "bag", "bags", "bunch", "bunches", "x")
AMOUNT = re.compile(rf"(\d+(?:[.,]\d+)?)\s*(?:({'|'.join(UNITS)})\b)?\s+(.+)", re.I)


def read():
    try:
        with open(FILE, encoding="utf-8") as file:
            kept = json.load(file)
        return kept["open"], kept["bought"]
    except FileNotFoundError:
        return [], {}
    except (ValueError, KeyError, TypeError):
        sys.exit(f"{FILE} is no shopping list any more; move it away to begin a new one")


def write(needed, bought):
    with open(FILE + ".new", "w", encoding="utf-8") as file:
        json.dump({"open": needed, "bought": bought}, file, ensure_ascii=False, indent=1)
    os.replace(FILE + ".new", FILE)


def parse(text):
    text = " ".join(text.split())
    found = AMOUNT.fullmatch(text)
    if found:
        return float(found[1].replace(",", ".")), (found[2] or "").lower(), found[3]
    return None, "", text


def shown(one):
    amount = "" if one["amount"] is None else f"{one['amount']:g} {one['unit']}".strip() + " "
    return amount + one["name"]


def add(said):
    needed, bought = read()
    for text in said.things:
        amount, unit, name = parse(text)
        if not name:
            continue
        same = [one for one in needed if one["name"].lower() == name.lower() and one["unit"] == unit]
        if same and (amount is not None) == (same[0]["amount"] is not None):
            same[0]["amount"] = None if amount is None else same[0]["amount"] + amount
            same[0]["shop"] = said.shop or same[0]["shop"]
            one = same[0]
        else:
            one = {"name": name, "amount": amount, "unit": unit, "shop": said.shop}
            needed.append(one)
        print(f"on the list: {shown(one)}")
    write(needed, bought)


def show(said):
    needed, _ = read()
    here = [one for one in needed if said.shop is None or (one["shop"] or "").lower() == said.shop.lower()]
    if not here:
        print("Nothing is on the list.")
    for shop in sorted({one["shop"] or "" for one in here}):
        print(f"{shop or 'anywhere'}:")
        for one in here:
            if (one["shop"] or "") == shop:
                print(f"- {shown(one)}")


def buy(said):
    needed, bought = read()
    for text in said.things:
        name = parse(text)[2].lower()
        there = [one for one in needed if one["name"].lower() == name]
        if not there:
            print(f"not on the list: {text}")
        for one in there:
            needed.remove(one)
            bought[name] = bought.get(name, 0) + 1
            print(f"bought: {shown(one)}")
    write(needed, bought)


def usual(_):
    needed, bought = read()
    listed = {one["name"].lower() for one in needed}
    often = sorted(((count, name) for name, count in bought.items() if name not in listed), key=lambda one: (-one[0], one[1]))
    for count, name in often[:15]:
        print(f"- {name}, bought {count} {'time' if count == 1 else 'times'}")
    if not often:
        print("Nothing that was bought before is missing.")


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    for name, run in ("add", add), ("list", show), ("bought", buy), ("usual", usual):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        if name in ("add", "bought"):
            command.add_argument("things", nargs="+")
        if name in ("add", "list"):
            command.add_argument("--shop")
    said = reader.parse_args()
    said.run(said)


main()
