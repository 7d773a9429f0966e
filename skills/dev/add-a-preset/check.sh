#!/bin/sh
# Whether a preset is written as presets are: check.sh NAME
set -eu
cd "$(dirname "$0")/../../.."
name=${1:?name the preset: check.sh NAME}
file=policies/presets/$name.toml
wrong() { echo "$file: $1" >&2; exit 1; }
[ -e "$file" ] || wrong "it is not there"
grep -q 'What this leaves open:' "$file" || wrong "it does not say what it leaves open"
grep -q 'want = "allow"' "$file" && grep -q 'want = "deny"' "$file" || wrong "it needs a test that must pass and one that must not"
grep -q 'access = "read"' "$file" && echo "$file: access = \"read\" opens every path; name the requests, if you can" >&2
grep -q "presets/$name.toml" policies/file/src/presets.rs || wrong "policies/file/src/presets.rs does not list it"
cargo test --locked -p policy-file --lib -- presets schema
cargo test --locked -p policy-file --test policies
