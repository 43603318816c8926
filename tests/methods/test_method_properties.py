"""What must hold of whole methods, whatever the numbers are."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from staging import grads, stage
from torch import Tensor

from mmda_bench.method import Source, Target
from mmda_bench.modules import Discriminator
from mmda_bench.registry import METHODS
from mmda_bench.testing.rehearsal import WIDTH, Rehearsal

WITHOUT_DRAWS = ["dann", "cdan", "cdan+e", "mada", "daln", "pcl", "fdd", "fdd-kl", "a3d2", "a3d2-released"]
few = settings(max_examples=3, deadline=None)
seeds = st.integers(0, 10_000)


def shuffle(seed: int, size: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))


def reorder(batch: Any, order: Tensor) -> Any:
    """The same utterances in another order."""
    changed: dict[str, Any] = {
        "z": {m: v[order] for m, v in batch.z.items()},
        "logits": {m: v[order] for m, v in batch.logits.items()},
        "ids": batch.ids[order],
    }
    if isinstance(batch, Source):
        return Source(**changed, labels=batch.labels[order])
    return Target(**changed, view2=reorder(batch.view2, order) if batch.view2 is not None else None)


def relabel(batch: Any, order: Tensor) -> Any:
    """The same utterances with the classes renamed: class order[c] becomes c."""
    logits = {m: v[:, order] for m, v in batch.logits.items()}
    if isinstance(batch, Source):
        return replace(batch, logits=logits, labels=order.argsort()[batch.labels])
    view = relabel(batch.view2, order) if batch.view2 is not None else None
    return Target(batch.z, logits, batch.ids, view)


def assert_same_terms(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert set(mine) == set(theirs)
    for name, term in mine.items():
        torch.testing.assert_close(term, theirs[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", WITHOUT_DRAWS)
@given(seed=seeds)
@few
def test_the_order_of_samples_within_a_domain_does_not_matter(name: str, seed: int) -> None:
    _, method, source, target = stage(name, 4, 6)
    plain = method.loss(source, target, 0.9)
    _, method, source, target = stage(name, 4, 6)  # anew: a3d2-released remembers its plans
    again = method.loss(reorder(source, shuffle(seed, 6)), reorder(target, shuffle(seed + 1, 6)), 0.9)
    assert_same_terms(plain, again)


def rename_parameters(name: str, rehearsal: Rehearsal, method: Any, order: Tensor) -> None:
    """Move what belongs to class order[c] to class c, wherever the method or the heads keep something by class."""

    def columns(linear: torch.nn.Linear, width: int) -> None:
        blocks = linear.weight.view(linear.out_features, -1, width)
        linear.weight.copy_(blocks[:, order].reshape_as(linear.weight))

    with torch.no_grad():
        for head in rehearsal.network.heads.values():
            head.weight.copy_(head.weight[order])  # type: ignore[operator,index]
            head.bias.copy_(head.bias[order])  # type: ignore[operator,index]
        if name.startswith("fdd"):
            for head in method.heads:
                head.weight.copy_(head.weight[order])
                head.bias.copy_(head.bias[order])
        elif name == "mada":
            for p in method.discriminators.parameters():
                p.copy_(p[order].clone())
        elif name.startswith(("cdan", "a3d2")):
            for m, discriminator in method.discriminators.items():
                columns(discriminator[0], rehearsal.ctx.dims[m])


@pytest.mark.parametrize("name", WITHOUT_DRAWS)
@given(seed=seeds)
@few
def test_the_names_of_classes_do_not_matter(name: str, seed: int) -> None:
    _, method, source, target = stage(name, 5, 6)
    plain = method.loss(source, target, 0.9)
    rehearsal, method, source, target = stage(name, 5, 6)
    order = shuffle(seed, 5)
    rename_parameters(name, rehearsal, method, order)
    again = method.loss(relabel(source, order), relabel(target, order), 0.9)
    if name == "a3d2-released":  # its averaged plan starts from the diagonal, which renaming both sides keeps
        assert "ot_p_V" in plain
    assert_same_terms(plain, again)


def test_luhp_does_not_mind_the_names_of_classes() -> None:
    terms = []
    for order in (torch.arange(4), torch.tensor([2, 0, 3, 1])):
        rehearsal, method, source, target = stage("luhp", 4, 6)
        rename_parameters("luhp", rehearsal, method, order)
        method.memory.probs.copy_(method.memory.probs[:, order].clone())
        rehearsal.generator.manual_seed(0)
        terms.append(method.loss(relabel(source, order), relabel(target, order), 0.4))
    assert_same_terms(*terms)


def exchanged(source: Source, target: Target) -> tuple[Source, Target]:
    return Source(target.z, target.logits, source.labels, target.ids), Target(source.z, source.logits, source.ids)


def test_swapping_the_domains_swaps_the_discriminator() -> None:
    for name in ("dann", "cdan", "cdan+e", "mada"):
        _, method, source, target = stage(name, 4, 6)
        plain = method.loss(source, target, 0.4)
        with torch.no_grad():
            last = [*method.discriminators["joint"].parameters()][-2:]
            if name == "mada":
                last = [method.discriminators["joint"].weight3, method.discriminators["joint"].bias3]
            for p in last:
                p.neg_()
        assert_same_terms(method.loss(*exchanged(source, target), 0.4), plain)


def test_swapping_the_domains_negates_daln_and_exchanges_the_directions_of_fdd() -> None:
    _, method, source, target = stage("daln", 4, 6)
    there, back = method.loss(source, target, 0.4)["nwd"], method.loss(*exchanged(source, target), 0.4)["nwd"]
    torch.testing.assert_close(there, -back)
    _, method, source, target = stage("fdd", 4, 6, gamma1=0.3, gamma2=2.0)
    there = method.loss(source, target, 0.4)["divergence"]
    method.gamma1, method.gamma2 = 2.0, 0.3
    method.heads = torch.nn.ModuleList(reversed(method.heads))
    torch.testing.assert_close(there, method.loss(*exchanged(source, target), 0.4)["divergence"])


@pytest.mark.parametrize("name", ["fdd", "fdd-kl"])
def test_the_heads_of_fdd_find_what_separates_the_domains(name: str) -> None:
    """One head for both directions could not: the sum of its two estimates is never above 0."""
    _, method, source, target = stage(name, 4, 6)
    with torch.no_grad():  # along one axis, a little
        source.z["joint"][:, 0] += 0.2
        target.z["joint"][:, 0] -= 0.2
    optimiser = torch.optim.Adam(method.parameters(), 0.01)
    for _ in range(100):
        term = method.loss(source, target, 0.5)["divergence"]
        optimiser.zero_grad()
        term.backward(retain_graph=True)
        optimiser.step()
    assert term < -1


def test_mada_with_one_class_is_a_share_of_dann() -> None:
    _, mada, source, target = stage("mada", 1, 6)
    _, dann, *_ = stage("dann", 1, 6)
    many, single = mada.discriminators["joint"], dann.discriminators["joint"]
    assert isinstance(single, Discriminator)
    with torch.no_grad():
        for layer, number in ((single[0], 1), (single[3], 2), (single[6], 3)):
            layer.weight.copy_(getattr(many, f"weight{number}")[0])
            layer.bias.copy_(getattr(many, f"bias{number}")[0])
    mine, theirs = (method.loss(source, target, 0.4)["domain_joint"] for method in (mada, dann))
    torch.testing.assert_close(mine, 0.3 * theirs)
    features = [source.z["joint"], target.z["joint"]]
    for a, b in zip(grads(mine, features), grads(theirs, features), strict=True):
        torch.testing.assert_close(a, 0.3 * b)


def test_the_main_head_gets_no_gradient_from_the_divergence() -> None:
    for name in ("fdd", "fdd-kl"):
        rehearsal = Rehearsal(METHODS.entry(name))
        term = rehearsal.method.loss(*rehearsal.batches(), 0.5)["divergence"]
        assert all(g.abs().max() == 0 for g in grads(term, [*rehearsal.network.heads.parameters()]))
        assert any(g.abs().max() > 0 for g in grads(term, [*rehearsal.network.encoders.parameters()]))


def trained(name: str, off: tuple[str, ...] = ()) -> list[Tensor]:
    rehearsal = Rehearsal(METHODS.entry(name), off=off)
    for step in range(4):
        rehearsal.step(step, step / 4)
    return [p.detach() for p in rehearsal.network.parameters()]


def test_a3d2_without_its_components_is_dt_bit_for_bit() -> None:
    assert all(map(torch.equal, trained("a3d2", ("aa", "add")), trained("dt")))
    assert not all(map(torch.equal, trained("a3d2", ("aa",)), trained("dt")))
    method = Rehearsal(METHODS.entry("a3d2"), off=("aa", "add")).method
    assert method.target_views == 0
    assert not method.state_dict()


def test_components_of_the_released_code_are_its_adversaries_and_its_two_transports() -> None:
    groups = {
        "aa": {"aa_A", "aa_L", "aa_V"},
        "representations": {"ot_z_L", "ot_z_V"},
        "predictions": {"ot_p_L", "ot_p_V"},
    }
    for off in ((), ("aa",), ("aa", "predictions"), ("aa", "representations"), tuple(groups)):
        kept = set().union(*(terms for name, terms in groups.items() if name not in off))
        rehearsal = Rehearsal(METHODS.entry("a3d2-released"), off=off)
        assert set(rehearsal.step(progress=0.9)) == {"source"} | kept


def test_components_of_a3d2_are_its_two_groups_of_terms() -> None:
    for off, expected in (
        ((), {"aa_L", "aa_V", "add_L", "add_V"}),
        (("aa",), {"add_L", "add_V"}),
        (("add",), {"aa_L", "aa_V"}),
    ):
        assert set(Rehearsal(METHODS.entry("a3d2"), off=off).step()) == expected


def test_variants_differ_in_what_they_override_alone() -> None:
    entries = {name: METHODS.entry(name) for name in ("cdan", "cdan+e", "fdd", "fdd-kl")}
    assert entries["cdan+e"].parameters == {**entries["cdan"].parameters, "entropy": True}
    assert entries["fdd-kl"].parameters == {**entries["fdd"].parameters, "gamma2": 0.0}
    assert "all" not in entries["cdan+e"].groups + entries["fdd-kl"].groups + METHODS.entry("a3d2-released").groups


def test_ten_methods_carry_the_titles_of_the_table() -> None:
    titles = {METHODS.entry(name).title for name in METHODS.names("all")}
    assert titles == {"DT", "DANN", "CDAN", "MADA", "DALN", "PCL", "f-DD", "LUHP", "DADA", "A3D2"}


@pytest.mark.parametrize("anchor", ["A", "L", "V"])
def test_a3d2_drags_towards_the_anchor_whichever_it_is(anchor: str) -> None:
    rehearsal = Rehearsal(METHODS.entry("a3d2"), anchor=anchor)
    drifts = sorted({"A", "L", "V"} - {anchor})
    assert set(rehearsal.step()) == {f"{part}_{m}" for part in ("aa", "add") for m in drifts}
    assert rehearsal.method.discriminators[drifts[0]][0].in_features == 3 * WIDTH  # type: ignore[index,union-attr]
