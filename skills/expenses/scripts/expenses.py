#!/usr/bin/env python3
"""Shared expenses, and who owes whom. Amounts are kept in hundredths, so that nothing is lost in rounding."""
import argparse
import csv
import datetime
import os
import re
import sys

FILE = "/workspace/group/expenses.csv"


def hundredths(text):
    found = re.fullmatch(r"(\d{1,9})(?:[.,](\d{1,2}))?", text)
    if not found or not int((found[1] + (found[2] or "").ljust(2, "0"))):
        sys.exit(f"{text!r} is no amount; write it like 42.50")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def shown(amount):
    return f"{amount // 100}.{amount % 100:02}"


def read():
    try:
        with open(FILE, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def append(who, amount, what, between):
    new = not os.path.exists(FILE)
    with open(FILE, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["day", "who", "amount", "what", "for"])
        writer.writerow([datetime.date.today().isoformat(), who, shown(amount), what, " ".join(between)])


def name(text):
    if not re.fullmatch(r"\w[\w.-]{0,39}", text):
        sys.exit(f"{text!r} is no name; write it as one word")
    return text


def balances():
    even = {}
    for row in read():
        amount, between = hundredths(row["amount"]), row["for"].split()
        even[row["who"]] = even.get(row["who"], 0) + amount
        share, rest = divmod(amount, len(between))
        for at, one in enumerate(between):
            even[one] = even.get(one, 0) - share - (1 if at < rest else 0)
    return even


def add(said):
    between = said.between or sorted({one for row in read() for one in row["for"].split()})
    if not between:
        sys.exit("say between whom it is split, with --for")
    append(name(said.who), hundredths(said.amount), said.what, [name(one) for one in dict.fromkeys(between)])
    print(f"{said.who} paid {shown(hundredths(said.amount))} for {said.what}, split between {', '.join(dict.fromkeys(between))}")


def paid(said):
    append(name(said.who), hundredths(said.amount), "paid back", [name(said.to)])
    print(f"{said.who} paid {said.to} {shown(hundredths(said.amount))}")


def show(_):
    for row in read():
        print(f"{row['day']}  {row['who']} paid {row['amount']} for {row['what']} ({row['for']})")
    for one, amount in sorted(balances().items()):
        print(f"{one}: {'gets' if amount >= 0 else 'owes'} {shown(abs(amount))}")


def settle(_):
    even = balances()
    owe = sorted(((-amount, one) for one, amount in even.items() if amount < 0), reverse=True)
    get = sorted(((amount, one) for one, amount in even.items() if amount > 0), reverse=True)
    if not owe:
        print("All is even.")
    while owe and get:
        (debt, debtor), (due, creditor) = owe.pop(0), get.pop(0)
        amount = min(debt, due)
        print(f"{debtor} pays {creditor} {shown(amount)}")
        if debt > amount:
            owe.insert(0, (debt - amount, debtor))
        if due > amount:
            get.insert(0, (due - amount, creditor))


def main():
    reader = argparse.ArgumentParser(description=__doc__)
    commands = reader.add_subparsers(required=True)
    for word, run in ("add", add), ("paid", paid), ("list", show), ("settle", settle):
        command = commands.add_parser(word)
        command.set_defaults(run=run)
        if word == "add":
            command.add_argument("who")
            command.add_argument("amount")
            command.add_argument("what")
            command.add_argument("--for", dest="between", nargs="+", metavar="NAME")
        if word == "paid":
            command.add_argument("who")
            command.add_argument("to")
            command.add_argument("amount")
    said = reader.parse_args()
    said.run(said)


main()
