"""Places cells on devices: in this process (``jobs=0``) or on reused Ray Tune workers.

A worker receives names and numbers, looks into the store, computes what is not there, and writes the record itself.
Resume is therefore the store's business and not Tune's: whatever ends early, the next run does what is missing.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmda_bench.machine.process import unchanged_process
from mmda_bench.protocol import Cell
from mmda_bench.registry import Plugin, by_value, load_plugin
from mmda_bench.store import Record, Store
from mmda_bench.store.atomic import clear_leftovers
from mmda_bench.sweep.placement import check, check_address
from mmda_bench.sweep.ray_folder import clear_left
from mmda_bench.sweep.worker import RUNNER, THREADS, SpoiltError, Work, execute

# Ray is to be quiet, and to leave no files that nobody reads.
RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "1000000",  # after 60 s without its head it would end this process
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_worker_niceness": "0",  # 15 by default, so that anything else on the machine starves the cells
    "SPT_NOENV": "1",  # its processes would write their titles over the environment, by which they are found
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}


def run(
    cells: Sequence[Cell],
    *,
    store: Store,
    root: Path | None,
    cache: Path,
    jobs: int | None = None,
    gpus_per_cell: float | None = None,
    address: str | None = None,
    plugins: Sequence[str | Path | Plugin] = (),
    weights: Mapping[str, str] | None = None,
    runner: str = RUNNER,
    replace: bool = False,
    timeout_minutes: float | None = None,
    on_start: Callable[[Cell], None] = lambda cell: None,
    on_result: Callable[[Cell, Record], None] = lambda cell, record: None,
) -> None:
    """Run every cell of ``cells`` that has no record (all of them with ``replace``).

    ``jobs``: cells at once, 0 for this process, None for what the devices hold. ``gpus_per_cell``: None for one where
    there is a GPU. ``address``: a running Ray cluster; root, cache and results must then be on a shared file system.
    ``on_start`` and ``on_result`` are called in this process, which is afterwards as it was. Raises KeyboardInterrupt
    on Ctrl-C, leaving no half record, :class:`ResourceError`, and :class:`~mmda_bench.errors.StoreError`. What killed
    sweeps of this machine left is cleared away first, whether there are cells or not.
    """
    check(gpus_per_cell, timeout_minutes)
    clear_left()
    if not cells:
        return
    if address is not None:
        check_address(address)
    work = Work(
        results=store.results,
        root=root.expanduser().absolute() if root is not None else None,
        cache=cache.expanduser().absolute(),
        device="cpu" if gpus_per_cell == 0 else None,
        plugins=tuple(load_plugin(plugin) for plugin in plugins),
        weights=dict(weights or {}),
        runner=runner,
        stale={cell.hash: store.stamp(cell) for cell in cells} if replace else {},
        timeout_s=None if timeout_minutes is None else 60 * timeout_minutes,
        classes=dict(_of_this_session({name for cell in cells for name in cell.names.values()})),
    )
    with unchanged_process():
        if jobs == 0:
            _run_here(cells, work, on_start, on_result)
            return
        os.environ.update(RAY_SETTINGS | dict.fromkeys(THREADS, "1"))  # before Ray is imported, which looks at them
        from mmda_bench.sweep import ray_tune

        with _nothing_left(store):
            ray_tune.run(
                cells, work, jobs=jobs, gpus_per_cell=gpus_per_cell, address=address, on_start=on_start,
                on_result=on_result,
            )  # fmt: skip


def _run_here(
    cells: Iterable[Cell], work: Work, on_start: Callable[[Cell], None], on_result: Callable[[Cell, Record], None]
) -> None:
    for cell in cells:
        on_start(cell)
        try:
            on_result(cell, execute(cell, work))
        except SpoiltError as error:
            on_result(cell, error.record)
            raise


@contextmanager
def _nothing_left(store: Store) -> Iterator[None]:
    """Where the body is ended, so are its workers, some of them while they write."""
    try:
        yield
    except BaseException:
        clear_leftovers(store.runs, patience_s=2)
        raise


def _of_this_session(names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """(name, the class with its code) of what only this session knows."""
    for name in sorted(names):
        for pickled in by_value([name]):
            yield name, pickled
