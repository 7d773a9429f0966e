#!/bin/sh
# Makes docs/pictures anew, from what the commands show at a terminal (needs a container engine).
set -eu
cd "$(dirname "$0")/.."
UPDATE=1 cargo test --test end_to_end pictures::
