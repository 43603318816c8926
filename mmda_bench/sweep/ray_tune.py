"""A sweep on Ray Tune: one Tuner, one trial per cell, workers reused so that torch is imported once in each.

Tune places trials and retries a cell whose worker died, once. It stores nothing that matters: its files lie in a
temporary folder that goes when the sweep ends.
"""

import logging
import os
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune

from mmda_bench.errors import RayDiedError, ResourceError, StoreError
from mmda_bench.machine.devices import gpu_count
from mmda_bench.machine.foreign import quiet_ray
from mmda_bench.machine.process import signals_wait
from mmda_bench.protocol import Cell
from mmda_bench.store import Record, Store, unfinished
from mmda_bench.store.record import Status
from mmda_bench.sweep.cluster import connect, shut_down
from mmda_bench.sweep.ray_folder import temporary_folder
from mmda_bench.sweep.watchdog import Place, lost, parts, supervised
from mmda_bench.sweep.worker import SpoiltError, Work, execute, one_thread_per_cell, standing
from mmda_bench.units import count


class CellTrainable(tune.Trainable):
    """A worker: one step is one cell."""

    def setup(self, config: dict[str, Any]) -> None:
        one_thread_per_cell()
        with suppress(OSError):  # another machine may not have it
            os.chdir(config["work"].started_in)
        if config["work"].device is None:
            check_gpus()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        try:
            record = execute(Cell.from_key(self.config["cell"]), self.config["work"])
        except SpoiltError:
            os._exit(1)  # the record is stored; Tune goes on with another worker
        if record["status"] != "ok" and cuda_is_lost():
            os._exit(1)
        return {"done": True}


def resources(gpus_per_cell: float, config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What a cell takes. Tune gives a worker only cells that take the same: a few bytes of memory, another number for
    each set of plug-ins, let the workers of cells with plug-ins be others than those of cells without."""
    needs = config["work"].needs_of(Cell.from_key(config["cell"]))
    mark = 1 + zlib.crc32("\n".join(needs).encode()) % 2**20 if needs else 0
    return tune.PlacementGroupFactory([{"CPU": 1, "GPU": gpus_per_cell, "memory": mark}])


def together(cells: Sequence[Cell], work: Work) -> list[Cell]:
    """The cells of each seed so that those with the same plug-ins follow one another: each change costs a worker."""
    order = {seed: number for number, seed in enumerate(dict.fromkeys(cell.seed for cell in cells))}
    return sorted(cells, key=lambda cell: (order[cell.seed], work.needs_of(cell)))


def cuda_is_lost() -> bool:
    """Whether an error has left CUDA unusable in this process for good: every later cell would fail of it, and fast."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def check_gpus() -> None:
    """Raise :class:`ResourceError` where Ray gives this worker a GPU that torch does not find: its cells would run on a
    processor, and nobody would know."""
    if ray.get_gpu_ids() and not gpu_count():
        raise ResourceError(
            f"{socket.gethostname()} declares GPUs (ray start --num-gpus), but torch finds none there; declare what is "
            "there, or run on processors with --gpus-per-cell 0"
        )


class Report(tune.Callback):
    """Hears from Tune what became of each cell.

    ``lost``: cells whose record cannot be seen from here. ``cut_off``: cells whose node died or went out of reach,
    which is no fault of theirs; None where such a one is to fail. ``failure``: why the whole sweep cannot go on.
    ``mute``: why whoever is told of the cells heard no more; Tune would take that for a failure of the cell.
    """

    def __init__(self, work: Work, on_start: Callable[[Cell], None], on_result: Callable[[Cell, Record], None]) -> None:
        self.work, self.store = work, Store(work.results)
        self.on_start, self.on_result = on_start, on_result
        self.lost: list[Cell] = []
        self.cut_off: list[Cell] | None = []
        self.failure: Exception | None = None
        self.mute: Exception | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Report":
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks to be restored, which is not done here; a display cannot be pickled

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(self.on_start, Cell.from_key(trial.config["cell"]))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        cell = Cell.from_key(trial.config["cell"])
        record = standing(cell, self.work)
        if record is None:
            self.lost.append(cell)
        else:
            self._tell(self.on_result, cell, record)

    def _tell(self, listener: Callable[..., None], *what: object) -> None:
        if self.mute is None:
            try:
                listener(*what)
            except Exception as error:
                self.mute = error

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The second failure of a cell. ``run_cell`` raises nothing: the worker died, could not start or not write."""
        cell, error = Cell.from_key(trial.config["cell"]), last_error(trial)
        cause = getattr(error, "cause", None)
        if isinstance(cause, StoreError):
            self.failure = cause
        elif isinstance(error, ray.exceptions.RayActorError) and error.actor_init_failed:
            line = str(error).strip().splitlines()[-1]
            self.failure = ResourceError(f"workers cannot start: {line}; --jobs 0 runs without them")
        if self.failure is not None:
            raise self.failure  # Tune wraps it; the original is kept
        if self.cut_off is not None and out_of_reach(error):
            self.cut_off.append(cell)
            return
        died = isinstance(error, ray.exceptions.RayActorError)
        status: Status = "out-of-memory" if isinstance(error, ray.exceptions.OutOfMemoryError) else "failed"
        reason = "its worker died twice (killed, crashed, or out of memory)" if died else "its worker failed twice"
        lines = str(error or "").strip().splitlines()
        record = standing(cell, self.work)  # its worker may have died after it was written
        if record is None:
            record = unfinished(cell, status=status, reason=reason, traceback=lines[-20:])
            if not self.store.write(cell, record, None, kept=lambda: standing(cell, self.work)):
                record = standing(cell, self.work) or record
        self._tell(self.on_result, cell, record)

    def look_again(self) -> None:
        """Find the records of lost cells that were only out of sight while another sweep put its own in their place."""
        lost, self.lost = self.lost, []
        for cell in lost:
            record = standing(cell, self.work)
            if record is None:
                self.lost.append(cell)
            else:
                self._tell(self.on_result, cell, record)


def last_error(trial: Any) -> Exception | None:
    """What Tune wrote about a trial; its own reader looks where the file is not yet."""
    try:
        return cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except (TypeError, OSError):
        return None


def _fit(cells: Sequence[Cell], work: Work, report: Report, folder: Path, jobs: int, gpus_per_cell: float) -> None:
    tuner(cells, work, report, folder, jobs=jobs, gpus_per_cell=gpus_per_cell).fit()


def tuner(
    cells: Sequence[Cell], work: Work, report: Report, folder: Path, *, jobs: int, gpus_per_cell: float
) -> tune.Tuner:
    """A trial a cell; what Tune writes lies in a folder of its own in ``folder``."""
    return tune.Tuner(
        tune.with_resources(CellTrainable, partial(resources, gpus_per_cell)),
        param_space={"cell": tune.grid_search([cell.key() for cell in together(cells, work)]), "work": work},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=jobs,
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="sweep",
            storage_path=tempfile.mkdtemp(prefix="tune-", dir=folder),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=1),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[report],
        ),
    )


def out_of_reach(error: Exception | None) -> bool:
    """Whether a worker went with its node, or nobody knows what became of it."""
    gone = isinstance(error, ray.exceptions.RayActorError) and "node has died" in str(error)
    return gone or isinstance(error, ray.exceptions.ActorUnavailableError | ray.exceptions.NodeDiedError)


def run(
    cells: Sequence[Cell],
    work: Work,
    *,
    jobs: int | None,
    gpus_per_cell: float | None,
    address: str | None,
    on_start: Callable[[Cell], None],
    on_result: Callable[[Cell, Record], None],
) -> None:
    """See :func:`mmda_bench.sweep.scheduler.run`."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    died, places, report = False, dict[str, Place](), Report(work, on_start, on_result)
    with temporary_folder() as folder, quiet_ray():
        try:
            gpus_per_cell, jobs = connect(folder, address=address, jobs=jobs, gpus_per_cell=gpus_per_cell)
            work = changed(work, device="cpu" if gpus_per_cell == 0 else None)
            places = parts()
            for last in (False, False, True):
                report.cut_off = None if last else []
                supervised(partial(_fit, cells, work, report, folder, jobs, gpus_per_cell), places)
                if not (cells := report.cut_off or []):
                    break
        except BaseException as error:
            died = isinstance(error, RayDiedError) or bool(lost(places))
            if isinstance(error, Exception) and not isinstance(error, RayDiedError) and report.failure is not None:
                raise report.failure from None
            raise
        finally:
            with signals_wait():
                shut_down(folder, died=died)
    report.look_again()
    if report.mute is not None:
        raise report.mute
    if report.lost:
        raise StoreError(
            f"finished, but without a record in {work.results}: {count(len(report.lost), 'cell')}; with --address, "
            "results, cache and data must lie in folders that all nodes share"
        )
