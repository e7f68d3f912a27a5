# What an ordinary user of a new Debian does; fresh_root.sh runs this in it, with the wheels in /dist.
mkdir "$HOME/empty" && cd "$HOME/empty"
if command -v cc gcc clang; then echo "there is a compiler"; exit 1; fi
echo "== $(python3 --version), $(openssl version)"
minor=$(python3 -c 'import sys; print(sys.version_info[1])')
# The wheel for this Python if there is one, else the wheel for any Python.
for wheel in /dist/simaccel-*-{cp3"$minor",py3-none}-*_"$(uname -m)".whl; do
    if [ -e "$wheel" ]; then break; fi
done

echo "== the library alone: $(basename "$wheel")"
python3 -m venv library
library/bin/pip install --quiet "$wheel"
library/bin/pip list
library/bin/python - "$wheel" <<'PYTHON'
import hotpath, sys
from engine import Engine, Scheduler
from sim import Accelerator
with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
    print([digest.hex()[:8] for digest in scheduler.map(engine.sha256, [b"", b"abc"])], hotpath.RUNNING)
assert hotpath.COMPILED is ("-py3-none-" not in sys.argv[1])
import simaccel.testing, simaccel.bridge
PYTHON
if library/bin/simaccel run; then exit 1; fi

echo "== the source archive, without a compiler"
python3 -m venv source
source/bin/pip install --quiet "$(echo /dist/simaccel-*.tar.gz)"
source/bin/python -c 'import engine, hotpath; assert not hotpath.COMPILED; print(hotpath.RUNNING)'

echo "== from pip to a paused handshake"
python3 -m venv venv && . venv/bin/activate
pip install --quiet "$wheel[cli]"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
simaccel openssl --device --require-device --stats-json told.json -- \
    openssl s_server -async -accept 127.0.0.1:4433 -cert cert.pem -key key.pem -naccept 1 -quiet &
until openssl s_client -connect 127.0.0.1:4433 -brief </dev/null 2>client.txt; do sleep 0.2; done
wait $!
cat client.txt
python - <<'PYTHON'
import json
report = json.load(open("told.json"))
print("operations:", report["by_op"], "told:", report["told"])
assert report["by_op"]["rsa-sign"] == 1 and report["failed"] == 0
assert report["told"]["pauses"] >= 2 and report["told"]["blocked"] == 0
PYTHON
echo "== $(python3 --version), $(openssl version): a handshake paused"
