"""PHP with a TLS stream, one client at a time."""

from __future__ import annotations

from tests.servers.server import Server, Way
from tests.servers.talk import HTTP

_SCRIPT = """\
<?php
$context = stream_context_create(['ssl' => ['local_cert' => '@folder@/cert.pem', 'local_pk' => '@folder@/key.pem']]);
$server = stream_socket_server('tcp://127.0.0.1:@port@', $number, $message, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN,
    $context);
while (true) {
    $peer = @stream_socket_accept($server, -1);
    if ($peer === false) continue;
    if (@stream_socket_enable_crypto($peer, true, STREAM_CRYPTO_METHOD_TLS_SERVER)) {
        while (($line = fgets($peer)) !== false && trim($line) !== '');
        fwrite($peer, "HTTP/1.0 200 OK\\r\\n\\r\\nserved by php");
    }
    fclose($peer);
}
"""

SERVER = Server(
    name="php",
    title="PHP",
    packages=("php8.2-cli", "php-cli"),
    program="/usr/bin/php",
    way=Way.BLOCKS,
    port=443,
    needs="PHP reads the certificate for each connection, so it needs no reload.",
    files={"server.php": _SCRIPT},
    command=("php", "@folder@/server.php"),
    talk=HTTP,
    reload=lambda *_: None,
    reloads="",
    shown="server.php",
)
