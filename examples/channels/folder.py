#!/usr/bin/env python3
"""A channel in fifty lines: a chat is a folder, a message a file in it.

`chats/family/inbox/hello.txt` comes in as a message; what the assistant writes lands in
`chats/family/outbox/`. Started by Doorward, or by the conformance test, as
`folder.py DIR`. It shows the whole protocol of docs/channels.md, and no more.
"""
import json, os, select, sys, time

root, chats, told = sys.argv[1], [], set()


def say(**line):
    print(json.dumps(line), flush=True)


def paths(chat):
    # A chat's name comes from the daemon: the registered ones alone are ever looked at.
    return os.path.join(root, chat, "inbox"), os.path.join(root, chat, "outbox")


def look():
    for chat in chats:
        inbox, _ = paths(chat)
        for name in sorted(os.listdir(inbox) if os.path.isdir(inbox) else []):
            if (chat, name) not in told:
                told.add((chat, name))
                with open(os.path.join(inbox, name), encoding="utf-8") as file:
                    say(type="message", id=name, chat=chat, sender={"id": "me", "name": "Me"},
                        text=file.read(), at=int(time.time() * 1000))


def hear(line):
    kind = line["type"]
    if kind in ("welcome", "chats"):
        chats[:] = line["chats"]
    elif kind in ("accepted", "ignored"):  # only now may the message be forgotten
        for chat, name in [known for known in told if known[1] == line["id"]]:
            if os.path.exists(os.path.join(paths(chat)[0], name)):
                os.remove(os.path.join(paths(chat)[0], name))
    elif kind == "send" and line["chat"] not in chats:
        say(type="failed", id=line["id"], why="this chat is not registered", retry=False)
    elif kind == "send":
        _, outbox = paths(line["chat"])
        os.makedirs(outbox, exist_ok=True)
        if line["text"]:  # named by the daemon's id: a resend writes the same file again
            with open(os.path.join(outbox, f"{line['id']}.txt"), "w", encoding="utf-8") as file:
                file.write(line["text"])
        say(type="sent", id=line["id"])


say(type="hello", v=1, channel="folder", program="folder.py 1")
say(type="state", state="connected", detail="looking into " + root)
os.set_blocking(0, False)
rest = b""
while True:
    if select.select([0], [], [], 0.05)[0]:
        got = os.read(0, 65536)
        if not got:  # the daemon has closed stdin: end
            break
        *lines, rest = (rest + got).split(b"\n")
        for text in lines:
            hear(json.loads(text))
    look()
