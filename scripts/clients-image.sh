#!/usr/bin/env bash
# The image of tests/clients.rs: what the base image does not have, a gRPC and a
# WebSocket client, from Debian's packages. Prints its name; builds it where it is
# missing.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=ca-certificates,curl,procps,python3,python3-grpcio,python3-websocket
recipe=$(sha256sum "$0" | cut -c 1-12)
tag=doorward-test/clients:$recipe

# One at a time: tests run side by side.
exec 9>"${TMPDIR:-/tmp}/doorward-clients-image.lock"
flock 9
if ! docker image inspect "$tag" >/dev/null 2>&1; then
    echo "==> Building $tag from Debian packages (about a minute)" >&2
    mmdebstrap --quiet --variant=minbase --include="$packages" --format=tar bookworm - |
        docker import --change 'CMD ["/bin/bash"]' \
            --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$tag" >&2
fi
echo "$tag"
