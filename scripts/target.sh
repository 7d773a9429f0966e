#!/usr/bin/env bash
# Prints the folder that cargo builds into, wherever this machine's settings put it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
