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
    exec cargo clippy --all-targets --locked -- -D warnings
fi
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast
else
    cargo test --locked --no-fail-fast
fi
