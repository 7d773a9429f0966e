#!/usr/bin/env bash
# Packages are tried in a Debian of their own, made with Debian's own mmdebstrap, in a container of
# the machine's engine.
#
#     scripts/package-test.sh PROGRAMS           packs those programs, installs, looks, purges
#     scripts/package-test.sh PROGRAMS long      also: the tour as an ordinary user, an upgrade over an older
#                                                version, and the services under a systemd of its own
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

programs=$1
long=${2:-}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

# A shell runs a script in a Debian; `$packages` and what else is named is mounted at its own path.
debian() { # IMAGE SCRIPT [DOCKER'S ARGUMENTS…]
    local image=$1 script=$2
    shift 2
    docker run --rm --network none --volume "$packages:$packages:ro" "$@" "$image" sh -euc "$script"
}

# Debians are made once, and each container of one begins anew.
image() { # NAME PACKAGES
    local tag
    tag=doorward-test/$1:$(printf '%s' "$2" | sha256sum | cut -c 1-12)
    if ! docker image inspect "$tag" >/dev/null 2>&1; then
        note "Building $tag from Debian's packages" >&2
        mmdebstrap --quiet --variant=minbase --include="$2" --format=tar bookworm - | docker import - "$tag" >/dev/null
    fi
    echo "$tag"
}

# Short: the path of a socket has 107 bytes.
work=$(mktemp -d /tmp/dXXXXXX)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
packages=$work/packages
COMPRESSION=none scripts/deb.sh "$packages" "$programs"

# What every package has to keep: programs that start, pages, completions, units, and nothing that was
# started or is left after a purge.
install_and_look='
find / -xdev \( -path /proc -o -path /sys -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print | sort >/tmp/before
dpkg -i "$0"/doorward_*.deb
[ ! -e "$0"/doorward-whatsapp_*.deb ] || dpkg -i "$0"/doorward-whatsapp_*.deb
'
look='
doorward --version
for page in doorward doorward-backup doorward-policy-explain; do
    zcat /usr/share/man/man1/$page.1.gz | grep -q "^.SH NAME"
done
bash -n /usr/share/bash-completion/completions/doorward
grep -q "#compdef doorward" /usr/share/zsh/vendor-completions/_doorward
grep -q "complete -c doorward" /usr/share/fish/vendor_completions.d/doorward.fish
test -e /usr/lib/systemd/user/doorward.service
test -e /usr/lib/systemd/system/doorward@.service
! readelf -S /usr/bin/doorward 2>/dev/null | grep -q "\.debug_info"
! pidof doorward
test ! -e ~/.local/share/doorward
dpkg --verify doorward
'
purge='
dpkg --purge $(dpkg-query -W -f "\${db:Status-Abbrev}\${Package}\n" | sed -n "s/^ii *\(doorward\)/\1/p")
find / -xdev \( -path /proc -o -path /sys -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print | sort >/tmp/after
grep -v -e "^/tmp/" /tmp/before >/tmp/before.all
grep -v -e "^/tmp/" /tmp/after | diff /tmp/before.all -
'

say "Installing version $version into a fresh Debian, and purging it"
plain=$(image debian ca-certificates)
debian "$plain" "${install_and_look//\$0/$packages}$look$purge" || fail "The package is not as it should be; what was wrong stands above."
[ "$long" = long ] || exit 0
. scripts/package-test-long.sh
