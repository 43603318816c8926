"""The real backbones at full size (random weights): steps, the one-off prefix, and Table 1 on four A100s.

    python -m tests.benchmarks.bench_full_size [steps] [prefix] [estimate] [--batch 4] [--rounds 3] [--small]

``steps``: a training step of A3D2 as it would naively be written, against ours, interleaved in one run; both learn the
same layers from the same utterances. ``prefix``: what the cache costs once. ``estimate``: Table 1 from counted FLOPs.
``--small``: tiny networks, to see that everything runs; its ratios mean nothing.
"""

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from mmda_bench.backbone.network import DIMS, MultimodalNetwork
from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.protocol import SUPERVISED
from mmda_bench.registry import METHODS
from tests.benchmarks.bench_methods import ratio, side_by_side
from tests.benchmarks.full_size import (
    CLASSES,
    FRAMES,
    TOKENS,
    RandomPaper,
    a3d2,
    cached,
    inputs,
    naive_step,
    objective,
    our_step,
    run_frozen,
    trained,
)

GOALS = {3: 5.0, 1: 12.0}  # times faster than the naive step, by trainable visual blocks
PRECISIONS = ("float32", "medium", "medium, bf16")
CORPORA = {"MIntRec": (2224, 2.4, 9), "IEMOCAP": (5531, 3.5, 15)}  # utterances, seconds, word pieces of a typical one
Step = Callable[[], Any]


def in_precision(step: Step, precision: str) -> Step:
    """``step`` with float32 matrix products as they are, "medium", or "medium" under bfloat16 autocast."""

    def run() -> None:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest" if precision == "float32" else "medium")
        half = torch.autocast("cpu", torch.bfloat16) if "bf16" in precision else contextlib.nullcontext()
        try:
            with half:
                step()
        finally:
            torch.set_float32_matmul_precision(before)

    return run


# --- A training step


def bench_steps(*, batch: int, rounds: int, small: bool) -> None:
    for blocks, goal in GOALS.items():
        naive, naive_network, halves = naive_step(batch, blocks=blocks, small=small)
        ours, network, both = our_step(batch, blocks=blocks, small=small)
        steps = {"naive": naive, **{f"ours, {p}": in_precision(ours, p) for p in PRECISIONS}}
        times = side_by_side(steps, rounds=rounds)
        sizes = {sum(p.numel() for p in trained(net)) for net in (naive_network, network)}
        assert len(sizes) == 1, f"the designs train {sizes} parameters"
        print(f"\nA step of A3D2, {batch} + {batch} utterances of 5 s, {blocks} trainable visual block(s)")
        print(f"{'design':<22}{'seconds':>10}{'naive takes':>14}")
        for name, values in times.items():
            print(f"{name:<22}{statistics.median(values):>10.2f}{ratio(times, 'naive', name):>13.1f}×")
        best = max(PRECISIONS, key=lambda p: ratio(times, "naive", f"ours, {p}"))
        reached = ratio(times, "naive", f"ours, {best}")
        print(f"goal: at least {goal:g}×; reached: {reached:.1f}× ({'yes' if reached >= goal else 'NO'})")
        print("share of the parts, each timed alone, forward and backward")
        print_shares("naive", parts(naive_network, halves, batch, convex=True))
        own = parts(network, [both], batch, convex=False)
        print_shares(f"ours, {best}", {name: in_precision(part, best) for name, part in own.items()})


def parts(network: Any, passes: Sequence[Mapping[str, Any]], batch: int, *, convex: bool) -> dict[str, Step]:
    """Each encoder over all ``passes``, the losses on given representations, and the optimiser, as steps."""

    def encode(modality: str) -> None:
        for one in passes:
            network.encoders[modality](one[modality]).sum().backward()

    device = next(network.parameters()).device
    method = a3d2(network).to(device)
    parameters = trained(network, method)
    for p in parameters:
        p.grad = torch.zeros_like(p)
    optimiser = torch.optim.Adam(parameters, lr=0.0, fused=None if convex else True)
    labels = torch.randint(CLASSES, (batch,), device=device)
    random = [{m: torch.randn(batch, d, device=device) for m, d in DIMS.items()} for _ in range(2)]
    z = [{m: F.normalize(value, dim=1).requires_grad_() for m, value in half.items()} for half in random]

    def losses() -> None:
        source, target = ((half, {m: network.classify(m, value) for m, value in half.items()}) for half in z)
        objective(method, source, target, labels, convex=convex).backward()

    named: dict[str, Step] = {NAMES[m]: partial(encode, m) for m in MODALITIES}
    return {**named, "losses with transport": losses, "optimiser": optimiser.step}


def print_shares(title: str, steps: dict[str, Step]) -> None:
    medians = {name: statistics.median(values) for name, values in side_by_side(steps, rounds=2).items()}
    total = sum(medians.values())
    shares = ", ".join(f"{name} {value:.2f} s ({100 * value / total:.0f} %)" for name, value in medians.items())
    print(f"  {title}: {shares}")


# --- The prefix, once per corpus


def bench_prefix(*, rounds: int, small: bool) -> None:
    """Seconds an utterance in float32, one at a time as the cache is made; hours and gigabytes for both corpora."""
    backbone = RandomPaper(blocks=3, small=small)
    encoders = {m: backbone.encoder(m) for m in MODALITIES}
    print(
        f"\nThe frozen prefix, once: all utterances clean, half of them shifted too; {torch.get_num_threads()} threads"
    )
    print(f"{'corpus':<10}{'utterances':>11}{'acoustic':>11}{'lexical':>10}{'visual':>9}{'hours':>8}{'GB, fp16':>10}")
    for corpus, (utterances, seconds, pieces) in CORPORA.items():
        raw = {
            "A": inputs("A", 1, small=False)[0, : int(16_000 * seconds)],
            "L": inputs("L", 1, small=small)[0, :pieces],
            "V": inputs("V", 1, small=small),
        }
        steps = {m: partial(encoders[m].prefix, raw[m]) for m in MODALITIES}
        with torch.inference_mode():
            size = sum(2 * step().numel() for step in steps.values())
            times = {m: statistics.median(values) for m, values in side_by_side(steps, rounds=2 * rounds).items()}
        hours, gigabytes = 1.5 * utterances * sum(times.values()) / 3600, 1.5 * utterances * size / 1e9
        shown = f"{times['A']:>9.3f} s{times['L']:>8.3f} s{times['V']:>7.3f} s"
        print(f"{corpus:<10}{utterances:>11,}{shown}{hours:>8.2f}{gigabytes:>10.1f}")


# --- Table 1 on four A100s, from counted FLOPs

PEAK, PEAK_FP32, UTILISATION = 312e12, 19.5e12, 0.25  # A100: bf16 tensor cores, plain float32; share reached (assumed)
COPY = 2e9  # bytes a second at which cached features reach a GPU (assumed)
GPUS, SEEDS, ANCHORS, EPOCHS, BATCH = 4, 3, 3, 8, 48
TRAINED_BATCHES = {"dt": 1, "pcl": 3}  # of 48 utterances in a step; all others train on source and target, 2


def flops(*, small: bool, blocks: int = 3) -> dict[str, float]:
    """FLOPs an utterance of the longest kind: ``prefix``, ``forward`` of the trained part, ``train``: with backward.

    ``blocks``: trained visual ones. ``bytes``: of its cached features. Counted on the meta device, where shapes are
    computed and numbers are not.
    """
    backbone = RandomPaper(blocks=blocks, small=small)
    network = MultimodalNetwork(backbone, CLASSES).to("meta").eval()
    encoders = {m: backbone.encoder(m).to("meta") for m in MODALITIES}
    batch = {m: cached(encoders[m], m, BATCH, small=small) for m in MODALITIES}
    raw = {m: inputs(m, 1, small=small).to("meta") for m in MODALITIES}

    def count(function: Step) -> float:
        with FlopCounterMode(display=False) as counter:
            function()
        return float(counter.get_total_flops())

    with torch.no_grad():
        prefix = sum(count(partial(run_frozen, encoders[m], m, raw[m])) for m in MODALITIES)
        forward = count(lambda: network(batch)) / BATCH
    train = count(lambda: network(batch)[1]["joint"].sum().backward()) / BATCH
    size = sum(2.0 * sequences.values[0].numel() for sequences in batch.values())
    return {"prefix": prefix, "forward": forward, "train": train, "bytes": size}


def bench_estimate(*, small: bool) -> None:
    found = flops(small=small)
    names = [*METHODS.names("all"), SUPERVISED]
    print(f"\nTable 1 on {GPUS} A100s: {len(names) - 1} methods and the reference × {ANCHORS} anchors × {SEEDS} seeds")
    print(
        f"counted, for an utterance of 5 s, {TOKENS} word pieces and {FRAMES} pictures: prefix "
        f"{found['prefix'] / 1e9:.0f} GFLOP, trained part {found['forward'] / 1e9:.0f} forward, "
        f"{found['train'] / 1e9:.0f} with backward; {found['bytes'] / 1e6:.1f} MB of features"
    )
    print(
        f"assumed: every utterance as long; {UTILISATION:.0%} of {PEAK / 1e12:.0f} TFLOP/s (bf16) in training and of "
        f"{PEAK_FP32 / 1e12:.1f} (float32) in the prefix; features at {COPY / 1e9:.0f} GB/s to each GPU, not "
        "overlapped; decoding not counted"
    )
    total = 0.0
    for corpus, (utterances, _, _) in CORPORA.items():
        train, test = int(0.6 * utterances / 2), 2 * int(0.2 * utterances / 2)
        steps = EPOCHS * (train // BATCH)
        runs = ANCHORS * SEEDS
        batches = runs * steps * sum(TRAINED_BATCHES.get(name, 2) for name in names)
        scored = runs * test * len(names)
        work = batches * BATCH * found["train"] + scored * found["forward"]
        hours = {
            "prefix": 1.5 * utterances * found["prefix"] / (UTILISATION * PEAK_FP32),
            "arithmetic": work / (UTILISATION * PEAK),
            "copies": (batches * BATCH + scored) * found["bytes"] / COPY,
        }
        total += sum(hours.values()) / GPUS / 3600
        shown = ", ".join(f"{name} {value / GPUS / 3600:.2f}" for name, value in hours.items())
        print(f"{corpus:<9}{runs * len(names)} cells of {steps} steps, {work / 1e18:.2f} EFLOP; hours: {shown}")
    print(f"both corpora: {total:.1f} hours")


def main() -> None:
    parser = argparse.ArgumentParser(description="The real backbones at full size, with random weights.")
    parser.add_argument("parts", nargs="*", help="steps, prefix, estimate; all unless given")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    unknown = set(asked.parts) - {"steps", "prefix", "estimate"}
    if unknown:
        parser.error(f"unknown part {unknown.pop()!r}; expected some of steps, prefix, estimate")
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    start = time.perf_counter()
    if "steps" in asked.parts or not asked.parts:
        bench_steps(batch=asked.batch, rounds=asked.rounds, small=asked.small)
    if "prefix" in asked.parts or not asked.parts:
        bench_prefix(rounds=asked.rounds, small=asked.small)
    if "estimate" in asked.parts or not asked.parts:
        bench_estimate(small=asked.small)
    print(f"\n{time.perf_counter() - start:.0f} s in all, {asked.threads} threads, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
