#!/usr/bin/env bash
# Tests of linking with WhatsApp. They need a program that believes a server which
# WhatsApp has not signed for: a workspace of its own builds it, under another name,
# and nothing else is built with it.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
cd channels/whatsapp-pairing
if [ "${1:-}" = lints ]; then
    cargo fmt --check
    # As `cargo clippy` does it, its separator of arguments included, but as part of a build: the dependencies were
    # built for the tests, and need not be checked as well.
    export RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
    exec cargo test --no-run --locked
fi
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast
else
    cargo test --locked --no-fail-fast
fi
