"""Erlang's own TLS, which takes its cryptography from libcrypto."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_SCRIPT = """\
#!/usr/bin/env escript
-mode(compile).
-export([init/1, handle_event/2, handle_call/2]).

main(_) ->
    {ok, _} = application:ensure_all_started(ssl),
    ok = os:set_signal(sighup, handle),
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, []}),
    {ok, Listener} = ssl:listen(@port@, [
        {ip, {127, 0, 0, 1}}, {reuseaddr, true}, {active, false}, {mode, binary}, {backlog, 64},
        {versions, ['tlsv1.2', 'tlsv1.3']},
        {certfile, "@folder@/cert.pem"}, {keyfile, "@folder@/key.pem"}]),
    accept(Listener).

accept(Listener) ->
    {ok, Waiting} = ssl:transport_accept(Listener),
    Pid = spawn(fun() -> receive go -> serve(Waiting) end end),
    ok = ssl:controlling_process(Waiting, Pid),
    Pid ! go,
    accept(Listener).

serve(Waiting) ->
    case ssl:handshake(Waiting) of
        {ok, Peer} ->
            {ok, _} = ssl:recv(Peer, 0),
            ok = ssl:send(Peer, "HTTP/1.0 200 OK\\r\\n\\r\\nserved by erlang"),
            ssl:close(Peer);
        {error, _} -> ok
    end.

init(_) -> {ok, none}.
handle_event(sighup, State) -> ssl:clear_pem_cache(), {ok, State};
handle_event(_, State) -> {ok, State}.
handle_call(_, State) -> {ok, none, State}.
"""

SERVER = Server(
    name="erlang",
    title="Erlang",
    packages=("erlang-ssl", "erlang-base"),
    program="/usr/bin/escript",
    way=Way.BLOCKS,
    port=443,
    needs="TLS itself is written in Erlang, and takes signatures and key exchanges from libcrypto.",
    files={"server.escript": _SCRIPT},
    command=("escript", "@folder@/server.escript"),
    talk=HTTP,
    reload=by_signal(signal.SIGHUP),
    reloads="`ssl:clear_pem_cache()`",
    x25519=("TLS 1.3",),
    shown="server.escript",
)
