#!/usr/bin/env bash
# Breaks the code that decides, one small change at a time, and asks whether a test
# notices. Every mutant that lives is a missing test, needless code, or stands with
# its reason in .cargo/mutants.toml. Hours, so not part of CI.
#
#     scripts/mutants.sh                      everything below
#     scripts/mutants.sh --shard 1/8          a part of it; --in-diff FILE: what a change touches
#
# The verdict is held against its own tests, without the properties, which find the
# same mutants later; the guards of the proxy against the proxy's tests.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin" INSTA_UPDATE=no CARGO_PROFILE_DEV_DEBUG=0
have cargo-mutants || cargo install cargo-mutants --locked --quiet
have mold && export RUSTFLAGS="-Clink-arg=-fuse-ld=mold"

guards=(--file 'proxy/gate/src/**/*.rs')
for guard in credentials headers keeper pool send 'credentials/**/*'; do
    guards+=(--file "proxy/src/$guard.rs")
done
mutants() { nice -n 19 cargo mutants --jobs 1 --timeout 300 --no-shuffle --output "target/mutants-$1" "${@:2}"; }

rules=()
for crate in words policies policy-file; do
    rules+=(--package "$crate" --test-package "$crate")
done

lived=0
say "The words, the verdict and the policy file"
mutants policies "${rules[@]}" "$@" -- --lib --test policies -- --skip properties:: || lived=1
say "The gate, and the guards of the proxy"
mutants proxy -p gate -p proxy --test-package gate --test-package proxy "${guards[@]}" "$@" || lived=1
[ "$lived" = 0 ] || fail "Some mutants live: target/mutants-*/mutants.out/missed.txt lists them."
