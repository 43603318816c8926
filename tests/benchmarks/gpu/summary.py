"""The short table that comes last: what was found, beside what was hoped for."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmda_bench.dataset import MODALITIES, NAMES
from tests.benchmarks.bench_full_size import GOALS
from tests.benchmarks.gpu import packed

Found = Mapping[str, Mapping[str, Any]]
Row = tuple[str, str, str]


def table(machine: Mapping[str, Any], found: Found) -> str:
    """Lines of (what, value, goal or remark) for the sections that were run, and reasons for those that were not."""
    rows: list[Row] = [("card", str(machine["card"]), f"driver {machine['driver'] or 'none'}")]
    rows.append(("torch", str(machine["versions"]["torch"]), f"device {machine['device']}"))
    makers = {"correct": _correct, "kernels": _kernels, "fast": _fast, "packed": _packed, "table 1": _table_one}
    for name, section in found.items():
        for state in ("skipped", "stopped", "failed"):
            if isinstance(section.get(state), str):
                rows.append((name, state, section[state]))
        rows += makers.get(name, _tests)(section)
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)


def _correct(section: Mapping[str, Any]) -> Iterator[Row]:
    methods = section.get("methods", {}).values()
    if not methods:
        return
    good = [one for one in methods if one["ok"]]
    yield "methods with status ok", f"{len(good)} of {len(methods)}", ""
    again = [one for one in good if "curves_apart_again" in one]
    if again:
        for key, title, goal in (
            ("curves_apart_on_processor", "losses of an epoch against the processor's", "at most 1e-3"),
            ("curves_apart_again", "losses of a second run", "0: it repeats"),
        ):
            yield title, f"{max(one[key] for one in again):.1e} apart", goal
        furthest = max(abs(one["weighted_f1"] - one["weighted_f1_on_processor"]) for one in again)
        yield "weighted F1 against the processor's", f"{furthest:.3f} apart", "the furthest; other draws"


def _kernels(section: Mapping[str, Any]) -> Iterator[Row]:
    for name in (NAMES[m] for m in MODALITIES):
        if name in section:
            errors = section[name]
            yield (
                f"{name}, against the uncut network",
                f"error {errors['float32']:.1e}",
                f"in bf16 {errors['bf16']:.1e}",
            )
    if "transport" in section:
        yield "transport, against the processor's", f"error {section['transport']:.1e}", ""


def _fast(section: Mapping[str, Any]) -> Iterator[Row]:
    if "prefix_per_second" in section:
        yield "peak of the card", f"{section['peak_tflops']:.3g} TFLOP/s", "a product in bf16"
        yield "prefix", f"{section['prefix_per_second']:.1f} utterances/s", "float32, one at a time"
    for blocks, goal in GOALS.items():
        part = section.get(f"blocks_{blocks}", {})
        if "waits" not in part:
            continue
        yield f"step of A3D2, visual blocks: {blocks}", f"{part['step_ms']:.1f} ms", f"batch {section['batch']}"
        for name in ("float32", "bf16"):
            if f"naive_{name}_ratio" in part:
                yield f"  the naive step in {name}", f"{part[f'naive_{name}_ratio']:.1f}× slower", f"goal {goal:g}×"
        yield "  encoders, of the peak", f"{100 * part['encoders_tflops'] / section['peak_tflops']:.1f} %", "goal 35 %"
        yield "  transport", f"{100 * part['parts_ms']['transport'] / part['step_ms']:.1f} %", "goal 5 %"
        yield "  waits in a step", str(part["waits"]["most"]), "goal 1"


def _packed(section: Mapping[str, Any]) -> Iterator[Row]:
    for kind in ("tiny", "full_size"):
        if (most := packed.best(section.get(kind, {}))) is not None:
            yield f"packed, {kind.replace('_', ' ')}", f"{most[1]:.0f} cells an hour", f"with {most[0]} at once"


def _table_one(section: Mapping[str, Any]) -> Iterator[Row]:
    for blocks in GOALS:
        hours = section.get(f"blocks_{blocks}", {}).get("hours_on_four_cards", {})
        for corpus, value in hours.items():
            one = section[f"blocks_{blocks}"]["hours_on_one_card"][corpus]["total"]
            yield (
                f"Table 1, {corpus}, visual blocks: {blocks}",
                f"{one:.2g} h",
                f"on four cards {value:.2g} h; worked out",
            )


def _tests(section: Mapping[str, Any]) -> Iterator[Row]:
    if "passed" in section:
        failed = f"{section['failed']} failed, {section['skipped']} skipped"
        yield "tests of the suite", f"{section['passed']} passed", failed
