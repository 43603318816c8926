"""What holds for methods, datasets and backbones alike: they leave the process as it was, and keep nothing in it."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import torch

from mmda_bench.errors import ContractError
from mmda_bench.machine.as_before import as_before, silent
from mmda_bench.machine.pool import CONTEXT, deaths_explained, process_pool
from mmda_bench.registry import Entry, Plugin, by_value, load_plugin, register
from mmda_bench.registry.plugins import changes_of, is_plugin_module, plugin_of
from mmda_bench.registry.session import unpickled

LEFT, USED = "leaves the process as it was", "a used process gives what a fresh one gives"
OF_LIBRARIES = ("the environment", "the filters of warnings")
Answer = TypeVar("Answer")


def check_left(entry: Entry, work: Callable[[], object]) -> str:
    """Do some of the subject's work. Raises :class:`ContractError` that names what is then another in the process.

    >>> from mmda_bench.registry import METHODS
    >>> check_left(METHODS.entry("dann"), work=lambda: None)
    ''
    """
    found = changes_of(entry.module).all
    for turn in range(2):
        with as_before(made_by=is_plugin_module) as changes:
            work()
        # at the first time libraries are imported, which set variables and filters of their own
        found = found + [name for name in changes.all if turn or not name.startswith(OF_LIBRARIES)]
    if found:
        raise ContractError(
            f"it changes {', '.join(dict.fromkeys(found))}, for everything else that runs in this process; use a "
            "context manager (such as torch.autocast, np.errstate), pass a dtype or a device, and patch no library"
        )
    return ""


def check_used(entry: Entry, probe: Callable[..., Answer], *arguments: Any, also: str = "") -> str:
    """Hold ``probe(entry.name, *arguments)`` of this process against that of a fresh one. ``probe``: a function of a
    module, which answers in numbers or text. ``also``: where the subject may keep things, to the author's surprise.

    Raises :class:`ContractError` if they differ.

    >>> from mmda_bench.registry import METHODS
    >>> from mmda_bench.testing.method_contract import rehearsed
    >>> check_used(METHODS.entry("dt"), rehearsed, 0)
    'this process and a fresh one agree'
    """
    here, there = one_thread(probe, entry.name, *arguments), _in_fresh_process(entry, probe, arguments)
    if here != there:
        raise ContractError(
            "in a process that has used it before, it gives something else than in a fresh one; keep nothing in class "
            f"attributes, globals, default arguments or caches{also}"
        )
    return "this process and a fresh one agree"


def one_thread(probe: Callable[..., Answer], *arguments: Any) -> Answer:
    """What ``probe`` answers on one thread, as a cell runs.

    >>> one_thread(torch.get_num_threads)
    1
    """
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        return probe(*arguments)
    finally:
        torch.set_num_threads(threads)


def _in_fresh_process(entry: Entry, probe: Callable[..., Answer], arguments: tuple[Any, ...]) -> Answer:
    CONTEXT.set_forkserver_preload([__name__])  # where the server runs already, it takes seconds longer
    with process_pool(1) as pool, deaths_explained("a fresh process for the check"):
        return _asked(pool, entry, probe, arguments)


def _asked(pool: ProcessPoolExecutor, entry: Entry, probe: Callable[..., Answer], arguments: tuple[Any, ...]) -> Answer:
    return pool.submit(_answer, plugin_of(entry.module), by_value([entry.name]), probe, entry.name, arguments).result()


def _answer(
    plugin: Plugin | None,
    classes: tuple[bytes, ...],
    probe: Callable[..., Answer],
    name: str,
    arguments: tuple[Any, ...],
) -> Answer:
    with silent():
        if plugin is not None:
            load_plugin(plugin)
    for pickled in classes:
        register(unpickled(pickled))
    return one_thread(probe, name, *arguments)
