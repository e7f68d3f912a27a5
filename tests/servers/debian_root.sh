#!/bin/sh
# A folder with another Debian, made by debootstrap, for a server whose newer version goes through the checks:
#
#     tests/servers/debian_root.sh forky dnsdist         makes /var/tmp/simaccel-dnsdist-forky
#
# As root. Needs the network. Nothing in it is started. The server's user is the one that this machine has installed.
set -eu
suite=$1 package=$2
root=/var/tmp/simaccel-$package-$suite
user=_$package
# A suite that this debootstrap does not know yet is made like sid.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" http://deb.debian.org/debian "$script"
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
chroot "$root" groupadd --system --gid "$(id -g "$user")" "$user"
chroot "$root" useradd --system --no-create-home --uid "$(id -u "$user")" --gid "$user" "$user"
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install --yes --no-install-recommends "$package"
