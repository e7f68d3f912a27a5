#!/bin/sh
# Builds the test program of Intel's QAT_Engine, which can wait by callback, for callers.py:
#
#     tests/servers/qat_testapp.sh [FOLDER]        by default /var/tmp/simaccel-qat-testapp
#
# It is built from Debian 13's source package, and linked to this machine's libcrypto. It needs cc, OpenSSL's headers and
# the network, and takes some seconds.
set -eu
folder=${1:-/var/tmp/simaccel-qat-testapp}
"$(dirname "$0")/../../packaging/debian_packages.sh" trixie "$(dpkg --print-architecture)" "$folder" src:qatengine
cd "$folder/usr/src/qatengine/test"
# Those of its files that need nothing of a card's driver. It says what fails only if it is told to warn.
set -- main.c tests.c tests_rsa.c tests_ec*.c tests_aes???_?cm.c tests_s*.c
${CC:-cc} -O1 -w -D_GNU_SOURCE -DQAT_OPENSSL_3 -DQAT_OPENSSL_PROVIDER -DQAT_SW -DQAT_WARN -o "$folder/testapp" "$@" -lcrypto -pthread
