#!/usr/bin/env bash
# Builds doorward-whatsapp, the slowest part by far: about as long as all else together. Says so first.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

profile=${1:-release}
program=$(scripts/target.sh)/$profile/doorward-whatsapp
[ -e "$program" ] || note "doorward-whatsapp takes some minutes more, the first time."
cargo build --profile "$profile" --locked -p doorward-whatsapp
