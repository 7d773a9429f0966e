#!/usr/bin/env bash
# What a message and a sandbox cost, on the real engine: from message in to the
# agent's first byte, and memory. `make bench` runs it after the door's own bench.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

say "Building"
cargo build --release --locked --bin doorward
binary=$(scripts/target.sh)/release/doorward
"$binary" image build

home=$(mktemp -d /tmp/doorward-bench-XXXXXX)
trap 'kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; rm -rf "$home"' EXIT
daemon=0
doorward() { "$binary" --home "$home" "$@"; }

# Resident KiB of a process.
resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; }

# Milliseconds from sending a message to its whole answer.
answered_in() {
    local started
    started=$(date +%s%N)
    doorward chat --group bench --once 'echo hi' >/dev/null
    echo $((($(date +%s%N) - started) / 1000000))
}

doorward group add bench --main >/dev/null
"$binary" --home "$home" up >"$home/up.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
    [ -S "$home/data/run/control.sock" ] && break
    sleep 0.1
done

say "Message in, answer out (the program that asks is started each time)"
idle=$(resident "$daemon")
note "first message, sandbox started: $(answered_in) ms"
warm=()
for _ in $(seq 10); do warm+=("$(answered_in)"); done
note "next messages, sandbox there:   $(printf '%s\n' "${warm[@]}" | sort -n | sed -n 5p) ms (median of 10)"
none=()
for _ in $(seq 10); do
    started=$(date +%s%N)
    doorward group list >/dev/null
    none+=($((($(date +%s%N) - started) / 1000000)))
done
note "of that, starting the program:  $(printf '%s\n' "${none[@]}" | sort -n | sed -n 5p) ms"

say "Memory"
note "daemon before the first sandbox: $((idle / 1024)) MiB"
note "daemon with one sandbox:         $(($(resident "$daemon") / 1024)) MiB"
guest=$(pgrep -n -f '^/opt/doorward/guest' || true)
if [ -n "$guest" ]; then
    shim=$(awk '/^PPid:/ { print $2 }' "/proc/$guest/status")
    note "in the sandbox, the guest:       $(($(resident "$guest"))) KiB"
    note "the engine's shim around it:     $(($(resident "$shim") / 1024)) MiB"
fi
