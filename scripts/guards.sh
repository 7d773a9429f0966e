#!/usr/bin/env bash
# Takes each guard in tests/guards away, in a copy of this tree, and wants the test
# that the patch names to turn red. With names, only those: scripts/guards.sh 04 09
# With a share, every twelfth, say, other ones with each commit: scripts/guards.sh --share 12
#
# A patch says above its diff what it does, which invariant of SECURITY.md that breaks
# ("Invariant: 4"), and what must fail ("Red:", arguments of cargo test).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
target=$(scripts/target.sh)
copy=$target/guards
# Workspace crates are built for the copy alone, in steps; dependencies are shared.
export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=1 CARGO_TERM_COLOR=never RUST_BACKTRACE=0
have patch || fail "patch is not installed." "On Debian: apt-get install patch"

# What is here, with its times, so that only what changed is built again.
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ -e "$file" ] && printf '%s\0' "$file"
done | tar -c --null -T - | tar -x -C "$copy"

# An earlier run that was killed may have left a guard out of what is built.
sed -n 's|^+++ b/||p' tests/guards/*.patch | sort -u | (cd "$copy" && xargs touch)

log=$(mktemp)
undo=
# From the tree, never by the patch in reverse: where its lines have moved, a reverse that
# tolerates moved lines may put them back in another place, and every later guard fails.
restore() {
    [ -z "$undo" ] || sed -n 's|^+++ b/||p' "$undo" | while IFS= read -r file; do
        cp "$file" "$copy/$file"
    done
    undo=
}
trap 'restore; rm -f "$log"' EXIT

# What the patch of $guard takes away must turn a test red; says what is wrong otherwise.
noticed() {
    local red words word test=() settings=()
    red=$(sed -n 's/^Red: //p' "$guard")
    read -r -a words <<<"$red"
    for word in "${words[@]}"; do
        case $word in *=*) settings+=("$word") ;; *) test+=("$word") ;; esac
    done
    # Of the whole workspace, what is asked of dependencies is what `make test` has built them for.
    case " $red " in *" --test "*) test=(--workspace "${test[@]}") ;; esac
    undo=$guard
    patch -d "$copy" -p1 -s -F3 --no-backup-if-mismatch <"$guard" >"$log" 2>&1 ||
        { echo "it does not apply any more: the guard has moved, make the patch anew (git diff -U2)"; return 1; }
    (cd "$copy" && cargo test --quiet --locked "${test[@]}" --no-run) >"$log" 2>&1 ||
        { echo "it does not build any more: make the patch anew"; return 1; }
    if (cd "$copy" && env "${settings[@]}" cargo test --quiet --locked "${test[@]}") >"$log" 2>&1; then
        echo "it takes a guard away, and nothing notices: cargo test $red passes all the same"
        return 1
    fi
    grep -q '^test result: FAILED' "$log" || { echo "cargo test $red did not run"; return 1; }
}

share=1 part=0
if [ "${1:-}" = --share ]; then
    share=$2
    part=$((16#$(git rev-parse --short=7 HEAD) % share))
    shift 2
fi
tried=0 wrong=0 number=0
for guard in "$PWD"/tests/guards/*.patch; do
    name=$(basename "$guard" .patch)
    number=$((number + 1))
    wanted=$([ $# = 0 ] && [ $((number % share)) = "$part" ] && echo yes || true)
    # All of them have to fit, those whose turn it is not as well.
    if [ $# = 0 ] && [ -z "$wanted" ] && ! patch -d "$copy" -p1 -s -F3 --dry-run <"$guard" >"$log" 2>&1; then
        wrong=$((wrong + 1))
        note "$name: it does not apply any more: the guard has moved, make the patch anew (git diff -U2)"
    fi
    for one in "$@"; do case $name in "$one"*) wanted=yes ;; esac; done
    [ "$wanted" ] || continue
    tried=$((tried + 1)) started=$SECONDS
    if noticed; then
        note "$name: noticed ($((SECONDS - started)) s)"
    else
        wrong=$((wrong + 1))
        note "$name: see above"
        tail -n 40 "$log"
    fi
    restore
done
[ "$tried" -gt 0 ] || fail "There is no such guard: $*" "They are in tests/guards."
[ "$wrong" = 0 ] || fail "$wrong of $tried guards can be taken away without anybody noticing, or are patched wrongly."
say "$tried of $number guards taken away, each noticed"
