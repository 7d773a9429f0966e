#!/usr/bin/env bash
# `make deb`: builds the packages `doorward` and `doorward-whatsapp` for this machine's Debian, with
# Debian's own dpkg-deb.
#
#     scripts/deb.sh                      builds the programs, then packs them into target/deb
#     scripts/deb.sh FOLDER [PROGRAMS]    into FOLDER; programs that are there already in PROGRAMS
#
# VERSION and COMPRESSION (xz, gzip, none) can be set for tests.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh

out=${1:-$(scripts/target.sh)/deb}
programs=${2:-}
version=${VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
compression=${COMPRESSION:-xz}
maintainer="Doorward <doorward@localhost>"

have dpkg-deb || fail "This needs dpkg-deb, which is part of Debian." "Elsewhere: make install"
have objdump || fail "This needs objdump." "On Debian: apt-get install binutils"

if [ -z "$programs" ]; then
    say "Building the programs"
    # Packed relocations are a megabyte less. The C library loads them from 2.36 on, Debian's since bookworm.
    link=()
    here=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
    printf '2.36\n%s\n' "$here" | sort -CV && link=(-C link-arg=-Wl,-z,pack-relative-relocs)
    cargo rustc --release --locked --package doorward --bin doorward -- "${link[@]}"
    scripts/whatsapp.sh
    programs=$(scripts/target.sh)/release
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
architecture=$(dpkg --print-architecture)
mkdir -p "$out"

# The newest version of the C library that a program asks for.
libc_of() {
    {
        objdump -T "$1" | grep -o 'GLIBC_[0-9][0-9.]*' | cut -c 7-
        # Packed relocations.
        if objdump -p "$1" | grep GLIBC_ABI_DT_RELR >/dev/null; then echo 2.36; fi
    } | sort -uV | tail -n 1
}

# Everything in a package but its control files: programs without debug information.
put() { # MODE FROM TO
    install -D -m "$1" "$2" "$3"
}
program() { # NAME ROOT
    put 755 "$programs/$1" "$2/usr/bin/$1"
    strip --strip-all --remove-section=.comment --remove-section=.note "$2/usr/bin/$1"
}

# Packs a staged tree.
pack() { # NAME ROOT DESCRIPTION DEPENDS [FIELD…]
    local name=$1 root=$2 description=$3 depends=$4
    shift 4
    local documents=$root/usr/share/doc/$name
    mkdir -p "$documents" "$root/DEBIAN"
    printf '%s (%s) unstable; urgency=medium\n\n  * See /usr/share/doc/doorward/CHANGELOG.md.\n\n -- %s  %s\n' \
        "$name" "$version" "$maintainer" "$(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")" |
        gzip -9n >"$documents/changelog.gz"
    {
        printf 'Package: %s\nVersion: %s\nArchitecture: %s\n' "$name" "$version" "$architecture"
        printf 'Maintainer: %s\nSection: net\nPriority: optional\n' "$maintainer"
        printf 'Installed-Size: %s\nDepends: %s\n' "$(du -sk --exclude=DEBIAN "$root" | cut -f 1)" "$depends"
        for field in "$@"; do printf '%s\n' "$field"; done
        printf 'Description: %s\n' "$description"
    } >"$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    find "$root" -type d -exec chmod 755 {} +
    dpkg-deb --root-owner-group -Z"$compression" --build "$root" "$out/${name}_${version}_$architecture.deb" >/dev/null
    note "$out/${name}_${version}_$architecture.deb ($(du -k "$out/${name}_${version}_$architecture.deb" | cut -f 1) kB)"
}

doorward() {
    local root=$work/doorward page
    program doorward "$root"
    "$programs/doorward" pages "$work/pages"
    for page in "$work"/pages/man1/*.1; do
        mkdir -p "$root/usr/share/man/man1"
        gzip -9n <"$page" >"$root/usr/share/man/man1/$(basename "$page").gz"
    done
    put 644 "$work/pages/bash/doorward" "$root/usr/share/bash-completion/completions/doorward"
    put 644 "$work/pages/zsh/_doorward" "$root/usr/share/zsh/vendor-completions/_doorward"
    put 644 "$work/pages/fish/doorward.fish" "$root/usr/share/fish/vendor_completions.d/doorward.fish"
    put 644 packaging/doorward.service "$root/usr/lib/systemd/user/doorward.service"
    put 644 packaging/doorward@.service "$root/usr/lib/systemd/system/doorward@.service"
    for page in README.md SECURITY.md CHANGELOG.md docs/*.md; do
        put 644 "$page" "$root/usr/share/doc/doorward/$page"
    done
    { cat packaging/copyright && sed 's/^$/./; s/^/ /' LICENSE-MIT; } >"$work/copyright"
    put 644 "$work/copyright" "$root/usr/share/doc/doorward/copyright"
    for script in postinst prerm postrm; do put 755 "packaging/$script" "$root/DEBIAN/$script"; done
    pack doorward "$root" "assistant in your chats whose only way out is a door you control
 An agent answers in your chats from inside a container that has no network. Its
 one way out is a proxy on this machine: what the policy of its group names goes
 through, all else is refused, and both are written down." \
        "libc6 (>= $(libc_of "$root/usr/bin/doorward")), libgcc-s1" \
        "Recommends: docker.io | docker-ce | podman, mmdebstrap, ca-certificates" \
        "Suggests: doorward-whatsapp"
}

whatsapp() {
    local root=$work/doorward-whatsapp
    program doorward-whatsapp "$root"
    put 644 packaging/copyright-whatsapp "$root/usr/share/doc/doorward-whatsapp/copyright"
    put 644 channels/whatsapp/LICENSE "$root/usr/share/doc/doorward-whatsapp/LICENSE"
    pack doorward-whatsapp "$root" "WhatsApp channel for Doorward
 The program that Doorward starts to speak with WhatsApp. It is under a licence
 of its own, the AGPL." \
        "libc6 (>= $(libc_of "$root/usr/bin/doorward-whatsapp")), libgcc-s1, doorward (= $version)"
}

say "Packing version $version"
doorward
if [ -e "$programs/doorward-whatsapp" ]; then
    whatsapp
else
    note "Without doorward-whatsapp: it is not in $programs."
fi
