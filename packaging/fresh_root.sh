#!/usr/bin/env bash
# Tries the wheels of dist/ in a new Debian, with no compiler, as an ordinary user from an empty folder:
#   packaging/fresh_root.sh bookworm
# Needs root and debootstrap. Three commands lead from pip to a paused handshake; a fourth is the client. Before that it
# tries the library without its extras, and the source archive. The new root is removed at the end.
set -euo pipefail
suite=${1:?say which suite of Debian, such as bookworm}
dist=$(cd "${2:-$(dirname "$0")/../dist}" && pwd)
[ "$(id -u)" = 0 ] || { echo "fresh_root.sh: it needs root, for debootstrap and chroot" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "fresh_root.sh: it needs debootstrap: apt-get install debootstrap" >&2; exit 2; }

root=$(mktemp -d /var/tmp/simaccel-"$suite"-XXXXXX)
chmod 755 "$root" # for the user in it
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
echo "== $suite, new in $root"
debootstrap --variant=minbase --include=python3-venv,openssl,ca-certificates "$suite" "$root" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || { tail "$root.log"; exit 1; }
rm "$root.log"
mount -t proc proc "$root/proc"
# How this machine reaches PyPI.
cp /etc/resolv.conf /etc/hosts "$root/etc"
if [ -n "${PIP_CERT:-}" ]; then cp "$PIP_CERT" "$root/etc/ssl/certs/ca-certificates.crt"; fi
chroot "$root" useradd --create-home --shell /bin/bash somebody
mkdir "$root/dist"
cp "$dist"/simaccel-* "$root/dist"

as_somebody() {
    chroot "$root" setpriv --reuid somebody --regid somebody --clear-groups \
        env -i HOME=/home/somebody PATH=/usr/bin:/bin PIP_INDEX_URL="${PIP_INDEX_URL:-https://pypi.org/simple}" \
        PIP_DISABLE_PIP_VERSION_CHECK=1 bash -euo pipefail -c "$1"
}

as_somebody "$(cat "$(dirname "$0")/fresh_root_trial.sh")"
