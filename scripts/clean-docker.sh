#!/usr/bin/env bash
# `make clean-docker`: removes what aborted tests left on the container engine:
# sandboxes (known by Doorward's label) of installations in a temporary folder, and
# the tests' own images. Your own installations are left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
temporary=$(realpath "${TMPDIR:-/tmp}")

have docker || fail "This needs the docker command." "On Debian: apt-get install docker.io"

removed=0
for container in $(docker ps --all --quiet --filter label=doorward.installation); do
    folder=$(docker inspect --format '{{range .Mounts}}{{if eq .Destination "/workspace/group"}}{{.Source}}{{end}}{{end}}' "$container")
    case "$folder" in
        "$temporary"/*)
            docker rm --force --volumes "$container" >/dev/null
            removed=$((removed + 1))
            ;;
    esac
done
say "Removed $removed sandboxes of test installations."

images=$(docker images --quiet 'doorward-test/*' | sort -u)
if [ -n "$images" ]; then
    # shellcheck disable=SC2086 # a list of ids
    docker rmi --force $images >/dev/null
    say "Removed the tests' images."
fi
