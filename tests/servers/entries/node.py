"""Node with an https server."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_SCRIPT = """\
const fs = require('fs');
const https = require('https');
const read = () => ({cert: fs.readFileSync('@folder@/cert.pem'), key: fs.readFileSync('@folder@/key.pem')});
const server = https.createServer(read(), (request, response) => response.end('served by node'));
process.on('SIGHUP', () => server.setSecureContext(read()));
server.listen(@port@, '127.0.0.1');
"""

SERVER = Server(
    name="node",
    title="Node.js",
    packages=("nodejs",),
    program="/usr/bin/node",
    way=Way.BLOCKS,
    port=443,
    needs="`--openssl-shared-config` makes Node read the same section of OPENSSL_CONF as other programs do. Without "
    "it, Node reads only a section of its own, `nodejs_conf`. One thread does everything, and waits for each "
    "handshake.",
    files={"server.js": _SCRIPT},
    command=("node", "--openssl-shared-config", "@folder@/server.js"),
    talk=HTTP,
    reload=by_signal(signal.SIGHUP),
    reloads="`server.setSecureContext`",
    shown="server.js",
)
