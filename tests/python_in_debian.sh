#!/bin/sh
# The core's tests, or others, under a Python of another Debian, in a folder that debootstrap makes: docs/pythons.md.
#
#     tests/python_in_debian.sh [VERSION [SUITE [FOLDER [TESTS]]]]
#
# By default 3.14 forky /var/tmp/simaccel-SUITE. TESTS are arguments of pytest, such as: -n 2 tests/engine tests/cli
# As root, with debootstrap. Needs the network the first time. This checkout is seen in FOLDER at its own path.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
version=${1:-3.14}
suite=${2:-forky}
root=${3:-/var/tmp/simaccel-$suite}
if [ $# -gt 3 ]; then
    shift 3
    tests=$*
else
    tests=$(cd "$source" && .venv/bin/python -c "from tests.other_pythons import TESTS; print(*TESTS)")
fi

if [ ! -e "$root/etc/debian_version" ]; then
    # A suite that this debootstrap does not know yet is made like sid.
    script=/usr/share/debootstrap/scripts/$suite
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" http://deb.debian.org/debian "$script"
fi
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -p "$root$source"
cleanup() { umount -l "$root$source" "$root/proc" "$root/sys" "$root/dev" 2>/dev/null || true; }
trap cleanup EXIT
mount --bind "$source" "$root$source"
mount -t proc proc "$root/proc"
mount --rbind --make-rslave /sys "$root/sys"
mount --rbind --make-rslave /dev "$root/dev"
chroot "$root" sh -eu -c "
    export DEBIAN_FRONTEND=noninteractive
    [ -e /opt/python$version/bin/python ] || {
        apt-get update || true # a mirror's list may be past its date: then the list that debootstrap has brought is used
        apt-get install --yes --no-install-recommends python$version-venv python$version-dev gcc libc6-dev libssl-dev zlib1g-dev libzstd-dev openssl
        python$version -m venv /opt/python$version
    }
    cd '$source'
    /opt/python$version/bin/python -m pip install --quiet --editable '.[test]'
    /opt/python$version/bin/python -m pytest -q -p no:cacheprovider $tests
"
