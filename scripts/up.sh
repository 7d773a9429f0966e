#!/usr/bin/env bash
# `make up`: builds Doorward, makes the base image, shows the tour, and in a
# terminal goes on with the setup.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

binary=$(scripts/target.sh)/up/doorward

say "Building Doorward (the first time takes about four minutes)"
cargo build --profile up --locked --bin doorward

say "Building the base image for sandboxes (the first time takes a minute or two)"
"$binary" image build

say "The tour"
"$binary" tour

say "Doorward is ready: $binary"
note "Next:"
note "    $binary setup             chats, agent, key, what it may reach; ends in a chat"
note "    $binary chat              talk to an agent in its sandbox"
note "    $binary drill             attack your own installation"
note "    $binary audit --follow    watch what passes and what is refused"
note "'make install' puts the program into ~/.local/bin, with the one for WhatsApp."
note "'doorward service install --now' then keeps it running."

if [ -t 0 ] && [ -t 1 ]; then
    say "Setting it up (Ctrl-C leaves; '$binary setup' goes on from there)"
    exec "$binary" setup
fi
