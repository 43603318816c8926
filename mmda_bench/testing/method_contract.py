"""What every method must keep to, checked in seconds on a CPU: ``mmda-bench check NAME``.

Each check rehearses the method on random utterances. It returns a remark, or raises :class:`ContractError` with what
was found, what was expected and what to do.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.errors import ContractError, told
from mmda_bench.method import Method
from mmda_bench.metrics.predictions import prediction_fault
from mmda_bench.registry import METHODS, Choice, Entry, LogUniform, Uniform
from mmda_bench.testing.checks import Check, entry_of, place, run_checks
from mmda_bench.testing.process_contract import LEFT, USED, check_left, check_used, one_thread
from mmda_bench.testing.rehearsal import Rehearsal, SealedTarget
from mmda_bench.testing.term_balance import balance

MOST_RANGES = 5


def check_method(subject: str | type) -> list[Check]:
    """Run every check on a method: the name it is registered under, or its decorated class.

    Raises :class:`UsageError` for an unknown name. Nothing that the method does ends the report early, except that a
    method that cannot be built leaves nothing to check. The global random state is left as it was.

    >>> all(check.passed for check in check_method("dann"))
    True
    """
    entry = entry_of(subject, METHODS)
    with torch.random.fork_rng():
        return run_checks(CHECKS, entry, first=BUILDS)


# --- The checks ------------------------------------------------------------------------------------------------------


def builds(entry: Entry) -> str:
    cls = METHODS.get(entry.name)
    if not issubclass(cls, Method):
        raise ContractError(f"{cls.__name__} is not a Method; write class {cls.__name__}(Method)")
    method = Rehearsal(entry).method
    if method.target_views not in (0, 1, 2):
        raise ContractError(
            f"target_views is {method.target_views!r}; expected 0 (target not used), 1 or 2 (a second view)"
        )
    return f"{sum(p.numel() for p in method.parameters()):,} parameters of its own at the size of this check"


def search_space(entry: Entry) -> str:
    if len(entry.search_space) > MOST_RANGES:
        raise ContractError(
            f"{len(entry.search_space)} ranges; at most {MOST_RANGES}, so that every method has an equal budget"
        )
    fixed = entry.facts.get("overrides") or {}  # a variant may lie outside the range of what it varies
    for name, space in entry.search_space.items():
        if name not in entry.parameters:
            known = ", ".join(entry.parameters) or "none"
            raise ContractError(
                f"range for {name!r}, which __init__ does not take as a keyword-only option; it takes: {known}"
            )
        default = entry.parameters[name]
        if isinstance(space, Choice):
            inside = default in space.values
        elif isinstance(space, (Uniform, LogUniform)):
            inside = space.low <= default <= space.high and not (isinstance(space, LogUniform) and space.low <= 0)
        else:
            raise ContractError(f"range for {name!r} is {space!r}; expected Uniform, LogUniform or Choice")
        if not inside and name not in fixed:
            raise ContractError(f"the default {name} = {default!r} lies outside its range {space}")
    return f"{len(entry.search_space)} ranges"


def terms(entry: Entry) -> str:
    rehearsal, names = Rehearsal(entry), set()
    for step, progress in enumerate((0.0, 0.25, 0.5, 0.99)):
        names |= set(rehearsal.step(step, progress))
    return f"terms: {', '.join(sorted(names)) or 'none, L_IB alone'}"


def gradients(entry: Entry) -> str:
    if Rehearsal(entry).method.target_views == 0:
        return "the method uses no target: nothing to align"
    for remark, factor in (("", 1.0), ("only where predictions are sure", 20.0)):
        rehearsal = Rehearsal(entry, shape=lambda logits, factor=factor: factor * logits)  # type: ignore[misc]
        if any(g.abs().max() > 0 for g in _gradients(rehearsal, "z")):
            return remark
    raise ContractError(
        "no term has a gradient to any representation at progress 0.5; is something detached by mistake?"
    )


def own_parameters(entry: Entry) -> str:
    rehearsal = Rehearsal(entry)
    rehearsal.step()
    idle = [name for name, p in rehearsal.method.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise ContractError(
            f"no term has a gradient to {', '.join(idle)}; register constants as buffers, drop what is not used"
        )
    return ""


def logits_untouched(entry: Entry) -> str:
    rehearsal = Rehearsal(entry)
    if not rehearsal.method.logits_untouched:
        return "not declared (logits_untouched = True declares it)"
    if any(g.abs().max() > 0 for g in _gradients(rehearsal, "logits")):
        raise ContractError(
            "logits_untouched is declared, but a term has a gradient to the logits; detach the predictions"
        )
    return "declared, and no term has a gradient to the logits"


def labels_hidden(entry: Entry) -> str:
    rehearsal = Rehearsal(entry)
    SealedTarget.asked.clear()
    source, target = rehearsal.batches()
    rehearsal.terms(source, target)
    if SealedTarget.asked:
        raise ContractError(
            f"asked the target batch for {', '.join(sorted(set(SealedTarget.asked)))}; it has no such thing"
        )
    secret = rehearsal.target_labels[target.ids]
    if len(secret) and any(torch.equal(value, secret) for value in _reachable(target)):
        raise ContractError("the labels of the target batch can be reached from it")
    return "nothing was asked for, and none can be reached from the batch"


def inputs_kept(entry: Entry) -> str:
    rehearsal = Rehearsal(entry)
    batches = rehearsal.batches()
    tensors = [value for batch in batches for value in _reachable(batch)]
    before = [value.detach().clone() for value in tensors]
    rehearsal.terms(*batches)
    if not all(map(torch.equal, before, tensors)):
        raise ContractError("loss changes the tensors of its batch in place; the source objective reads them as well")
    return ""


def deterministic(entry: Entry) -> str:
    runs = []
    for _ in range(2):
        rehearsal = Rehearsal(entry)
        runs.append([rehearsal.step(i) for i in range(3)])
    if runs[0] != runs[1]:
        raise ContractError(
            "two runs from one seed differ; draw from ctx.generator: torch.rand(n, generator=g, device=g.device)"
        )
    return ""


def serialisable(entry: Entry) -> str:
    trained, restored = Rehearsal(entry), Rehearsal(entry)
    for step in range(2):
        trained.step(step)
    for mine, other in ((trained.network, restored.network), (trained.method, restored.method)):
        file = io.BytesIO()
        torch.save(mine.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
    values = []
    for rehearsal in (trained, restored):
        rehearsal.method.eval()  # dropout off: what is left must come from the state
        rehearsal.generator.manual_seed(1)
        values.append({name: term.item() for name, term in rehearsal.terms(*rehearsal.batches()).items()})
    if values[0] != values[1]:
        raise ContractError(
            "a method restored from its state_dict gives other terms; keep what it remembers in buffers"
        )
    return ""


def sizes(entry: Entry) -> str:
    for options in ({"classes": 2}, {"classes": 20}, {"batch": 2}, {"anchor": "V"}):
        with _during(options):
            _two_steps(Rehearsal(entry, **options))
    return "2 and 20 classes, a batch of 2, another anchor"


def degenerate(entry: Entry) -> str:
    shapes: dict[str, Callable[[Tensor], Tensor]] = {
        "one class predicted by all": lambda logits: logits + 50.0 * F.one_hot(torch.tensor(0), logits.shape[1]),
        "confident predictions": lambda logits: logits * 1000.0,
        "uniform predictions": lambda logits: logits * 0.0,
    }
    for title, shape in shapes.items():
        with _during(title):
            _two_steps(Rehearsal(entry, shape=shape))
    with _during("identical representations"):
        _two_steps(Rehearsal(entry, same=True))
    return "one class predicted by all, confident, uniform, identical representations"


def half_precision(entry: Entry) -> str:
    for dtype in (torch.bfloat16, torch.float16):
        with _during(dtype):
            _two_steps(Rehearsal(entry, dtype=dtype))
    return "autocast to bfloat16 and float16"


def accelerator(entry: Entry) -> str:
    if not torch.cuda.is_available():
        return "not checked: no accelerator here"
    _two_steps(Rehearsal(entry, device="cuda"))
    return "runs on cuda"


def components(entry: Entry) -> str:
    for count in range(1, len(entry.components) + 1):
        for off in combinations(entry.components, count):
            with _during(f"{', '.join(off)} off"):
                _two_steps(Rehearsal(entry, off=off))
    return f"{', '.join(entry.components)}: any of them can be off" if entry.components else "none declared"


def predictions(entry: Entry) -> str:
    rehearsal = Rehearsal(entry, classes=5)
    for dtype in (torch.float32, torch.float16):
        logits = {m: value.detach().to(dtype) for m, value in rehearsal.batches()[0].logits.items()}
        if fault := prediction_fault(rehearsal.method.predict(logits), rows=rehearsal.batch, classes=5):
            raise ContractError(fault)
    return ""


@torch.no_grad()
def neighbours(entry: Entry) -> str:
    rehearsal = Rehearsal(entry, classes=5)
    with torch.enable_grad():
        _two_steps(rehearsal)
    rehearsal.method.eval()
    logits = rehearsal.batches()[0].logits
    together = rehearsal.method.predict(logits)
    for row in range(rehearsal.batch):
        alone = rehearsal.method.predict({m: values[row : row + 1] for m, values in logits.items()})
        if alone.shape != together[row : row + 1].shape or not torch.allclose(alone[0], together[row], atol=1e-5):
            raise ContractError(
                "predict gives an utterance another prediction alone than among others; it may use nothing of the "
                "batch: no mean, no rank, no batch statistics, no draws"
            )
    return ""


def left(entry: Entry) -> str:
    def work() -> None:
        rehearsal = Rehearsal(entry)
        _two_steps(rehearsal)
        rehearsal.method.predict(rehearsal.batches()[0].logits)

    return check_left(entry, work)


def used(entry: Entry) -> str:
    one_thread(rehearsed, entry.name, 1)  # a cell before, with other utterances
    return check_used(entry, rehearsed, 2, also="; what it remembers belongs into buffers of the instance")


def rehearsed(name: str, seed: int) -> list[Any]:
    """The terms of three steps and the predictions after them.

    >>> rehearsed("dt", seed=0)[:3]  # it adds no terms
    [{}, {}, {}]
    """
    with torch.random.fork_rng(devices=[]):
        rehearsal = Rehearsal(METHODS.entry(name), seed=seed)
        steps = [rehearsal.step(i) for i in range(3)]
        with torch.no_grad():
            return [*steps, rehearsal.method.eval().predict(rehearsal.batches()[0].logits).tolist()]


BUILDS = "builds with its defaults"
CHECKS: Mapping[str, Callable[[Entry], str]] = {
    BUILDS: builds,
    LEFT: left,
    "search space: at most five ranges of its own hyper-parameters, defaults inside": search_space,
    "loss: finite scalar terms by name, from the first step to the last": terms,
    "gradients reach the representations": gradients,
    "its own parameters are trained": own_parameters,
    "logits untouched, where declared": logits_untouched,
    "no target label is asked for or within reach": labels_hidden,
    "its batch is left as it was": inputs_kept,
    "one seed, one result": deterministic,
    "state_dict restores it": serialisable,
    "few and many classes, small batches, any anchor": sizes,
    "degenerate predictions and representations give finite numbers": degenerate,
    "half precision under autocast": half_precision,
    "runs on the accelerator": accelerator,
    "terms beside L_IB, at their strongest in a rehearsal": balance,
    "components can be switched off": components,
    "predict gives probabilities": predictions,
    "an utterance's prediction does not depend on its neighbours in the batch": neighbours,
    USED: used,
}


def _two_steps(rehearsal: Rehearsal) -> None:
    for step, progress in enumerate((0.0, 0.9)):
        rehearsal.step(step, progress)


class _during:  # noqa: N801 (reads as a statement)
    """Name the circumstance in whatever goes wrong inside."""

    def __init__(self, circumstance: object) -> None:
        text = (
            ", ".join(f"{k} {v}" for k, v in circumstance.items()) if isinstance(circumstance, dict) else circumstance
        )
        self.circumstance = str(text)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            reason = str(error) if isinstance(error, ContractError) else f"{told(error)}{place(error)}"
            raise ContractError(f"with {self.circumstance}: {reason}") from error


def _gradients(rehearsal: Rehearsal, at: str) -> list[Tensor]:
    """Gradients of all terms at progress 0.5 to ``z`` or ``logits`` of every batch; none where there is no path."""
    source, target = rehearsal.batches()
    values = list(rehearsal.terms(source, target).values())
    batches = [b for b in (source, target, getattr(target, "view2", None)) if b is not None]
    wanted = [tensor for batch in batches for tensor in getattr(batch, at).values()]
    if not any(value.requires_grad for value in values):
        return []
    total = torch.stack(values).sum()
    return [g for g in torch.autograd.grad(total, wanted, allow_unused=True) if g is not None]


def _reachable(value: Any) -> Iterator[Tensor]:
    """Every tensor to be reached through the attributes and items of a batch."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _reachable(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _reachable(getattr(value, field.name))
