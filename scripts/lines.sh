#!/usr/bin/env bash
# `make lines`: the size of the code that a sandbox's requests go through, which
# is what somebody who audits Doorward has to read. Tests do not count.
set -euo pipefail
cd "$(dirname "$0")/.."
goal=5000

# Items under #[cfg(test)] end at the first line that closes them in the same
# column; the tree is formatted by rustfmt, so that is exact.
count() {
    find "$1/src" -name '*.rs' ! -name 'tests.rs' ! -name 'fuzzed.rs' ! -path '*/tests/*' -print0 | sort -z | xargs -0 awk '
        FNR == 1 { skipping = 0; pending = 0 }
        /^ *#\[cfg\(test\)\]/ { pending = 1; match($0, /^ */); indent = RLENGTH; next }
        pending && /^ *#\[/ { next }
        pending { pending = 0; if ($0 !~ /[;}]$/) skipping = 1; next }
        skipping { match($0, /^ */); if (RLENGTH == indent && $0 ~ /^ *[}\])]/) skipping = 0; next }
        { lines++ }
        !/^ *(\/\/|$)/ { code++ }
        END { print lines + 0, code + 0 }'
}

total=0
total_code=0
printf '%-14s %8s %8s\n' "" lines code
for crate in policies/words policies proxy; do
    read -r lines code < <(count "$crate")
    printf '%-14s %8d %8d\n' "$crate" "$lines" "$code"
    total=$((total + lines))
    total_code=$((total_code + code))
done
printf '%-14s %8d %8d   (without tests; code: without blank lines and comments; goal: at most %d)\n' \
    together "$total" "$total_code" "$goal"
