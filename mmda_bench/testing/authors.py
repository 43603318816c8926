"""What an author's own tests call: the contract as pytest cases, a loss against its formula, one small run."""

import atexit
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor

from mmda_bench.backbone.base import Backbone
from mmda_bench.dataset import Dataset, Utterance
from mmda_bench.errors import ContractError
from mmda_bench.method import Method, Source, Target
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, register, register_dataset
from mmda_bench.store import Record
from mmda_bench.testing import backbone_contract, method_contract
from mmda_bench.testing.checks import entry_of, run_check
from mmda_bench.testing.rehearsal import Rehearsal

SMALL = "small-for-tests"
UTTERANCES = 240
Oracle = Callable[[Source, Target, float], Mapping[str, "float | Tensor"]]


def parametrize_with_checks(*subjects: str | type) -> Any:
    """A pytest decorator: one case for each check of each method or backbone, named or given as its class.

    The checks run when the cases run, not when they are collected::

        @parametrize_with_checks("mine")
        def test_keeps_the_contract(check):
            check()

    >>> parametrize_with_checks("dt").kwargs["ids"][0]
    'dt: builds with its defaults'
    """
    import pytest

    cases = [(subject, title) for subject in subjects for title in _checks(subject)]
    names = [f"{getattr(subject, '__name__', subject)}: {title}" for subject, title in cases]
    return pytest.mark.parametrize("check", [_Case(*case) for case in cases], ids=names)


class _Case:
    """One check of one subject. Calling it raises AssertionError with what is wrong."""

    def __init__(self, subject: str | type, title: str) -> None:
        self.subject, self.title = subject, title

    def __call__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            if _kind(self.subject) == "methods":
                found = run_check(self.title, method_contract.CHECKS[self.title], entry_of(self.subject, METHODS))
            else:
                subject = backbone_contract.Subject(entry_of(self.subject, BACKBONES).name)
                found = run_check(self.title, backbone_contract.CHECKS[self.title], subject)
        assert found.passed, f"{found.title}: {found.detail}"


def _kind(subject: str | type) -> str:
    if isinstance(subject, str):
        return "backbones" if subject in BACKBONES.entries() and subject not in METHODS.entries() else "methods"
    return "backbones" if issubclass(subject, Backbone) else "methods"


def _checks(subject: str | type) -> Mapping[str, Any]:
    return backbone_contract.CHECKS if _kind(subject) == "backbones" else method_contract.CHECKS


def assert_loss_equals(
    subject: str | type, oracle: Oracle, *, progress: float = 0.5, rtol: float = 1e-6, classes: int = 3, batch: int = 5,
    anchor: str = "A", **parameters: Any,
) -> None:  # fmt: skip
    """Hold every term of a method against ``oracle(source, target, progress)``, its formula written out anew.

    Both get the same random batch in float64, the method in eval mode (without dropout) and with ``parameters``. The
    oracle returns the terms by name. Raises AssertionError that names the term and both values.

    >>> from mmda_bench import Method, register_method
    >>> @register_method("closer-here", title="Closer", paper="nobody")
    ... class Closer(Method):
    ...     def loss(self, source, target, progress):
    ...         return {"gap": (source.z["A"].mean(0) - target.z["A"].mean(0)).square().sum()}
    >>> def slow(source, target, progress):
    ...     a, b = source.z["A"].tolist(), target.z["A"].tolist()
    ...     means = [[sum(column) / len(column) for column in zip(*rows)] for rows in (a, b)]
    ...     return {"gap": sum((x - y) ** 2 for x, y in zip(*means))}
    >>> assert_loss_equals(Closer, slow)
    """
    method, source, target = staged(subject, classes=classes, batch=batch, anchor=anchor, **parameters)
    found, expected = method.loss(source, target, progress), oracle(source, target, progress)
    assert set(found) == set(expected), f"the method has the terms {sorted(found)}, the oracle {sorted(expected)}"
    for name, term in found.items():
        value, right = (float(torch.as_tensor(one).detach()) for one in (term, expected[name]))
        assert abs(value - right) <= rtol * max(1.0, abs(right)), f"term {name}: {value!r}, the oracle says {right!r}"


def staged(
    subject: str | type, *, classes: int = 3, batch: int = 5, anchor: str = "A", **parameters: Any
) -> tuple[Method, Source, Target]:
    """A method in float64 without dropout, and a batch of each domain whose z and logits are leaves of the graph.

    z (B, 16), joint (B, 48), logits (B, classes). Raises :class:`ContractError` for a parameter that the method lacks,
    :class:`UsageError` for an unknown method.

    >>> method, source, target = staged("dann", weight=2.0)
    >>> source.z["joint"].shape, source.z["joint"].dtype
    (torch.Size([5, 48]), torch.float64)
    """
    entry = entry_of(subject, METHODS)
    unknown = set(parameters) - set(entry.parameters)
    if unknown:
        known = ", ".join(entry.parameters) or "none"
        raise ContractError(f"{entry.name} has no parameter {min(unknown)}; it has {known}")
    chosen = replace(entry, parameters={**entry.parameters, **parameters})
    rehearsal = Rehearsal(chosen, classes=classes, batch=batch, anchor=anchor)
    source, target = rehearsal.batches()
    for domain in (source, target, getattr(target, "view2", None)):
        for mapping in (domain.z, domain.logits) if domain is not None else ():
            for m in mapping:
                mapping[m] = mapping[m].detach().double().requires_grad_()  # type: ignore[index]
    rehearsal.network.double()
    return rehearsal.method.double().eval(), source, target


def tiny_run(subject: str | type, *, anchor: str = "V", seed: int = 0, epochs: int = 1, **parameters: Any) -> Record:
    """The record of one small cell of a method: 240 utterances of ``avatars``, backbone ``tiny``, in seconds.

    Prepared once a process. Raises :class:`UsageError` for an unknown method; one that fails is a record that says so.

    >>> tiny_run("dt")["status"]
    'ok'
    """
    from mmda_bench.training import run_cell

    entry = entry_of(subject, METHODS)
    cell = Cell(
        method=entry.name, params=entry.settings(parameters), dataset=_small(), version="v1", anchor=anchor,
        seed=seed, protocol=Protocol(backbone="tiny", epochs=epochs),
    )  # fmt: skip
    return run_cell(cell, root=None, cache=_folder(), device="cpu").record


@cache
def _folder() -> Path:
    folder = mkdtemp(prefix="mmda-bench-tests-")
    atexit.register(rmtree, folder, ignore_errors=True)
    return Path(folder)


def _small() -> str:
    """The first utterances of the embedded corpus, registered under a name of their own."""
    if SMALL in DATASETS.entries():
        return SMALL
    whole: type[Dataset] = DATASETS.get("avatars")

    @register_dataset(SMALL, title="The first utterances of avatars")
    class Small(Dataset):
        card = replace(whole.card, name=SMALL, version="v1", expected={})

        def utterances(self, root: Path | None) -> Iterator[Utterance]:
            return islice(iter(whole().utterances(root)), UTTERANCES)

    register(Small)
    return SMALL
