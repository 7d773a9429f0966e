#!/usr/bin/env bash
# `make install`: puts the programs that `make up` builds into a folder, with completions and manual
# pages where a user's shells and `man` look for them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

folder=${1:-$HOME/.local/bin}
built=$(scripts/target.sh)/up
cargo build --profile up --locked --bin doorward
scripts/whatsapp.sh up
for program in doorward doorward-whatsapp; do
    install -D -m 755 "$built/$program" "$folder/$program"
    note "Installed $folder/$program"
done

share=$(dirname "$folder")/share
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
"$folder/doorward" pages "$pages"
mkdir -p "$share/man/man1"
install -m 644 "$pages"/man1/*.1 "$share/man/man1/"
install -D -m 644 "$pages/bash/doorward" "$share/bash-completion/completions/doorward"
install -D -m 644 "$pages/zsh/_doorward" "$share/zsh/site-functions/_doorward"
install -D -m 644 "$pages/fish/doorward.fish" "$share/fish/vendor_completions.d/doorward.fish"
note "Installed manual pages and completions in $share"
case ":$PATH:" in *":$folder:"*) ;; *)
    note "$folder is not on your PATH yet: log out and in again, or add it:"
    note "    export PATH=\"$folder:\$PATH\"    (in ~/.profile, for good)"
    ;;
esac
