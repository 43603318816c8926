"""What is handed out, and what comes back: the calls behind ``data export --task`` and ``submit``."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmda_bench.config import RunConfig, Workspace
from mmda_bench.data.corpora import check_known
from mmda_bench.data.validation import read_card
from mmda_bench.errors import DataError, UsageError
from mmda_bench.machine.devices import cpu_count
from mmda_bench.machine.process import unchanged_process
from mmda_bench.registry import DATASETS
from mmda_bench.store import DEFAULT_RESULTS, Record, Store, existing_store
from mmda_bench.sweep.conditions import anchor_named

if TYPE_CHECKING:
    from mmda_bench.task.pack import Pack


def submit(
    file: str | Path, *, dataset: str | None = None, anchor: str | None = None, task: str | Path | None = None,
    folder: str | Path = DEFAULT_RESULTS, name: str | None = None, seed: int = 0, signature: str | None = None,
    replace: bool = False,
) -> Record:  # fmt: skip
    """Score and store predictions that were made elsewhere, as a row marked external.

    ``task``: the folder that :func:`export_task` wrote, whose key has the labels; nothing needs to have run here.
    Without it ``dataset`` and ``anchor`` name the scenario, and a stored cell of it has the labels.

    Raises :class:`DataError` for a file that is refused, and :class:`UsageError` for names that do not exist.

    >>> submit("predictions.csv")
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: for which scenario are these predictions? --task DIR, or --dataset and --anchor
    """
    if task is None and (dataset is None or anchor is None):
        raise UsageError("for which scenario are these predictions? --task DIR, or --dataset and --anchor")
    if task is not None and (dataset, anchor, signature) != (None, None, None):
        raise UsageError("--task says dataset, anchor and signature: leave out --dataset, --anchor and --signature")
    if not Path(file).is_file():
        raise DataError(f"{file}: there is no such file; expected a .csv or .npz of predictions")
    from mmda_bench.store import submissions

    if dataset is None or anchor is None:
        from mmda_bench.task.key import read_key  # torch, which a wrong name does without

        store, scenario = Store(Path(folder)), read_key(Path(task or ""))
    else:
        store, where, dataset = existing_store(folder), anchor_named(anchor), dataset.lower()
        check_known(dataset, store.dataset_names())
        scenario = submissions.find_scenario(store, dataset=dataset, anchor=where, signature=signature)
    return submissions.submit(store, Path(file), scenario, name=name, seed=seed, replace=replace)


def export_task(
    dataset: str, anchor: str, out: str | Path, *, workspace: Workspace | None = None, config: RunConfig | None = None,
    jobs: int | None = None, progress: Callable[[int, int], None] | None = None,
) -> "Pack":  # fmt: skip
    """Write a scenario as files for people who have no program of ours: target shifted and without labels.

    ``config``: for another protocol. The key, which :func:`submit` needs, is written beside ``out``.

    Raises :class:`UsageError` for names that do not exist, :class:`DataError` for a corpus that is absent.

    >>> export_task("avatar", "A", "handed-out")
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: unknown dataset 'avatar': did you mean avatars?
    """
    ws = workspace or Workspace()
    ws.load_plugins()
    dataset, where = DATASETS.entry(dataset).name, anchor_named(anchor, natural=False)
    config = replace(config or RunConfig(), dataset=dataset)
    config.check()  # before anything heavy is imported
    from mmda_bench.features.prepare import preparation
    from mmda_bench.task.pack import write_task

    with unchanged_process():
        card = read_card(DATASETS.get(dataset)(), dataset, ws.data_root)
        protocol = config.protocol_on(card, weights=ws.weights)
        this = preparation(dataset, root=ws.data_root, protocol=protocol, cache=ws.cache, weights=ws.weights)
        at_once = 1 if ws.plugins else jobs or cpu_count()  # other processes would not know the plug-ins
        return write_task(this, where, Path(out), progress=progress, jobs=at_once)
