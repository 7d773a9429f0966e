#!/usr/bin/env bash
# Leaves each stage of `pass` and `sent` (proxy/src/flow.rs) and `prepared` (proxy/src/prepared.rs) out, one after the other, in a copy of this
# tree, and wants the compiler to refuse every one: a request cannot go out without a stage.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
target=$(scripts/target.sh)
copy=$target/stages
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=1 CARGO_TERM_COLOR=never

mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ -e "$file" ] && printf '%s\0' "$file"
done | tar -c --null -T - | tar -x -C "$copy"

files=(proxy/src/flow.rs proxy/src/prepared.rs)
check() { (cd "$copy" && cargo check --quiet --locked -p proxy) >/dev/null 2>&1; }
restore() { for file in "${files[@]}"; do cp "$file" "$copy/$file"; done; }
trap restore EXIT
restore
check || fail "The copy does not compile as it is." "cargo check -p proxy"

# The statements of all that stand on one line.
mapfile -t stages < <(awk '/^(pub\(crate\) )?async fn (pass|sent|prepared)\(/ { inside = 1 } inside && /^    let .*;$/ { print FILENAME ":" FNR } /^}/ { inside = 0 }' "${files[@]}")
[ "${#stages[@]}" -gt 8 ] || fail "There are only ${#stages[@]} stages." "Look at scripts/stages.sh."
kept=0
for place in "${stages[@]}"; do
    restore
    file=${place%:*} line=${place##*:}
    stage=$(sed -n "${line}s/^ *//p" "$file")
    sed -i "${line}d" "$copy/$file"
    if check; then
        kept=$((kept + 1))
        note "compiles without: $stage"
    fi
done
[ "$kept" = 0 ] || fail "$kept of ${#stages[@]} stages can be left out." "Let what follows want their proofs."
say "${#stages[@]} stages left out, each missed by the compiler"
