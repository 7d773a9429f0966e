#!/bin/sh
# Tests of the channel protocol; with a PROGRAM, whether it begins as the protocol wants it.
set -eu
cd "$(dirname "$0")/../../.."
if [ $# -gt 0 ]; then
    hello=$(printf '%s\n' '{"type":"welcome","v":1,"chats":[]}' | timeout 10 "$@" | head -n 1) || true
    case $hello in
        '{'*'"type":"hello"'*'"v":1'*) echo "it says hello: $hello" ;;
        *) echo "its first line is no hello of version 1 (docs/channels.md): ${hello:-nothing}" >&2; exit 1 ;;
    esac
fi
cargo test --locked -p channel-protocol
cargo test --locked -p doorward --test channels
