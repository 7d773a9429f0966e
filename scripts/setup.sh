#!/usr/bin/env bash
# Makes this machine ready to build, run and test Doorward. Installs or starts
# only what is missing, says what it does, and can be repeated at any time.
#
#     scripts/setup.sh          to build and run
#     scripts/setup.sh test     to run the tests as well
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
. scripts/packages.sh
. scripts/engine.sh

main() {
    say "Checking what this machine has"
    ensure_rust
    local missing=()
    have cc || missing+=(build-essential)           # SQLite is compiled from source
    have curl || missing+=(curl ca-certificates)    # asks the engine whether it is there
    have mmdebstrap || missing+=(mmdebstrap)        # builds the base image from Debian's packages
    if [ "${1:-}" = test ]; then
        have h2load || missing+=(nghttp2-client)    # speaks HTTP/2 to the door
        has_static_busybox || missing+=(busybox-static) # the image of most container tests
        has_pip || missing+=(python3-pip)      # fetches what images have that Debian has not
        # A desktop's keyring, for the test of secrets in one.
        have dbus-daemon || missing+=(dbus)
        have gnome-keyring-daemon || missing+=(gnome-keyring)
        have secret-tool || missing+=(libsecret-tools)
        has_faketime || missing+=(libfaketime)      # a daemon whose clock is wrong
        # The frameworks that are asked how they read requests.
        local frameworks
        read -r -a frameworks <<<"$(scripts/frameworks.sh missing)"
        missing+=("${frameworks[@]}")
    fi
    if [ "${#missing[@]}" -gt 0 ]; then
        say "Installing from Debian: ${missing[*]}"
        install_packages "${missing[@]}"
    fi
    ensure_engine
}

# Debian's usual busybox needs a C library, which that image does not have.
has_static_busybox() {
    [ -x /bin/busybox ] && ! grep -q -e /ld-linux -e /ld-musl /bin/busybox
}

has_faketime() {
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null
}

has_pip() {
    python3 -m pip --version >/dev/null 2>&1 || have pip3 || have pip
}

ensure_rust() {
    have cargo || fail "cargo is not on the PATH." \
        "Doorward is built with Rust. Install it from https://rustup.rs, or, where it is installed already," \
        "run '. ~/.cargo/env', then repeat the command."
}

main "$@"
