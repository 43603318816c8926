"""What must hold whatever the numbers are: symmetries, bounds, and finite results at the edges."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmda_bench import functional as mm

seeds, sizes, classes = st.integers(0, 10_000), st.integers(2, 8), st.integers(2, 30)
few = settings(max_examples=10, deadline=None)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def permutation(seed: int, size: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed + 77))


def predictions(seed: int, n: int, c: int) -> tuple[Tensor, Tensor]:
    return draw(seed, n, c).softmax(1), draw(seed + 1, n, c).softmax(1)


OF_PREDICTIONS = {
    "nuclear_wasserstein": mm.nuclear_wasserstein,
    "probabilistic_contrastive": mm.probabilistic_contrastive,
    **{
        f"f_divergence {name}": lambda p, q, name=name: mm.f_divergence(name, p[:, 0], q[:, 0])
        for name in mm.DIVERGENCES
    },
    "domain_loss": lambda p, q: mm.domain_loss(p.sum(1) - 2 * p[:, 0], q[:, 0]),
    "entropy weights": lambda p, q: mm.domain_loss(p[:, 0], q[:, 0], *mm.entropy_weights(p, q)),
    "log_variance": lambda p, q: mm.log_variance(p) + mm.log_variance(q),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_PREDICTIONS)
@given(seed=seeds, n=sizes, c=classes)
@few
def test_the_order_of_samples_does_not_matter(name: str, seed: int, n: int, c: int) -> None:
    p, q = predictions(seed, n, c)
    order, other = permutation(seed, n), permutation(seed + 1, n)
    if name == "probabilistic_contrastive":
        other = order  # its rows are pairs
    torch.testing.assert_close(OF_PREDICTIONS[name](p[order], q[other]), OF_PREDICTIONS[name](p, q))


@pytest.mark.parametrize(
    "name", ["nuclear_wasserstein", "probabilistic_contrastive", "entropy weights", "log_variance"]
)
@given(seed=seeds, n=sizes, c=classes)
@few
def test_the_order_of_classes_does_not_matter(name: str, seed: int, n: int, c: int) -> None:
    p, q = predictions(seed, n, c)
    order = permutation(seed, c)
    function = OF_PREDICTIONS[name]
    if name == "entropy weights":
        torch.testing.assert_close(mm.entropy_weights(p[:, order], q[:, order])[0], mm.entropy_weights(p, q)[0])
    else:
        torch.testing.assert_close(function(p[:, order], q[:, order]), function(p, q))


@given(seed=seeds, n=sizes, c=classes)
@few
def test_swapping_the_domains(seed: int, n: int, c: int) -> None:
    p, q = predictions(seed, n, c)
    torch.testing.assert_close(mm.nuclear_wasserstein(q, p), -mm.nuclear_wasserstein(p, q))
    torch.testing.assert_close(mm.probabilistic_contrastive(q, p), mm.probabilistic_contrastive(p, q))
    torch.testing.assert_close(mm.domain_loss(-q, -p), mm.domain_loss(p, q))  # with the discriminator's sign
    s, t = draw(seed, n), draw(seed + 1, n)
    torch.testing.assert_close(mm.f_divergence("kl", t, s), mm.f_divergence("klrev", s, t))
    torch.testing.assert_close(mm.f_divergence("tv", t, s), -mm.f_divergence("tv", s, t))
    torch.testing.assert_close(mm.f_divergence("jensen", -t, -s), mm.f_divergence("jensen", s, t))
    labels = torch.arange(n) % 2
    there, back = mm.category_distance(p, labels, q, labels, 2), mm.category_distance(q, labels, p, labels, 2)
    torch.testing.assert_close(there, back)


@given(seed=seeds, n=sizes, c=classes)
@few
def test_bounds(seed: int, n: int, c: int) -> None:
    p, q = predictions(seed, n, c)
    assert bool((mm.entropy(p) <= math.log(c) + 1e-9).all())
    assert bool((mm.entropy(p) >= -1e-4).all())
    assert abs(mm.nuclear_wasserstein(p, q).item()) <= math.sqrt(min(n, c) / n)
    assert mm.domain_loss(p, q) >= 0
    weights, _ = mm.entropy_weights(p, q)
    assert weights.sum().item() == pytest.approx(1)
    assert weights.max() <= 2 * weights.min() * (1 + 1e-6)  # 1 + e^{−H} lies in (1, 2]


@given(seed=seeds, n=sizes, value=st.floats(-5, 5))
@few
def test_no_divergence_between_equal_constants(seed: int, n: int, value: float) -> None:
    """A critic that says the same of every sample measures no divergence by the kl bound, whatever it says."""
    constant = torch.full((n,), value, dtype=torch.float64)
    assert mm.f_divergence("kl", constant, constant).item() == pytest.approx(0, abs=1e-9)
    assert mm.f_divergence("tv", constant, constant).item() == pytest.approx(0, abs=1e-9)


@given(seed=seeds, n=sizes, c=st.integers(2, 6))
@few
def test_permuting_memory_moves_nothing(seed: int, n: int, c: int) -> None:
    entries = n + 12
    bank, bank_p = F.normalize(draw(seed, entries, 5), dim=1), draw(seed + 1, entries, c).softmax(1)
    stored, own = 1 + 0.1 * draw(seed + 2, entries), torch.arange(n)
    z = F.normalize(bank[:n] + 0.2 * draw(seed + 3, n, 5), dim=1)
    order = permutation(seed, entries)
    moved_own = order.argsort()[own]
    label, confidence = mm.neighbour_pseudo_labels(z, bank, bank_p, own)
    moved_label, moved_confidence = mm.neighbour_pseudo_labels(z, bank[order], bank_p[order], moved_own)
    assert torch.equal(label, moved_label)
    torch.testing.assert_close(confidence, moved_confidence)
    labels = bank_p.argmax(1)
    torch.testing.assert_close(
        mm.certainty(z, label, bank, labels, own), mm.certainty(z, label, bank[order], labels[order], moved_own)
    )
    triplets = [
        mm.hard_triplet(z, label, confidence, b, y, w, o)
        for b, y, w, o in ((bank, labels, stored, own), (bank[order], labels[order], stored[order], moved_own))
    ]
    torch.testing.assert_close(*triplets)


# --- The edges: nothing there may become NaN, in value or gradient

EDGES: dict[str, Tensor] = {
    "one class predicted by all": torch.tensor([[40.0, 0.0, 0.0]]).expand(6, 3),
    "confident": 1000.0 * F.one_hot(torch.arange(6) % 3, 3).float(),
    "uniform": torch.zeros(6, 3),
    "a batch of one": torch.tensor([[1.0, 2.0, 3.0]]),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", OF_PREDICTIONS)
def test_edges_are_finite(name: str, edge: str) -> None:
    logits = EDGES[edge].clone().requires_grad_()
    probs = logits.softmax(1)
    value = OF_PREDICTIONS[name](probs, probs.flip(0))
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", mm.DIVERGENCES)
def test_divergences_of_large_critics(name: str) -> None:
    s, t = torch.tensor([300.0, -300.0], requires_grad=True), torch.tensor([-300.0, 300.0], requires_grad=True)
    value = mm.f_divergence(name, s, t)
    value.backward()
    assert value.isfinite()
    assert s.grad is not None
    assert s.grad.isfinite().all()


MEMORIES = {
    "identical representations": (torch.ones(8, 4) / 2, torch.arange(8) % 2, torch.ones(8)),
    "a class missing": (F.normalize(draw(0, 8, 4).float(), dim=1), torch.zeros(8, dtype=torch.int64), torch.ones(8)),
    "empty (zeros)": (torch.zeros(8, 4), torch.zeros(8, dtype=torch.int64), torch.zeros(8)),
    "one entry": (torch.ones(1, 4) / 2, torch.zeros(1, dtype=torch.int64), torch.ones(1)),
}


@pytest.mark.parametrize("case", MEMORIES)
def test_memories_at_the_edge(case: str) -> None:
    bank, labels, stored = MEMORIES[case]
    own = torch.zeros(2, dtype=torch.int64) if len(bank) == 1 else torch.arange(2)
    z = bank[own].clone().requires_grad_()
    label, confidence = mm.neighbour_pseudo_labels(z, bank, torch.zeros(len(bank), 2), own)
    assert confidence.isfinite().all()
    for wanted in (label, torch.tensor([0, 1])):
        assert mm.certainty(z, wanted, bank, labels, own).isfinite().all()
        loss = mm.hard_triplet(z, wanted, confidence, bank, labels, stored, own)
        (gradient,) = torch.autograd.grad(loss, z)
        assert loss.isfinite()
        assert gradient.isfinite().all()
