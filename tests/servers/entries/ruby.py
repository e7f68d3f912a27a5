"""Ruby with an SSLServer, and a thread for each client."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_SCRIPT = """\
require 'socket'
require 'openssl'

def context
  made = OpenSSL::SSL::SSLContext.new
  made.cert = OpenSSL::X509::Certificate.new(File.read('@folder@/cert.pem'))
  made.key = OpenSSL::PKey.read(File.read('@folder@/key.pem'))
  made
end

current = context
Signal.trap('HUP') { current = context }
listener = TCPServer.new('127.0.0.1', @port@)
loop do
  Thread.new(listener.accept) do |raw|
    peer = OpenSSL::SSL::SSLSocket.new(raw, current)
    peer.sync_close = true
    peer.accept
    while (line = peer.gets) && line != "\\r\\n"; end
    peer.write("HTTP/1.0 200 OK\\r\\n\\r\\nserved by ruby")
    peer.close
  rescue OpenSSL::SSL::SSLError, SystemCallError
    raw.close
  end
end
"""

SERVER = Server(
    name="ruby",
    title="Ruby",
    packages=("ruby3.1", "ruby"),
    program="/usr/bin/ruby",
    way=Way.BLOCKS,
    port=443,
    needs="Ruby's openssl holds the lock of the interpreter during a handshake, so the other threads wait too.",
    files={"server.rb": _SCRIPT},
    command=("ruby", "@folder@/server.rb"),
    talk=HTTP,
    reload=by_signal(signal.SIGHUP),
    reloads="a new SSLContext",
    shown="server.rb",
)
