#!/usr/bin/env bash
# `make test-long`: what takes longer than two minutes. Each part writes its result, with
# its commit, date and duration, into docs/test-long.md; the other parts' lines stay.
#
#     scripts/test-long.sh               all parts
#     scripts/test-long.sh evenings      only these, by the names below
#
# It can be repeated at any time, and leaves nothing on the container engine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
page=docs/test-long.md
found=$(mktemp)
trap 'rm -f "$found" "$found.all"' EXIT

# Runs something, and keeps what it says that it measured.
measured() {
    "$@" 2>&1 | tee "$found.all"
    local result=${PIPESTATUS[0]}
    sed -n 's/^measured: /: /p' "$found.all" | tail -1 >"$found"
    return "$result"
}

evenings() { DOORWARD_EVENINGS=10 cargo test --locked --test end_to_end -- --nocapture evenings_of_a_household; }
whatsapp() {
    # Four more, each from a seed of its own.
    for _ in 1 2 3 4; do cargo test --locked -p doorward-line --test line -- --nocapture evening:: || return 1; done
}
line() { cargo test --locked -p doorward-line --test line -- kills:: many::; }
fuzz() { scripts/fuzz.sh 60; }
kills() { DOORWARD_KILLS=300 cargo test --locked --test end_to_end -- --nocapture whatever_is_killed_nothing_went_out; }
queue() { DOORWARD_QUEUE=10000 measured cargo test --locked -p doorward --lib -- --nocapture a_long_queue_of_many_groups; }
rest() { DOORWARD_REST=60 measured cargo test --locked --test end_to_end -- --nocapture rest::; }
tasks() { DOORWARD_KILLS=1000 measured cargo test --locked --test end_to_end -- --nocapture tasks::deaths; }
images() { cargo test --locked --test end_to_end -- --ignored --nocapture recipes::; }
guards() { scripts/guards.sh; }
packages() { scripts/package-test.sh "$(scripts/target.sh)/debug" long; }

about() {
    case $1 in
        evenings) echo "ten evenings of a household" ;;
        whatsapp) echo "four evenings on WhatsApp" ;;
        line) echo "fifty deaths and a thousand messages, from a phone to the agent and back" ;;
        fuzz) echo "a minute of unheard-of inputs for each reader" ;;
        kills) echo "three hundred deaths under load, with a full disk and a clock that jumps" ;;
        queue) echo "ten thousand messages that wait for two hundred groups" ;;
        rest) echo "a minute of a daemon that has nothing to do" ;;
        tasks) echo "a thousand deaths on the way of tasks, files and messages" ;;
        images) echo "recipes of images, with what registries give: a browser, Qwen Code, Gemini CLI" ;;
        guards) echo "each guard taken away, and noticed" ;;
        packages) echo "a package installed, used, upgraded, run as a service and purged in a Debian of its own" ;;
        *) return 1 ;;
    esac
}

# Puts a part's line in the place of its last one.
note_result() {
    local part=$1 result=$2 seconds=$3 commit line
    commit=$(git rev-parse --short HEAD)
    git diff --quiet HEAD -- . ":!$page" || commit="$commit and changes"
    line="| \`$part\` | $(about "$part") | $result | $((seconds / 60)) min $((seconds % 60)) s | $commit | $(date -u +%F) |"
    awk -v part="| \`$part\` |" -v line="$line" \
        'index($0, part) == 1 { print line; next } { print }' "$page" >"$page.new"
    mv "$page.new" "$page"
}

parts=("$@")
[ "${#parts[@]}" -gt 0 ] || parts=(evenings whatsapp line kills queue rest tasks images fuzz guards packages)
for part in "${parts[@]}"; do
    about "$part" >/dev/null || fail "There is no part $part." "The parts: evenings, whatsapp, line, kills, queue, rest, tasks, images, fuzz, guards, packages."
done

say "Building"
cargo build --workspace --locked

failed=()
for part in "${parts[@]}"; do
    say "$part: $(about "$part")"
    started=$SECONDS
    : >"$found"
    if "$part"; then result=passed; else result=FAILED failed+=("$part"); fi
    note_result "$part" "$result$(cat "$found")" $((SECONDS - started))
    note "$part: $result after $((SECONDS - started)) s"
done
[ "${#failed[@]}" = 0 ] || fail "Failed: ${failed[*]}" "What it said stands above; $page has the results."
say "All passed; $page has the results"
