#!/usr/bin/env bash
# The frameworks that proxy/tests/frameworks asks how they read requests: from Debian
# what Debian has, Express and what belongs to it from npm. Installs only what is
# missing, and prints the folder of npm's modules.
#
#     scripts/frameworks.sh           installs, prints the folder
#     scripts/frameworks.sh missing   prints the Debian packages that are missing
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
. scripts/packages.sh

missing_packages() {
    have php || echo php-cli
    [ -e /usr/share/php/Symfony/Component/HttpFoundation/autoload.php ] || echo php-symfony-http-foundation
    [ -e /usr/share/php/Illuminate/Http/autoload.php ] || echo php-illuminate-http
    ruby -e 'require "rack"; require "action_dispatch"; require "puma"' 2>/dev/null || echo ruby ruby-rack ruby-actionpack puma
    # Debian's own Python: packages from Debian are for it alone.
    [ -x /usr/bin/python3 ] || echo python3
    /usr/bin/python3 -c 'import django, flask' 2>/dev/null || echo python3-django python3-flask
    /usr/bin/python3 -c 'import starlette, uvicorn, multipart' 2>/dev/null || echo python3-starlette uvicorn python3-multipart
    perl -MMojolicious -e 1 2>/dev/null || echo libmojolicious-perl
    have node || echo nodejs
    have npm || echo npm
}

main() {
    local missing modules
    missing=$(missing_packages | tr '\n' ' ')
    if [ "${1:-}" = missing ]; then
        echo "$missing"
        return
    fi
    # One at a time: tests run side by side.
    exec 9>"${TMPDIR:-/tmp}/doorward-frameworks.lock"
    flock 9
    missing=$(missing_packages | tr '\n' ' ')
    # shellcheck disable=SC2086
    [ -z "$missing" ] || install_packages $missing >&2
    modules=$(scripts/target.sh)/frameworks
    if [ ! -e "$modules/.complete" ]; then
        say "Express and method-override from npm (5 MB)" >&2
        rm -rf "$modules"
        mkdir -p "$modules"
        npm install --prefix "$modules" --no-audit --no-fund --loglevel=error --ignore-scripts \
            express@4.22.3 method-override@3.0.0 multer@2.5.0 >&2
        touch "$modules/.complete"
    fi
    echo "$modules/node_modules"
}

main "$@"
