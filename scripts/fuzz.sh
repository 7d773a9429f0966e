#!/usr/bin/env bash
# Feeds the readers of hosts, heads, policies, bodies and uploads what nobody has thought of:
# every target of fuzz/ for so many seconds (12), from the committed corpus on.
#
#     scripts/fuzz.sh [SECONDS] [TARGET...]
#
# cargo-fuzz and libFuzzer, on stable Rust: without the sanitizers, which want a
# nightly and look for what a workspace without `unsafe` does not have.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
seconds=${1:-12}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(authority head policy pattern body frames)

export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
have cargo-fuzz || cargo install cargo-fuzz --locked --quiet --debug
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
cargo fuzz build --sanitizer none

for target in "${targets[@]}"; do
    say "Fuzzing $target for $seconds s"
    mkdir -p "$found/$target"
    # New inputs go to the first folder; the committed corpus is only read.
    cargo fuzz run --sanitizer none "$target" "$found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -verbosity=0 -print_final_stats=1 2>&1 |
        grep -E -v '^(INFO|stat::(new_units|slowest|peak)|Done)' ||
        fail "$target: what it found is in fuzz/artifacts/$target; keep it in fuzz/corpus/$target once it is mended."
done
