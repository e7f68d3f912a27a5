"""Mosquitto with a TLS listener."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import MQTT

_CONFIG = """\
user mosquitto
allow_anonymous true
listener @port@ 127.0.0.1
certfile @folder@/cert.pem
keyfile @folder@/key.pem
"""

SERVER = Server(
    name="mosquitto",
    title="Mosquitto",
    packages=("mosquitto",),
    program="/usr/sbin/mosquitto",
    way=Way.BLOCKS,
    port=8883,
    needs="The device must allow its user: `--allow-user mosquitto`. To reload, it must be able to read the key as "
    "that user.",
    files={"mosquitto.conf": _CONFIG},
    command=("mosquitto", "-c", "@folder@/mosquitto.conf"),
    talk=MQTT,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP",
    users=("mosquitto",),
    owner="mosquitto",
    shown="mosquitto.conf",
)
