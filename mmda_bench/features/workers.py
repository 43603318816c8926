"""Encodes shards in this process or in several, which share the GPUs; stops at once, and dies with its driver."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from mmda_bench import registry
from mmda_bench.errors import ResourceError
from mmda_bench.features.encode import Shard, encode_shard, load_encoder
from mmda_bench.machine.as_before import silent
from mmda_bench.machine.memory import ran_out
from mmda_bench.machine.pool import CONTEXT, deaths_explained, process_pool
from mmda_bench.registry import Plugin

WORKERS_PER_GPU = 4  # enough to decode while another encodes; each holds one encoder and a CUDA context
STARTED, DONE, STOP = range(3)  # of the board: workers started, utterances encoded, whether to stop
Tell = Callable[[int], None]
Encode = Callable[[Sequence[Shard], Tell], None]

_board: Any = None
_worker = 0


@contextmanager
def encoding(jobs: int, plugins: Sequence[str | Plugin]) -> Iterator[Encode]:
    """A function that makes shards and tells how many utterances are done; ``jobs`` processes, or this one if 1.

    It raises what :func:`encode_shard` raises, and :class:`ResourceError` when memory runs out.
    """
    if gpus := torch.cuda.device_count():
        jobs = min(jobs, WORKERS_PER_GPU * gpus)
    if jobs <= 1:
        try:
            yield _in_this_process
        finally:
            load_encoder.cache_clear()
            torch.cuda.empty_cache()  # what this process keeps, a cell on the same GPU lacks
        return
    board = CONTEXT.Array("q", 3)
    with process_pool(jobs, _start_worker, board, tuple(plugins)) as pool:
        yield partial(_in_others, pool, board)


def _in_this_process(shards: Sequence[Shard], tell: Tell) -> None:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        tell(done)

    with _memory_errors():
        for shard in shards:
            encode_shard(shard, tick=tick)


def _in_others(pool: ProcessPoolExecutor, board: Any, shards: Sequence[Shard], tell: Tell) -> None:
    board[DONE] = 0
    try:
        with _memory_errors():
            waiting: set[Future[None]] = {pool.submit(_work, shard) for shard in shards}
            while waiting:
                finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                tell(board[DONE])
    except BaseException:
        board[STOP] = 1
        pool.shutdown(cancel_futures=True)
        raise


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        with deaths_explained("a process that encodes"):
            yield
    except ResourceError:
        raise
    except Exception as error:
        if not ran_out(error):
            raise
        raise ResourceError(
            f"no memory left to encode ({error}); what is finished is kept: repeat the command with fewer --jobs"
        ) from error


def _start_worker(board: Any, plugins: Sequence[str | Plugin]) -> None:
    global _board, _worker
    with board.get_lock():
        _board, _worker = board, board[STARTED]
        board[STARTED] += 1
    with silent():
        for plugin in plugins:
            registry.load_plugin(plugin)


def _work(shard: Shard) -> None:
    encode_shard(shard, worker=_worker, tick=_tick)


def _tick() -> None:
    with _board.get_lock():
        _board[DONE] += 1
    if _board[STOP]:
        raise InterruptedError("stopped by the driver")
