"""What methods cost, side by side in one run: training steps, exact transport, batched against one by one.

    python -m tests.benchmarks.bench_methods [steps] [balance] [transport] [potentials] [batched]

Everything that is compared is interleaved round by round, so that a busy machine slows all of it alike; printed are
medians of the ratios within rounds. Absolute times are this machine's and prove nothing elsewhere.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as a cell on processors has it; numpy asks for it when it is imported

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from mmda_bench.backbone.network import DIMS, MultimodalNetwork
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.tiny import WIDTH
from mmda_bench.dataset import MODALITIES
from mmda_bench.functional.objective import information_bottleneck
from mmda_bench.functional.structure import certainty, certainty_thresholds, hard_triplet, neighbour_pseudo_labels
from mmda_bench.functional.transport import dimension_cost, transport_plan
from mmda_bench.method import Context, Source, Target
from mmda_bench.modules import ClasswiseDiscriminators, Discriminator
from mmda_bench.registry import BACKBONES, METHODS
from mmda_bench.training.curves import gradient_norms

BATCH, ENTRIES = 48, 600
STEPS = 24  # of an epoch of ``avatars``
TOKENS = {"A": (BATCH, 20), "L": (BATCH, 16), "V": (BATCH, 4, 5)}  # a typical batch of ``avatars``
Step = Callable[[], object]


def side_by_side(steps: Mapping[str, Step], *, rounds: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each step in each round, after ``warm`` unmeasured ones."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for name, step in [*steps.items()] * (rounds + warm):
        start = time.perf_counter()
        step()
        times[name].append(time.perf_counter() - start)
    return {name: values[warm:] for name, values in times.items()}


def ratio(times: Mapping[str, list[float]], name: str, to: str) -> float:
    """Median over rounds of the one's time over the other's."""
    return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))


def milliseconds(values: list[float]) -> str:
    return f"{1000 * statistics.median(values):9.2f}"


# --- A training step of every method


def training_step(name: str, *, classes: int, forwards: int | None = None, watched: bool = False) -> Step:
    """A step as the engine takes it, on random tokens of the tiny backbone; ``forwards`` overrides the target views.
    ``watched``: as the last of an epoch, in which the gradients of the terms at Z are measured."""
    torch.manual_seed(0)
    backbone = BACKBONES.get("tiny")()
    network = MultimodalNetwork(backbone, classes)
    entry = METHODS.entry(name)
    cls = METHODS.get(name)
    context = Context(
        classes=classes,
        dims=DIMS,
        modalities=MODALITIES,
        anchor="A",
        drifts=("L", "V"),
        source_size=ENTRIES,
        target_size=ENTRIES,
        components=frozenset(cls.components),
        classify=network.classify,
        generator=torch.Generator().manual_seed(0),
    )
    method = cls(context, **entry.parameters)
    optimiser = torch.optim.Adam([*network.parameters(), *method.parameters()], lr=1e-3, fused=True)
    views = method.target_views if forwards is None else forwards
    labels = torch.randint(classes, (BATCH,))

    def tokens(domains: int) -> dict[str, Sequences]:
        shapes = {m: (domains * shape[0], *shape[1:], WIDTH) for m, shape in TOKENS.items()}
        return {m: Sequences(torch.randn(s), torch.ones(s[:2], dtype=torch.bool)) for m, s in shapes.items()}

    def halves(values: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        return [{m: v[rows] for m, v in values.items()} for rows in (slice(BATCH), slice(BATCH, None))]

    first, second = tokens(2 if views else 1), tokens(1)
    with torch.no_grad():
        whole = [(network(tokens(1)), ids) for ids in torch.arange(ENTRIES).split(BATCH)]
    method.on_start(lambda: [Target(z, y, ids) for (z, y), ids in whole if len(ids) == BATCH])

    def step() -> None:
        ids = torch.randperm(ENTRIES)[:BATCH]
        z, logits = network(first)
        (source_z, target_z), (source_y, target_y) = halves(z), halves(logits)
        source, target = Source(source_z, source_y, labels, ids), None
        places = {m: [z[m]] for m in MODALITIES}
        if views:
            view2 = Target(*network(second), ids) if views == 2 else None
            target = Target(target_z, target_y, ids, view2)
            if view2:
                places = {m: [z[m], view2.z[m]] for m in MODALITIES}
        terms = {"ib": information_bottleneck(source.logits, source.z, labels, 1e-3)}
        terms |= method.loss(source, target, 0.5)  # type: ignore[arg-type]
        if watched:
            gradient_norms(terms.values(), places)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        method.after_step()

    return step


def bench_steps(*, rounds: int = 8) -> None:
    names = [name for name in METHODS.names() if METHODS.entry(name).origin == "built-in" and name != "dt"]
    for classes in (4, 20):
        steps = {"dt": training_step("dt", classes=classes)}
        steps["dt, both domains"] = training_step("dt", classes=classes, forwards=1)
        steps |= {name: training_step(name, classes=classes) for name in names}
        times = side_by_side(steps, rounds=rounds)
        print(f"\nA training step on the tiny backbone, {BATCH} + {BATCH} utterances, {classes} classes")
        print(f"{'method':<18}{'ms':>9}{'to DT':>9}{'to a step that forwards both domains':>40}")
        for name, values in times.items():
            to_dt, to_both = ratio(times, name, "dt"), ratio(times, name, "dt, both domains")
            print(f"{name:<18}{milliseconds(values)}{to_dt:>9.2f}{to_both:>40.2f}")


# --- Exact transport against the convex program of eq. 7


def convex_plan(cost: np.ndarray) -> np.ndarray:
    """The plan of eq. 7 as published: a convex program handed to cvxpy's default solver."""
    import cvxpy as cp

    p = len(cost)
    plan = cp.Variable((p, p), nonneg=True)
    uniform = np.full(p, 1.0 / p)
    constraints = [cp.sum(plan, axis=1) == uniform, cp.sum(plan, axis=0) == uniform]
    cp.Problem(cp.Minimize(cp.sum(cp.multiply(cost, plan))), constraints).solve()
    return plan.value


def bench_balance(*, rounds: int = 8) -> None:
    """What the balance of the terms costs a cell: one step of an epoch measures it."""
    print(f"\nMeasuring the terms once in the {STEPS} steps of an epoch, share of the time of all steps")
    for name in METHODS.names("all"):
        steps = {"watched": training_step(name, classes=4, watched=True), "plain": training_step(name, classes=4)}
        more = ratio(side_by_side(steps, rounds=rounds), "watched", "plain") - 1
        print(f"{name:<18}{more / STEPS:>8.1%}")


def bench_transport(*, sizes: tuple[int, ...] = (64, 128, 256, 512)) -> None:
    try:
        import cvxpy
    except ImportError:
        print("\nTransport: the convex program needs cvxpy, for this benchmark alone: pip install cvxpy")
        return
    print(f"\nTransport at uniform marginals, p×p; cvxpy {cvxpy.__version__} with its default solver against ours")
    print(f"{'p':>4}{'convex ms':>12}{'exact ms':>11}{'ratio':>8}{'difference':>13}{'growth convex':>16}{'exact':>8}")
    before: list[float] = []
    for p in sizes:
        generator = torch.Generator().manual_seed(p)
        cost = dimension_cost(*(F.normalize(torch.randn(BATCH, p, generator=generator), dim=1) for _ in range(2)))
        values: dict[str, float] = {}

        def convex(cost: Tensor = cost, values: dict[str, float] = values) -> None:
            costs = cost.double().numpy()
            values["convex"] = float((costs * convex_plan(costs)).sum())

        def exact(cost: Tensor = cost, values: dict[str, float] = values) -> None:
            values["exact"] = (cost.double() * transport_plan(cost)).sum().item()

        large = p >= 512  # the convex program takes some 20 s there
        times = side_by_side({"convex": convex, "exact": exact}, rounds=1 if large else 3, warm=0 if large else 1)
        now = [statistics.median(times[name]) for name in ("convex", "exact")]
        growth = [f"×{a / b:.1f}" for a, b in zip(now, before, strict=True)] if before else ["", ""]
        print(
            f"{p:>4}{1000 * now[0]:>12.1f}{1000 * now[1]:>11.2f}{ratio(times, 'convex', 'exact'):>8.0f}"
            f"{abs(values['convex'] - values['exact']):>13.1e}{growth[0]:>16}{growth[1]:>8}"
        )
        before = now


def bench_potentials(*, sizes: tuple[int, ...] = (64, 128, 256, 512)) -> None:
    """The assignment solver on the costs as they are, and with Sinkhorn's potentials as ``transport_plan`` does it."""
    print(f"\nAssignment on costs between p dimensions, random batches of {BATCH}: alone against with potentials")
    print(f"{'p':>4}{'alone ms':>11}{'with ms':>10}{'ratio':>8}")
    for p in sizes:
        generator = torch.Generator().manual_seed(p)
        cost = dimension_cost(*(F.normalize(torch.randn(BATCH, p, generator=generator), dim=1) for _ in range(2)))
        costs = cost.double().numpy()

        def alone(costs: np.ndarray = costs) -> None:
            linear_sum_assignment(costs)

        def helped(cost: Tensor = cost) -> None:
            transport_plan(cost)

        times = side_by_side({"alone": alone, "with": helped}, rounds=15)
        print(f"{p:>4}{milliseconds(times['alone']):>11}{milliseconds(times['with']):>10}", end="")
        print(f"{ratio(times, 'alone', 'with'):>8.2f}")


# --- Batched mathematics against one by one


def classwise(classes: int) -> dict[str, Step]:
    """MADA's discriminators as batched products and as a loop over C modules, forward and backward."""
    width = DIMS["joint"]
    batched = ClasswiseDiscriminators(width, classes)
    singles = nn.ModuleList(Discriminator(width) for _ in range(classes))
    z, probs = torch.randn(2 * BATCH, width), torch.randn(2 * BATCH, classes).softmax(1)

    def together() -> None:
        batched(z, probs).mean().backward()

    def one_by_one() -> None:
        torch.cat([single(z * probs[:, k : k + 1]) for k, single in enumerate(singles)], 1).mean().backward()

    return {"batched": together, "loop": one_by_one}


def neighbours(classes: int) -> dict[str, Step]:
    """LUHP's pseudo-labels, certainties, thresholds and triplets for a batch, and utterance by utterance."""
    width = DIMS["joint"]
    bank_z = F.normalize(torch.randn(ENTRIES, width), dim=1)
    bank_p, stored = torch.randn(ENTRIES, classes).softmax(1), 1 + 0.1 * torch.randn(ENTRIES)
    bank_labels = bank_p.argmax(1)
    z = F.normalize(bank_z[:BATCH] + 0.02 * torch.randn(BATCH, width), dim=1).requires_grad_()
    own = torch.arange(BATCH)

    def terms(rows: Tensor) -> Tensor:
        label, confidence = neighbour_pseudo_labels(z[rows], bank_z, bank_p, own[rows])
        certain = certainty(z[rows], label, bank_z, bank_labels, own[rows])
        low = certain >= certainty_thresholds(label, bank_labels, stored)[0]
        return low.sum() + hard_triplet(z[rows], label, confidence, bank_z, bank_labels, stored, own[rows])

    def together() -> None:
        terms(own).backward()

    def one_by_one() -> None:
        torch.stack([terms(row) for row in own.split(1)]).mean().backward()

    return {"batched": together, "loop": one_by_one}


def bench_batched(*, rounds: int = 8) -> None:
    print("\nBatched products against loops over classes or utterances, forward and backward")
    print(f"{'what':<34}{'batched ms':>12}{'loop ms':>10}{'ratio':>8}")
    parts = {"MADA's discriminators": classwise, "LUHP's neighbours and triplets": neighbours}
    for title, build in parts.items():
        for classes in (4, 20):
            times = side_by_side(build(classes), rounds=rounds)
            shown = f"{milliseconds(times['batched']):>12}{milliseconds(times['loop']):>10}"
            print(f"{f'{title}, C = {classes}':<34}{shown}{ratio(times, 'loop', 'batched'):>8.1f}")


def main() -> None:
    torch.set_num_threads(1)
    parts = {
        "steps": bench_steps,
        "balance": bench_balance,
        "transport": bench_transport,
        "potentials": bench_potentials,
        "batched": bench_batched,
    }
    for name in sys.argv[1:] or parts:
        if name not in parts:
            sys.exit(f"unknown part {name!r}; expected some of {', '.join(parts)}")
        parts[name]()


if __name__ == "__main__":
    main()
