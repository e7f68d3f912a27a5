#!/usr/bin/env bash
# Builds the image and tries it: a device in one container, openssl in another one with the image's provider. As root:
#   packaging/container/try.sh
# It needs podman, buildah, runc and debootstrap. The base image is made by debootstrap, because no registry of images is asked.
# BASE names a root that debootstrap has made before.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "try.sh: it needs root, for debootstrap" >&2; exit 2; }
for program in podman buildah runc debootstrap; do
    command -v "$program" >/dev/null || { echo "try.sh: it needs $program: apt-get install it" >&2; exit 2; }
done
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
work=$(mktemp -d /var/tmp/simaccel-container-XXXXXX)
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
engine=(podman "${storage[@]}" --cgroup-manager cgroupfs --runtime "$(command -v runc)")
device=
finish() {
    [ -z "$device" ] || "${engine[@]}" kill "$device" >/dev/null 2>&1 || true
    "${engine[@]}" rm --all --force >/dev/null 2>&1 || true
    rm -rf --one-file-system "$work"
}
trap finish EXIT

echo "== the base image"
base=${BASE:-$work/base}
[ -n "${BASE:-}" ] || debootstrap --variant=minbase bookworm "$base" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
    >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
# How this machine reaches PyPI.
mkdir -p "$work/more/etc"
printf '[global]\nindex-url = %s\n' "${PIP_INDEX_URL:-https://pypi.org/simple}" >"$work/more/etc/pip.conf"
if [ -n "${PIP_CERT:-}" ]; then
    cp "$PIP_CERT" "$work/more/etc/pip.crt"
    echo 'cert = /etc/pip.crt' >>"$work/more/etc/pip.conf"
fi
more=$(cd "$work/more" && find etc -type f)
# shellcheck disable=SC2086  # one word for each file
tar -C "$base" -c . -C "$work/more" $more | podman "${storage[@]}" import --quiet - docker.io/library/debian:bookworm-slim >/dev/null
rm -rf "$work/base"

echo "== the image"
buildah "${storage[@]}" bud --quiet --pull-never --network host -f packaging/container/Dockerfile \
    --ignorefile packaging/container/Dockerfile.dockerignore -t simaccel .

echo "== a device in one container, and openssl in another one, without a network"
# Low limits, because podman's defaults may be more than this machine allows; runc, because it takes any kind of cgroups.
run=("${engine[@]}" run --network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000
    --volume "$work/socket:/run/simaccel")
mkdir "$work/socket"
chown 1999:1999 "$work/socket"
device=$("${run[@]}" --detach simaccel --allow-user 1000)
until [ -S "$work/socket/simaccel.sock" ]; do
    "${engine[@]}" inspect --format '{{.State.Status}}' "$device" | grep -qE 'created|running' ||
        { "${engine[@]}" logs "$device"; exit 1; }
done
"${run[@]}" --rm --user 1000 --env OPENSSL_CONF=/opt/simaccel/openssl.cnf --env SIMACCEL_TRUSTED_USERS=1999 \
    --env SIMACCEL_TRACE=yes --entrypoint openssl simaccel speed -elapsed -seconds 1 -async_jobs 8 ecdsap256
"${run[@]}" --rm --user 1000 --entrypoint simaccel simaccel stat --json --socket /run/simaccel/simaccel.sock |
    python3 -c 'import json, sys; told = json.load(sys.stdin); assert told["by_op"]["ecdsa-sign"] > 0, told; print(told["by_op"], told["told"])'
echo "== it works"
