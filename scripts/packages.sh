# shellcheck shell=bash
# Sourced by setup.sh: packages from Debian (or a relative of it), when needed.

APT_LOG=${TMPDIR:-/tmp}/doorward-apt-$(id -u).log

# Installs packages, and on failure says what went wrong or what to run.
install_packages() {
    if ! have apt-get; then
        fail "Missing on this machine: $*" \
            "This is no Debian or relative of it, so install them your system's way, then repeat the command."
    fi
    can_be_root || fail "Missing on this machine: $*" \
        "Installing them takes root, and sudo is not there or asks for a password." \
        "Run this, then repeat the command:" \
        "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
    lists_are_fresh || update_lists
    note "apt-get install $*"
    # Lists that are a little old can name versions that are gone: then once more with new ones.
    if ! apt_install "$@"; then
        update_lists
        apt_install "$@" || {
            tail -n 20 "$APT_LOG" >&2
            fail "Installing $* failed; the whole log is $APT_LOG."
        }
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" >"$APT_LOG" 2>&1 </dev/null
}

update_lists() {
    note "apt-get update"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$APT_LOG" 2>&1 </dev/null || {
        tail -n 20 "$APT_LOG" >&2
        fail "apt-get update failed; the whole log is $APT_LOG. Is the network up?"
    }
}

lists_are_fresh() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 2>/dev/null | head -n 1)" ]
}
