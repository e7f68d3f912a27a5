#!/usr/bin/env bash
# Takes OpenSSL and HAProxy of a newer Debian into a folder, with headers, and with the libc and loader that they need:
#   tests/bridge/debian_openssl.sh trixie /var/cache/openssl-3.5
# Costs some seconds, where build_openssl.sh takes minutes. apt checks the signatures; nothing is installed.
# What is there already is left alone, so the folder can be cached.
set -euo pipefail
suite=$1
prefix=$2

[ -x "$prefix/bin/openssl" ] && exec "$prefix/bin/openssl" version

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$(readlink -f "$0")")"/../../packaging/debian_packages.sh "$suite" "$(dpkg --print-architecture)" "$work/tree" \
    openssl libssl3t64 libssl-dev libc6 libzstd1 zlib1g \
    haproxy libcrypt1 libjemalloc2 liblua5.4-0 libopentracing-c-wrapper0t64 libopentracing1 libpcre2-8-0 libstdc++6 libgcc-s1
cd "$work"
mkdir -p "$prefix"/bin "$prefix"/lib "$prefix"/libexec "$prefix"/include
find tree/usr/lib/*-linux-gnu* -maxdepth 1 -name 'lib*.so*' -exec cp --no-dereference {} "$prefix/lib" \;
cp --dereference "$(find tree -name 'ld-linux*.so.*' -path '*/lib/*' | head -1)" "$prefix/lib/loader.so"
cp -r tree/usr/include/openssl "$prefix/include"
cp tree/usr/include/*/openssl/* "$prefix/include/openssl"
cp tree/usr/bin/openssl tree/usr/sbin/haproxy "$prefix/libexec"
# A program with its own loader and libc, because those of this machine are too old for it.
cat > "$work/program" <<'PROGRAM'
#!/bin/sh
prefix=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$prefix/lib/loader.so" --library-path "$prefix/lib" "$prefix/libexec/${0##*/}" "$@"
PROGRAM
chmod +x "$work/program"
cp "$work/program" "$prefix/bin/haproxy"
cp "$work/program" "$prefix/bin/openssl"
"$prefix/bin/openssl" version
