#!/usr/bin/env bash
# `make test`: every test of the workspace, the ones on a real container engine
# included. Only what fetches programs from the internet is left to `make test-long`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

say "Building"
cargo build --workspace --locked

say "The base image that container tests run in"
doorward() { cargo run --quiet --locked --bin doorward -- --home "$home" "$@"; }
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
doorward image build

say "The image with Claude Code that its tests run in (the first time about 170 MB by pip or npm)"
doorward image build claude

say "The image with opencode (the first time about 60 MB by npm)"
doorward image build opencode

say "The image with Codex (the first time about 75 MB by npm)"
doorward image build codex

say "The image with more clients (the first time about 350 MB from Debian, npm and PyPI)"
scripts/clients-image.sh

say "The frameworks that are asked how they read requests"
scripts/frameworks.sh

say "Examples in the documentation"
cargo test --doc --workspace --locked

say "All tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast "$@"
else
    cargo test --workspace --lib --bins --tests --examples --locked --no-fail-fast "$@"
fi

say "Linking with WhatsApp"
scripts/pairing.sh
