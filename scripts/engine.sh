# shellcheck shell=bash
# Sourced by setup.sh: finds a container engine, and starts or installs one.

DOCKERD_LOG=/var/log/doorward-dockerd.log
ENGINE_WAIT_SECONDS=90

# Where an engine's socket can be, in the order in which Doorward looks.
engine_sockets() {
    local user
    user=/run/user/$(id -u)
    printf '%s\n' /var/run/docker.sock "$user/docker.sock" "$user/podman/podman.sock" /run/podman/podman.sock
}

# Asks the socket itself: the docker command may be missing where an engine runs.
answers() {
    curl --silent --fail --noproxy '*' --max-time 5 --unix-socket "$1" http://localhost/_ping >/dev/null 2>&1
}

engine_socket() {
    local socket
    for socket in $(engine_sockets); do
        if answers "$socket"; then
            printf '%s\n' "$socket"
            return 0
        fi
    done
    return 1
}

ensure_engine() {
    local socket
    if socket=$(engine_socket); then
        note "A container engine answers at $socket."
        return 0
    fi
    for socket in $(engine_sockets); do
        refuse_without_permission "$socket"
    done
    if ! have dockerd && ! [ -x /usr/sbin/dockerd ]; then
        say "No container engine here: installing Debian's docker.io (about 70 MB)"
        install_engine
    fi
    # A package may have started it by now.
    engine_socket >/dev/null || start_engine
    if ! socket=$(engine_socket); then
        for socket in $(engine_sockets); do refuse_without_permission "$socket"; done
        fail "The container engine was started but does not answer."
    fi
    note "A container engine answers at $socket."
}

install_engine() {
    local packages="docker.io"
    # With AppArmor in the kernel, the engine cannot start containers without its tools.
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && ! have apparmor_parser; then
        packages="$packages apparmor"
    fi
    # shellcheck disable=SC2086 # a list of packages
    install_packages $packages
}

# A socket that exists, takes no connection from us, but does from root.
refuse_without_permission() {
    [ -S "$1" ] || return 0
    [ -w "$1" ] && return 0
    fail "A container engine is there ($1), but you may not use it." \
        "Members of the group 'docker' may. Add yourself:" \
        "    sudo usermod -aG docker $(id -un)" \
        "then log out and in again (or run 'newgrp docker'), and repeat this command." \
        "Mind that members of that group can become root on this machine;" \
        "rootless Docker is the way around that: https://docs.docker.com/engine/security/rootless/"
}

start_engine() {
    can_be_root || fail "The container engine is installed but does not run, and starting it takes root." \
        "Run this, then repeat the command:" "    sudo systemctl start docker"
    if [ -d /run/systemd/system ]; then
        say "Starting the container engine (systemctl start docker)"
        as_root systemctl start docker || true
        wait_for_engine || {
            as_root journalctl -u docker --no-pager -n 30 >&2 || true
            fail "The container engine did not start; its last words are above (journalctl -u docker)."
        }
    else
        say "Starting the container engine (dockerd in the background, log in $DOCKERD_LOG)"
        # Its own session, so that it outlives this terminal; its log starts anew.
        as_root sh -c "PATH=\$PATH:/usr/sbin:/sbin; setsid dockerd >'$DOCKERD_LOG' 2>&1 </dev/null &"
        wait_for_engine || {
            as_root tail -n 30 "$DOCKERD_LOG" >&2 || true
            fail "The container engine did not start; its last words are above ($DOCKERD_LOG)."
        }
    fi
}

# Waits until root finds that the engine answers; ends early when a dockerd that
# we started is gone.
wait_for_engine() {
    local deadline=$((SECONDS + ENGINE_WAIT_SECONDS)) started=$SECONDS
    until as_root curl --silent --fail --noproxy '*' --max-time 5 --unix-socket /var/run/docker.sock \
        http://localhost/_ping >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        if ! [ -d /run/systemd/system ] && [ $((SECONDS - started)) -ge 5 ] && ! dockerd_runs; then
            return 1
        fi
        sleep 0.2
    done
}

dockerd_runs() {
    local name
    for name in /proc/[0-9]*/comm; do
        [ "$(cat "$name" 2>/dev/null)" = dockerd ] && return 0
    done
    return 1
}
