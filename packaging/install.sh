#!/bin/sh
# What `make install` does: simaccel for all users of this machine. Run it as root, or with a PREFIX of your own.
#
# PREFIX      /usr/local by default
# DESTDIR     puts everything below this folder, as packagers want it
# MODULESDIR  the folder for the provider; by default where libcrypto looks, or $PREFIX/lib/ossl-modules for other prefixes
# WHEEL       what is installed: by default this checkout, with the provider that `make provider` has built
# PYTHON      the Python to use; PIP_... are settings of pip
set -eu
cd "$(dirname "$0")/.."
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
home=$prefix/lib/simaccel
python=$root$home/bin/python

for setting in "PREFIX=$prefix" "DESTDIR=$root"; do
    case $setting in
        *=/* | DESTDIR=) ;;
        *) echo "$setting: use a path that begins with /" >&2; exit 2 ;;
    esac
done
case $prefix in
    /usr | /usr/local) modules=${MODULESDIR:-$(openssl version -m | cut -d'"' -f2)} ;;
    *) modules=${MODULESDIR:-$prefix/lib/ossl-modules} ;;
esac

"${PYTHON:-python3}" -m venv "$root$home"
"$python" -m pip install --quiet --disable-pip-version-check --force-reinstall "${WHEEL:-.}[cli]"

mkdir -p "$root$prefix/bin" "$root$modules" "$root$prefix/share/man/man1" "$root$prefix/share/bash-completion/completions" \
    "$root$prefix/lib/systemd/system" "$root$prefix/lib/sysusers.d"
# Not the script that pip wrote: that one names a Python below DESTDIR.
printf '#!/bin/sh\nexec %s/bin/python -P -m simaccel "$@"\n' "$home" >"$root$prefix/bin/simaccel"
chmod 755 "$root$prefix/bin/simaccel"
install -m 755 "$("$python" -P -m simaccel openssl --module)" "$root$modules/simaccel.so"
"$python" -P -m simaccel.cli.help_files.man_page >"$root$prefix/share/man/man1/simaccel.1"
"$python" -P -m simaccel.cli.help_files.shell_completion >"$root$prefix/share/bash-completion/completions/simaccel"
sed "s#@PREFIX@#$prefix#" packaging/simaccel.service >"$root$prefix/lib/systemd/system/simaccel.service"
install -m 644 packaging/simaccel.sysusers "$root$prefix/lib/sysusers.d/simaccel.conf"
