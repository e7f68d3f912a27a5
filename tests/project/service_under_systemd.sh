#!/bin/sh
# packaging/simaccel.service under a real systemd: a container of Debian 12 that boots, with `make install` in it.
#
#     tests/project/service_under_systemd.sh [FOLDER]
#
# As root, with debootstrap and systemd-nspawn (packages debootstrap and systemd-container). FOLDER is where the container
# is kept for the next time; by default /var/tmp/simaccel-systemd. Takes some minutes the first time, and needs the network.
# Not a part of `make test`, because it needs to be root and to boot a system. docs/operating.md says what it found.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/simaccel-systemd}
log=$(mktemp)
socket=/run/simaccel/simaccel.sock

if [ ! -e "$root/usr/lib/systemd/systemd" ]; then
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates,python3,python3-venv,openssl,gcc,make,libc6-dev,libssl-dev,procps \
        bookworm "$root" >"$log"
fi
# For pip in the container: names, and the certificates that this machine trusts.
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
rm -rf "$root/src"
mkdir "$root/src"
git -C "$source" archive HEAD | tar x -C "$root/src"
chroot "$root" sh -c 'cd /src && make -C provider && make install PREFIX=/usr/local PYTHON=python3' >"$log" 2>&1 || { tail "$log"; exit 1; }

: >"$root/etc/machine-id"
systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --machine=simaccel-test \
    --directory="$root" --boot >"$log" 2>&1 &
nspawn=$!

# The first process in the container: the child of nspawn, once it is systemd.
until leader=$(pgrep --parent "$nspawn" --exact systemd); do kill -0 "$nspawn"; sleep 0.1; done
inside() {
    nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd=/ \
        env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"
}
end() { kill -s RTMIN+4 "$leader" 2>/dev/null || true; wait "$nspawn" || true; rm -f "$log"; } # as `systemctl poweroff`
trap end EXIT
booted() { case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) ;; *) false ;; esac }
until booted; do sleep 0.1; done

say() { echo "== $*"; }
check() { # what, then a command that must succeed
    what=$1
    shift
    if "$@" >"$log" 2>&1; then echo "ok: $what"; else echo "FAILED: $what"; cat "$log"; exit 1; fi
}
refused() { ! "$@"; }
pid() { inside systemctl show --value --property MainPID simaccel; }
state() { inside systemctl show --value --property "$1" simaccel; }

inside systemctl --version | head -1
inside systemd-sysusers
inside systemctl daemon-reload
inside id friend >/dev/null 2>&1 || inside useradd friend
inside id stranger >/dev/null 2>&1 || inside useradd stranger
inside usermod --append --groups simaccel friend
check "start returns when the device serves" inside systemctl start simaccel
check "systemd was told: $(state StatusText)" test "$(state ActiveState)/$(state SubState)/$(state Type)" = active/running/notify
check "the socket is there: $(inside stat --format '%A %U %G' "$socket")" test "$(inside stat --format %a "$socket")" = 660
check "it runs as its own user" test "$(inside ps -o user= -p "$(pid)")" = simaccel
as() { inside setpriv --reuid "$1" --regid "$1" --init-groups simaccel stat --socket "$socket"; }
check "root may use it" inside simaccel stat --socket "$socket"
check "a member of the group may use it" as friend
check "another user may not" refused as stranger
work() { inside setpriv --reuid friend --regid friend --init-groups env SIMACCEL_SOCKET="$socket" SIMACCEL_TRUSTED_USERS=simaccel \
    simaccel openssl --require-device -- openssl "$@"; }
check "a program of that member computes on it" work speed -async_jobs 2 -seconds 1 rsa2048

first=$(pid)
check "kill -9" inside kill -9 "$first"
restarted() { until [ "$(state NRestarts)" = 1 ] && [ "$(state ActiveState)" = active ]; do sleep 0.1; done; }
check "it is started again" restarted
check "as another process" test "$(pid)" != "$first"
check "and serves" as friend
check "a program computes on it again" work speed -async_jobs 2 -seconds 1 rsa2048
check "reload-or-restart" inside systemctl reload-or-restart simaccel
check "stop" inside systemctl stop simaccel
check "it has ended well: $(state Result), $(state ActiveState)" test "$(state Result)/$(state ActiveState)" = success/inactive
check "its folder is gone" refused inside test -e /run/simaccel
check "exposure: $(inside systemd-analyze security simaccel | tail -1 | tr -d '→\n')" inside systemd-analyze security --threshold=10 simaccel
say "what the journal has of it"
inside journalctl --unit simaccel --output cat --no-pager | tail -20
