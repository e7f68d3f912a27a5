#!/usr/bin/env bash
# OpenSSL's own tests with the provider, and without it: only what differs counts, and nothing may.
#   tests/bridge/openssl_own_tests.sh TREE [evp|ssl|api|cms ...]
# TREE is a built source tree of OpenSSL, with its test programs (make build_sw, or the programs named below). Each test
# runs in software, on a device, and on a device with every private-key operation in a job of its own (in_jobs.c).
# Not part of CI: it takes some minutes, and half an hour to build a tree.
set -euo pipefail
tree=$(cd "$1" && pwd)
shift
parts=("${@:-evp ssl api cms}")
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
device=
trap '[ -z "$device" ] || kill "$device"; rm -rf "$work"' EXIT

for program in test/evp_test test/ssl_test test/sslapitest test/pkcs7_test apps/openssl providers/legacy.so libcrypto.so; do
    [ -e "$tree/$program" ] || { echo "$tree has no $program: build it with make $program" >&2; exit 2; }
done

# The provider and the jobs, for the tree's libcrypto.
mkdir "$work/prefix"
ln -s "$tree/include" "$work/prefix/include"
ln -s "$tree" "$work/prefix/lib"
make -s -C "$root/provider" OPENSSL="$work/prefix" OUT="$work/provider"
cc -O1 -Wall -Wextra -shared -fPIC -I"$tree/include" -o "$work/in_jobs.so" "$here/in_jobs.c" -ldl

config() { # FILE MODULE: all providers that the tests want, and ours
    cat >"$1" <<END
config_diagnostics = 1
openssl_conf = init
[init]
providers = providers
${2:+alg_section = algorithms}
[algorithms]
default_properties = ?simaccel.offload=yes
[providers]
${2:+simaccel = simaccel}
default = on
legacy = on
[simaccel]
module = ${2:-none}
activate = 1
[on]
activate = 1
[req]
distinguished_name = name
[name]
END
}
config "$work/plain.cnf" ""
config "$work/ours.cnf" "$work/provider/simaccel.so"

export LD_LIBRARY_PATH=$tree OPENSSL_MODULES=$tree/providers SIMACCEL_SOCKET=@simaccel-own-tests-$$ OPENSSL_ENGINES=$tree/engines
export CTLOG_FILE=$tree/test/ct/log_list.cnf TEST_CERTS_DIR=$tree/test/certs SRCTOP=$tree BLDTOP=$tree
unset OPENSSL_TEST_RAND_ORDER HARNESS_ACTIVE
env -u LD_LIBRARY_PATH -u OPENSSL_MODULES "$python" -m simaccel.bridge "$SIMACCEL_SOCKET" >"$work/device" &
device=$!
until grep -q serving "$work/device"; do kill -0 "$device"; done

done_on_device() { # operations that the device has completed so far
    env -u LD_LIBRARY_PATH -u OPENSSL_MODULES "$python" - "$SIMACCEL_SOCKET" <<'END'
import json, socket, sys
from simaccel.bridge import wire
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
    peer.connect(wire.socket_address(sys.argv[1]))
    peer.send(wire.message(wire.Message.STAT))
    print(json.loads(peer.recv(1 << 18)[wire.HEADER.size :])["completed"])
END
}

run() { # MODE COMMAND...: what the tests say, without what differs from run to run
    local mode=$1 preload=
    shift
    [ "$mode" != job ] || preload=$work/in_jobs.so
    (cd "$work" && mkdir -p "out-$mode" && cd "out-$mode" &&
        OPENSSL_CONF=$work/$([ "$mode" = plain ] && echo plain || echo ours).cnf LD_PRELOAD=$preload \
            timeout 1200 "$@" 2>&1 && echo "exit 0" || echo "exit $?") |
        grep -E '^ *(not )?ok |^ *#.*(Completed|ERROR|INFO:|FAIL)|^exit |rror:' |
        sed -E "s#$work/[a-z-]*#WORK#g; s/ours\.cnf|plain\.cnf/CNF/g; s/0x[0-9a-f]+|[0-9A-F]{8,}:error/X/g; s#/tmp/[A-Za-z0-9_./-]*#TMP#g; s/(bad decrypt:.*):[0-9]+:/\1/"
}

different=0
offloaded=0 # operations of the part that runs now
compare() { # NAME COMMAND...: CNF stands for the configuration
    local name=$1 mode before count
    shift
    for mode in plain device job; do
        local cnf=$work/$([ "$mode" = plain ] && echo plain || echo ours).cnf
        before=$(done_on_device)
        run "$mode" "${@//CNF/$cnf}" >"$work/$name.$mode"
        count=$(($(done_on_device) - before))
        offloaded=$((offloaded + count))
        echo "$name, $mode: $(grep -c '^ *ok ' "$work/$name.$mode" || true) ok," \
            "$(grep -c '^ *not ok ' "$work/$name.$mode" || true) not ok, $(tail -1 "$work/$name.$mode")," \
            "$count operations on the device"
        [ "$mode" = plain ] || diff "$work/$name.plain" "$work/$name.$mode" || different=$((different + 1))
    done
}

for part in ${parts[*]}; do
    offloaded=0
    case $part in
    evp)
        for file in "$tree"/test/recipes/30-test_evp_data/evppkey_*.txt; do
            compare "$(basename "$file" .txt)" "$tree/test/evp_test" -config CNF "$file"
        done
        ;;
    ssl)
        for file in "$tree"/test/ssl-tests/*.cnf.in; do
            name=$(basename "$file" .cnf.in)
            (cd "$tree/test" && perl -I ../util/perl generate_ssl_tests.pl "$file" default) >"$work/$name.tests" 2>/dev/null ||
                { echo "$name: not generated" && continue; }
            compare "$name" env OPENSSL_CONF=/dev/null "$tree/test/ssl_test" "$work/$name.tests" default CNF
        done
        ;;
    api)
        # It demands that nothing has activated the default provider in the global context.
        compare sslapitest env OPENSSL_CONF=/dev/null "$tree/test/sslapitest" "$tree/test/certs" \
            "$tree/test/recipes/90-test_sslapi_data/passwd.txt" "$work/tmp" default CNF "$tree/test/recipes/90-test_sslapi_data/dhparams.pem" \
            "$tree/test/recipes/90-test_sslapi_data"
        ;;
    cms)
        # The recipe makes `openssl` use a library context of its own, which no configuration reaches: not here. Its
        # wrapper would replace our LD_PRELOAD.
        sed '/OPENSSL_TEST_LIBCTX/d' "$tree/test/recipes/80-test_cms.t" >"$work/cms.t"
        compare cms env EXE_SHELL=env RESULT_D="$work/results" perl -I "$tree/util/perl" "$work/cms.t"
        ;;
    *) echo "$part: use evp, ssl, api or cms" >&2; exit 2 ;;
    esac
    [ "$offloaded" != 0 ] || { echo "$part: no operation came to the device, so nothing was compared" >&2; exit 1; }
done
[ "$different" = 0 ] || { echo "$different runs differ" >&2; exit 1; }
echo "no difference"
