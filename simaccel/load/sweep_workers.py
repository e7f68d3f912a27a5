"""Who computes the cells of a sweep: processes of this machine, or the workers of a Dask cluster.

Each yields batches of rows as they are done, in any order. A worker that is killed loses its current batch, and another
worker does that batch again. A cell gives the same row wherever it runs, and the folder keeps each row once.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from typing import Any

from sim.errors import UsageError
from simaccel.extras import it_needs
from simaccel.load.sweep_grid import Cell, Row, run_cells

POOLS = 5
"""How often a new pool of processes is made because one of them was killed."""
PATIENCE_S = 5
"""How long a Dask scheduler may take to answer."""
START_S = 120
"""How long one may take that we have just started."""
RETRIES = 5
"""How many workers of a cluster may be killed during a batch before the batch counts as the cause."""


def batches(cells: Sequence[Cell], size: int) -> list[Sequence[Cell]]:
    """The cells in batches of this size."""
    return [cells[first : first + size] for first in range(0, len(cells), size)]


def by_processes(cells: Sequence[Cell], workers: int, batch: int) -> Iterator[list[Row]]:
    """Run the batches on `workers` processes of this machine. With one worker, run them in this process."""
    if workers == 1:
        for part in batches(cells, batch):
            yield run_cells(part)
        return
    left = {cell.number: cell for cell in cells}
    for again in range(POOLS):
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _leave_ctrl_c_to_the_parent)
        try:
            for future in as_completed([pool.submit(run_cells, part) for part in batches(list(left.values()), batch)]):
                rows = future.result()
                for row in rows:
                    del left[row["number"]]
                yield rows
            return
        except BrokenProcessPool:
            if again == POOLS - 1:
                raise
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def by_dask(cells: Sequence[Cell], address: str, workers: int, batch: int) -> Iterator[list[Row]]:
    """Run the batches on a Dask cluster. `local` starts one here, of that many workers. UsageError if none answers."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise UsageError(f"--dask {address}: {it_needs('distributed')}") from None
    cluster: Any = None
    if address == "local":
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    try:
        try:
            patience_s = PATIENCE_S if cluster is None else START_S
            client = distributed.Client(cluster if cluster is not None else address, timeout=patience_s)
        except (OSError, ValueError, TimeoutError):
            raise UsageError(
                f"--dask {address}: no Dask scheduler answers there within {PATIENCE_S} s; start one with "
                "dask scheduler, or use --dask local"
            ) from None
        with client:
            # Not pure: the key of a task must not depend on how Dask hashes a cell.
            futures = client.map(run_cells, batches(cells, batch), pure=False, retries=RETRIES)
            for future in distributed.as_completed(futures):
                yield future.result()
                future.release()
    finally:
        if cluster is not None:
            cluster.close()
