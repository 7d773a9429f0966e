#!/usr/bin/env bash
# The image of tests/clients.rs: clients that the base image does not have, from Debian
# what Debian has, the rest from npm and PyPI. Prints its name; builds it where it is
# missing.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=ca-certificates,curl,git,procps,python3,python3-grpcio,python3-websocket,python3-requests
debian=$debian,python3-httpx,python3-h2,skopeo,git-lfs,ant,openjdk-17-jre-headless,wget,ruby,php-cli,php-curl
debian=$debian,libwww-perl,liblwp-protocol-https-perl,python3-aiohttp,python3-urllib3
npm=(undici@7.30.2 @modelcontextprotocol/sdk@1.29.0 @aws-sdk/client-s3@3.1175.0)
node=24.22.3
pypi=(boto3==1.44.5 uv==0.13.8 stripe==16.1.0 google-api-python-client==2.202.0 PySocks==1.7.1 websockets==17.4)

recipe=$(sha256sum "$0" | cut -c 1-12)
tag=doorward-test/clients:$recipe

# For the sandbox's Python and processor, whatever this machine's Python is.
from_pypi() {
    local platforms=()
    for libc in manylinux2014 manylinux_2_28; do platforms+=(--platform "${libc}_$(uname -m)"); done
    python3 -m pip install --quiet --no-warn-conflicts --root-user-action=ignore --target "$1" --only-binary=:all: \
        --python-version 3.11 --implementation cp "${platforms[@]}" "${pypi[@]}" >&2
}

from_npm() {
    local processor=x64
    [ "$(uname -m)" = x86_64 ] || processor=arm64
    npm install --prefix "$1" --no-audit --no-fund --loglevel=error --ignore-scripts \
        "node-linux-$processor@$node" "${npm[@]}" >&2
    mv "$1/node_modules/node-linux-$processor/bin/node" "$1/node"
    rm -rf "$1/node_modules/node-linux-$processor"
}

# One at a time: tests run side by side.
exec 9>"${TMPDIR:-/tmp}/doorward-clients-image.lock"
flock 9
if ! docker image inspect "$tag" >/dev/null 2>&1; then
    echo "==> Building $tag from Debian, npm and PyPI (about two minutes)" >&2
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir "$folder/clients"
    from_pypi "$folder/clients/python" & pypi_done=$!
    from_npm "$folder/clients" & npm_done=$!
    wait "$pypi_done"
    wait "$npm_done"
    mmdebstrap --quiet --variant=minbase --include="$debian" --dpkgopt='path-exclude=/usr/share/man/*' \
        --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
        --customize-hook="copy-in $folder/clients /opt" --format=tar bookworm - |
        docker import --change 'CMD ["/bin/bash"]' \
            --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$tag" >&2
fi
echo "$tag"
