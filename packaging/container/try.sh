#!/usr/bin/env bash
# Builds the image and tries it, and then the examples of docs/containers.md as they stand there. As root:
#   packaging/container/try.sh [podman | docker]
# podman.sh and docker.sh beside this file say what each needs. Both need debootstrap, which makes the base image, because
# no registry of images is asked. BASE names a root that debootstrap has made before. The example takes port 443.
set -euo pipefail
cd "$(dirname "$0")/../.."
engine=${1:-podman}
die() { echo "try.sh: $*" >&2; exit 2; }
need() { for program; do command -v "$program" >/dev/null || die "it needs $program: apt-get install it"; done; }
[ "$(id -u)" = 0 ] || die "it needs root, for debootstrap"
[ -f "packaging/container/$engine.sh" ] || die "no engine $engine: give podman or docker"
need debootstrap openssl python3
work=$(mktemp -d /var/tmp/simaccel-container-XXXXXX)
end_engine() { :; }
trap 'end_engine >/dev/null 2>&1 || true; rm -rf --one-file-system "$work"' EXIT
# It defines import_base, build_image, compose and end_engine. With podman also play_pod.
# shellcheck source=/dev/null
source "packaging/container/$engine.sh"

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
tar -C "$base" -c . -C "$work/more" $more | import_base debian:bookworm-slim >/dev/null
rm -rf --one-file-system "$work/base"

echo "== the image"
build_image simaccel -f packaging/container/Dockerfile .

# Repeats a command until it succeeds, for a minute at most.
await() {
    local end=$((SECONDS + 60))
    until "$@"; do
        [ $SECONDS -lt $end ] || { echo "try.sh: not within a minute: $*" >&2; return 1; }
        sleep 0.2
    done
}

# How many signatures of this kind the device in a container has made.
signatures() {
    "$engine" exec "$1" simaccel stat --json --socket /run/simaccel/simaccel.sock |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["by_op"].get(sys.argv[1], 0))' "$2"
}

has_signed() { [ "$(signatures "$1" "$2")" -gt 0 ]; }

echo "== a device in one container, and openssl in another one, without a network"
mkdir "$work/socket"
chown 1999:1999 "$work/socket"
run=("$engine" run --network none --volume "$work/socket:/run/simaccel")
device=$("${run[@]}" --detach simaccel --allow-user 1000)
await test -S "$work/socket/simaccel.sock" || { "$engine" logs "$device"; exit 1; }
"${run[@]}" --rm --user 1000 --env OPENSSL_CONF=/opt/simaccel/openssl.cnf --env SIMACCEL_TRUSTED_USERS=1999 \
    --env SIMACCEL_TRACE=yes --entrypoint openssl simaccel speed -elapsed -seconds 1 -async_jobs 8 ecdsap256
has_signed "$device" ecdsa-sign
"$engine" kill "$device" >/dev/null

# The files of the example, as they stand in the page, and a certificate.
example=$work/web
mkdir -p "$example/tls"
python3 - docs/containers.md "$example" <<'END'
import re, sys
from pathlib import Path
begins = {"FROM": "Dockerfile", "server": "web.conf", "services": "compose.yaml", "apiVersion": "pod.yaml"}
for text in re.findall(r"^```\w+\n(.*?)^```$", Path(sys.argv[1]).read_text(), re.MULTILINE | re.DOTALL):
    name = begins.get(re.match(r"\w*", text)[0])
    if name:
        Path(sys.argv[2], name).write_text(text)
END
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$example/tls/tls.key" -out "$example/tls/tls.crt" \
    2>/dev/null

# Whether one handshake succeeds; the words are a command that runs openssl.
handshake() { "$@" s_client -connect 127.0.0.1:443 -brief </dev/null >/dev/null 2>&1; }

# Makes handshakes until the device in container $1 has signed, and then 20 more. It must count each of those.
uses_the_device() {
    local device=$1 before after
    shift
    handshake_is_on_the_device() { handshake "$@" && has_signed "$device" rsa-sign; }
    await handshake_is_on_the_device "$@" || { "$engine" logs "$device"; return 1; }
    before=$(signatures "$device" rsa-sign)
    for _ in $(seq 20); do handshake "$@"; done
    after=$(signatures "$device" rsa-sign)
    echo "20 handshakes, $((after - before)) signatures on the device"
    [ $((after - before)) = 20 ]
}

echo "== the example with compose"
compose "$example" up --detach >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
uses_the_device "$("$engine" ps --quiet --filter label=com.docker.compose.service=device)" openssl
compose "$example" down --volumes >"$work/log" 2>&1

if [ "$engine" = podman ]; then
    echo "== the example with a pod"
    play_pod "$example"
    uses_the_device web-device podman exec web-device openssl
fi
echo "== it works"
