#!/bin/sh
# What has to hold for every agent; `check.sh NAME` runs its own tests in tests/NAME.rs as well.
set -eu
cd "$(dirname "$0")/../../.."
cargo test --locked -p doorward-guest
cargo test --locked -p doorward --lib -- agents:: config::
if [ $# -gt 0 ]; then
    [ -e "tests/$1.rs" ] || { echo "there is no tests/$1.rs: try the agent in a real sandbox (tests/opencode.rs)" >&2; exit 1; }
    grep -q "$1" docs/agents.md || { echo "docs/agents.md says nothing of $1" >&2; exit 1; }
    grep -qx "mod $1;" tests/end_to_end.rs || { echo "tests/end_to_end.rs has no line: mod $1;" >&2; exit 1; }
    cargo test --locked -p doorward --test end_to_end "$1::"
fi
