#!/usr/bin/env bash
# Builds OpenSSL from a Debian source package, with program and headers, for tests of the provider:
#   tests/bridge/build_openssl.sh 3.5.7-1~deb13u2 /opt/openssl-3.5.7-full
#   tests/bridge/build_openssl.sh 4.0.2-1 /opt/openssl-4.0.2-full
# The tarball's SHA-256 is checked against the package's description, and that one's signature if debian-keyring is
# installed. What is there already is left alone, so the folder can be cached. Takes minutes.
set -euo pipefail
version=$1
prefix=$2
pool=${DEBIAN_MIRROR:-http://deb.debian.org/debian}/pool/main/o/openssl

[ -x "$prefix/bin/openssl" ] && exec "$prefix/bin/openssl" version

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tarball=openssl_${version%%-*}.orig.tar.gz
curl -fsSO "$pool/openssl_$version.dsc"
curl -fsSO "$pool/$tarball"
keyring=/usr/share/keyrings/debian-keyring.gpg
[ ! -f "$keyring" ] || gpgv --keyring "$keyring" "openssl_$version.dsc"
sed -n '/^Checksums-Sha256:/,/^[A-Z]/s/^ \([0-9a-f]\{64\}\) [0-9]* \(.*orig.tar.gz\)$/\1  \2/p' "openssl_$version.dsc" |
    sha256sum --check --strict
mkdir tree
tar -xf "$tarball" -C tree --strip-components=1
cd tree
./Configure --prefix="$prefix" --libdir=lib --openssldir="$prefix/ssl" no-tests no-docs \
    "-Wl,-rpath,$prefix/lib" > ../configure.log
make -s -j"${JOBS:-$(nproc)}" > ../build.log 2>&1 || { tail -50 ../build.log; exit 1; }
make -s install_sw install_ssldirs > ../install.log 2>&1
"$prefix/bin/openssl" version
