"""Every function of mmda_bench.functional equals its slow, obvious version, in value and gradient."""

import math

import pytest
import slow_losses as slow
import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench import functional as mm

CASES = [(2, 2), (3, 9), (20, 6)]  # (classes, batch): batches of 2, odd, fewer than classes


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softmaxes(classes: int, batch: int, count: int = 2) -> list[Tensor]:
    return [(2 * draw(batch, classes, seed=i)).softmax(1).requires_grad_() for i in range(count)]


def assert_same(fast: Tensor, reference: Tensor, inputs: list[Tensor]) -> None:
    """Equal values, and equal gradients to each of the inputs, in float64."""
    torch.testing.assert_close(fast, reference, rtol=1e-9, atol=1e-11)
    mine, theirs = torch.autograd.grad(fast, inputs), torch.autograd.grad(reference, inputs)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


# --- Adversarial alignment


def test_reversal_is_the_identity_forward_and_minus_lambda_backward() -> None:
    x = draw(4, 3).requires_grad_()
    y = mm.grad_reverse(x, 0.3)
    assert torch.equal(x, y)
    (reversed_gradient,) = torch.autograd.grad((y**3).sum(), x)
    h, numeric = 1e-5, torch.zeros(4, 3, dtype=torch.float64)
    for i in range(4):
        for j in range(3):
            bump = torch.zeros(4, 3, dtype=torch.float64)
            bump[i, j] = h
            numeric[i, j] = (((x + bump) ** 3).sum() - ((x - bump) ** 3).sum()) / (2 * h)
    torch.testing.assert_close(reversed_gradient, -0.3 * numeric, rtol=1e-6, atol=1e-8)


def test_two_reversals_undo_each_other() -> None:
    x = draw(3).requires_grad_()
    (gradient,) = torch.autograd.grad(mm.grad_reverse(mm.grad_reverse(x, 2.0), 0.5).square().sum(), x)
    torch.testing.assert_close(gradient, 2 * x)


def test_warmup_rises_from_zero_to_almost_one() -> None:
    values = [mm.warmup(p / 100) for p in range(101)]
    assert values[0] == 0
    assert values[-1] == pytest.approx(2 / (1 + math.exp(-10)) - 1)
    assert values == sorted(values)
    assert mm.warmup(0.5, alpha=2.0) == pytest.approx(2 / (1 + math.exp(-1)) - 1)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_entropy(classes: int, batch: int) -> None:
    (probs,) = softmaxes(classes, batch, 1)
    assert_same(mm.entropy(probs).sum(), sum(slow.entropy(probs)), [probs])


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_kronecker_has_the_class_slowest(classes: int, batch: int) -> None:
    z, (probs,) = draw(batch, 5).requires_grad_(), softmaxes(classes, batch, 1)
    weights = draw(batch, 5 * classes, seed=9)
    assert_same((weights * mm.kronecker(z, probs)).sum(), (weights * slow.kronecker(z, probs)).sum(), [z, probs])
    assert mm.kronecker(z, probs)[1, 5 + 3] == probs[1, 1] * z[1, 3]


@pytest.mark.parametrize(
    ("source", "target"), [((1,), (1,)), ((4,), (4,)), ((3,), (7,)), ((5, 1), (2, 1)), ((3, 4), (3, 4))]
)
def test_domain_loss(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    s, t = (3 * draw(*source)).requires_grad_(), (3 * draw(*target, seed=1)).requires_grad_()
    assert_same(mm.domain_loss(s, t), slow.domain_loss(s, t), [s, t])


def test_domain_loss_prefers_a_discriminator_that_calls_the_target_one() -> None:
    assert mm.domain_loss(torch.tensor([-5.0]), torch.tensor([5.0])) < 0.01
    assert mm.domain_loss(torch.tensor([5.0]), torch.tensor([-5.0])) > 4
    assert mm.domain_loss(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("column", [False, True])
def test_weighted_domain_loss(column: bool) -> None:
    s, t = draw(4).requires_grad_(), draw(3, seed=1).requires_grad_()
    w_s, w_t = draw(4, seed=2).exp().requires_grad_(), draw(3, seed=3).exp().requires_grad_()
    logits = (s.unsqueeze(1), t.unsqueeze(1)) if column else (s, t)
    # The denominator is a constant [official]: so is the slow version's, a sum of floats.
    assert_same(mm.domain_loss(*logits, w_s, w_t), slow.domain_loss(s, t, (list(w_s), list(w_t))), [s, t, w_s, w_t])


def test_equal_weights_change_nothing_and_half_the_weights_are_refused() -> None:
    s, t = draw(4), draw(4, seed=1)
    weights = torch.full((4,), 0.7, dtype=torch.float64)
    torch.testing.assert_close(mm.domain_loss(s, t, weights, weights), mm.domain_loss(s, t))
    with pytest.raises(ValueError, match="both domains or for neither"):
        mm.domain_loss(s, t, weights)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_entropy_weights(classes: int, batch: int) -> None:
    s, t = softmaxes(classes, batch)
    factors = draw(2, batch, seed=5)
    mine, theirs = mm.entropy_weights(s, t), slow.entropy_weights(s, t)
    fast = (factors[0] * mine[0]).sum() + (factors[1] * mine[1]).sum()
    assert_same(
        fast, sum(f * w for row, ws in zip(factors, theirs, strict=True) for f, w in zip(row, ws, strict=True)), [s, t]
    )
    assert mine[0].sum().item() == pytest.approx(1)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_nuclear_wasserstein(classes: int, batch: int) -> None:
    s, t = softmaxes(classes, batch)
    assert_same(mm.nuclear_wasserstein(s, t), (slow.nuclear_norm(s) - slow.nuclear_norm(t)) / batch, [s, t])


def test_nuclear_wasserstein_by_finite_differences() -> None:
    s, t = draw(5, 3).requires_grad_(), draw(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(mm.nuclear_wasserstein, (s, t))


@pytest.mark.parametrize("name", mm.DIVERGENCES)
@pytest.mark.parametrize("batch", [2, 3, 11])
def test_f_divergence(name: str, batch: int) -> None:
    s, t = draw(batch).requires_grad_(), draw(batch + 1, seed=1).requires_grad_()
    assert_same(mm.f_divergence(name, s, t), slow.f_divergence(name, s, t), [s, t])


def test_unknown_divergence_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'hellinger'.*kl, klrev, chi"):
        mm.f_divergence("hellinger", draw(2), draw(2))


# --- Target structure


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_probabilistic_contrastive(classes: int, batch: int) -> None:
    a, b = softmaxes(classes, batch)
    assert_same(mm.probabilistic_contrastive(a, b, 7.0), slow.probabilistic_contrastive(a, b, 7.0), [a, b])


def memory(classes: int, batch: int, entries: int = 40, width: int = 6, absent: bool = False) -> dict[str, Tensor]:
    """A memory with unequal class counts, one class absent on demand; anchors are its first entries, moved a bit."""
    generator = torch.Generator().manual_seed(classes * 100 + batch)
    bank_labels = (torch.rand(entries, generator=generator).square() * classes).long()
    if absent:
        bank_labels[bank_labels == 0] = 1
    bank_z = F.normalize(draw(entries, width, seed=1), dim=1)
    return {
        "z": F.normalize(bank_z[:batch] + 0.3 * draw(batch, width, seed=2), dim=1),
        "labels": torch.arange(batch) % classes,
        "bank_z": bank_z,
        "bank_labels": bank_labels,
        "own": torch.arange(batch),
    }


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_neighbour_pseudo_labels(classes: int, batch: int) -> None:
    m = memory(classes, batch)
    bank_p = draw(40, classes, seed=4).softmax(1)
    for k in (1, 5, 60):
        label, confidence = mm.neighbour_pseudo_labels(m["z"], m["bank_z"], bank_p, m["own"], k)
        labels, confidences = slow.neighbour_pseudo_labels(m["z"], m["bank_z"], bank_p, m["own"], k)
        assert label.tolist() == labels
        assert confidence.tolist() == pytest.approx(confidences)


def test_neighbours_leave_out_the_own_entry_only_when_told() -> None:
    bank_z, bank_p = torch.eye(3), torch.eye(3)
    assert mm.neighbour_pseudo_labels(bank_z, bank_z, bank_p, None, 1)[0].tolist() == [0, 1, 2]
    label, _ = mm.neighbour_pseudo_labels(bank_z, bank_z, bank_p, torch.arange(3), 1)
    assert all(label != torch.arange(3))


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_certainty(classes: int, batch: int, absent: bool) -> None:
    m = memory(classes, batch, absent=absent)
    m["z"] = 3 * m["z"]  # it normalises
    for k in (1, 5):
        assert mm.certainty(**m, k=k).tolist() == pytest.approx(slow.certainty(**m, k=k))


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_certainty_thresholds(classes: int, batch: int) -> None:
    m = memory(classes, batch, absent=True)
    stored = draw(40, seed=8).exp()
    plus, minus = mm.certainty_thresholds(m["labels"], m["bank_labels"], stored)
    for i, label in enumerate(m["labels"].tolist()):
        same = [float(w) for w, y in zip(stored, m["bank_labels"], strict=True) if int(y) == label]
        other = [float(w) for w, y in zip(stored, m["bank_labels"], strict=True) if int(y) != label]
        assert plus[i].item() == (pytest.approx(sum(same) / len(same)) if same else math.inf)
        assert minus[i].item() == (pytest.approx(sum(other) / len(other)) if other else math.inf)


@pytest.mark.parametrize("keep_own_entry", [False, True])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_hard_triplet(classes: int, batch: int, absent: bool, keep_own_entry: bool) -> None:
    m = memory(classes, batch, absent=absent)
    m["z"] = (1.5 * m["z"]).requires_grad_()
    confidence, stored = draw(batch, seed=6).exp(), 1 + 0.2 * draw(40, seed=7)
    arguments = {**m, "confidence": confidence, "bank_certainty": stored, "keep_own_entry": keep_own_entry}
    for k in (1, 5):
        fast = mm.hard_triplet(**arguments, k=k, margin=0.3)
        assert_same(fast, slow.hard_triplet(**arguments, k=k, margin=0.3), [m["z"]])


def test_an_anchor_without_positives_contributes_nothing() -> None:
    z = F.normalize(draw(2, 4), dim=1)
    bank = F.normalize(draw(6, 4, seed=1), dim=1)
    labels = torch.zeros(6, dtype=torch.int64)
    arguments = (torch.ones(2), bank, labels, torch.ones(6), None)
    assert mm.hard_triplet(z, torch.ones(2, dtype=torch.int64), *arguments).item() == 0  # label 1 is not in memory
    assert mm.hard_triplet(z, torch.zeros(2, dtype=torch.int64), *arguments).item() == 0  # no other label is


def test_an_anchor_that_lacks_one_of_its_five_counts_in_neither_sum() -> None:
    bank, labels = F.normalize(draw(14, 4, seed=1), dim=1), torch.tensor([0] * 5 + [1] * 5 + [2] * 4)
    anchors, confidence = F.normalize(draw(3, 4), dim=1), torch.tensor([0.5, 0.7, 0.9])
    arguments = (bank, labels, torch.ones(14), None)
    of_two = mm.hard_triplet(anchors[:2], labels[[0, 5]], confidence[:2], *arguments)
    assert of_two.item() > 0
    assert torch.equal(mm.hard_triplet(anchors, labels[[0, 5, 10]], confidence, *arguments), of_two)
    assert mm.hard_triplet(anchors[2:], labels[[10]], confidence[2:], *arguments).item() == 0


def test_the_own_entry_is_no_negative_even_where_there_are_few() -> None:
    """Its label in memory may differ from the pseudo-label; with it as a negative this loss would not be 0."""
    z = torch.tensor([[1.0, 0.0]])
    bank, bank_labels = torch.tensor([[0.6, 0.8], [0.0, 1.0]]), torch.tensor([1, 0])  # a near negative, a far positive
    zero, ones = torch.zeros(1, dtype=torch.int64), torch.ones(2)
    assert mm.hard_triplet(z, zero, ones[:1], bank, bank_labels, ones, own=None, k=1).item() > 0.8
    for keep in (False, True):
        loss = mm.hard_triplet(z, zero, ones[:1], bank, bank_labels, ones, own=zero, k=1, keep_own_entry=keep)
        assert loss.item() == 0


# --- The source objective, and a measure


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_log_variance(batch: int) -> None:
    z = draw(batch, 5).requires_grad_()
    assert_same(mm.log_variance(z), slow.log_variance(z), [z])


def test_log_variance_of_a_dead_dimension_is_finite() -> None:
    z = torch.zeros(4, 3, requires_grad=True)
    value = mm.log_variance(z)
    value.backward()
    assert value.item() == pytest.approx(3 * math.log(1e-6))
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_information_bottleneck(classes: int, batch: int) -> None:
    names = ("A", "L", "V", "joint")
    logits = {m: draw(batch, classes, seed=i).requires_grad_() for i, m in enumerate(names)}
    z = {m: draw(batch, 4, seed=10 + i).requires_grad_() for i, m in enumerate(names)}
    labels = torch.arange(batch) % classes
    reference = sum(slow.cross_entropy(logits[m], labels) + 0.05 * slow.log_variance(z[m]) for m in names)
    fast = mm.information_bottleneck(logits, z, labels, beta=0.1)
    assert_same(fast, reference, [*logits.values(), *z.values()])


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_category_distance(classes: int, batch: int) -> None:
    z_s, z_t = draw(batch, 4), draw(batch + 3, 4, seed=1)
    y_s, y_t = torch.arange(batch) % classes, (torch.arange(batch + 3) ** 2) % classes  # unequal counts, absent classes
    value = mm.category_distance(z_s, y_s, z_t, y_t, classes)
    assert value.item() == pytest.approx(slow.category_distance(z_s, y_s, z_t, y_t, classes))


def test_category_distance_without_a_shared_class_is_nan() -> None:
    one, two = torch.tensor([0]), torch.tensor([1])
    assert math.isnan(mm.category_distance(torch.ones(1, 2), one, torch.ones(1, 2), two, 2).item())


# --- Precision

LOSSES = {
    "entropy": lambda a, b: mm.entropy(a.softmax(1)).sum(),
    "domain_loss": lambda a, b: mm.domain_loss(a, b),
    "nuclear_wasserstein": lambda a, b: mm.nuclear_wasserstein(a.softmax(1), b.softmax(1)),
    "f_divergence": lambda a, b: mm.f_divergence("kl", a[:, 0], b[:, 0]),
    "probabilistic_contrastive": lambda a, b: mm.probabilistic_contrastive(a.softmax(1), b.softmax(1)),
    "anchor_drag": lambda a, b: mm.anchor_drag(a / 8, b / 8),
    "log_variance": lambda a, b: mm.log_variance(a),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES)
def test_autocast_does_not_touch_the_mathematics(name: str, dtype: torch.dtype) -> None:
    a, b = draw(12, 5).float(), draw(12, 5, seed=1).float()
    plain = LOSSES[name](a, b)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(LOSSES[name](a, b), plain)
    half = LOSSES[name](a.to(dtype), b.to(dtype))
    assert half.dtype == torch.float32
    assert half.isfinite()


def test_half_precision_would_have_erased_the_transport_costs() -> None:
    z = [F.normalize(draw(48, 256, seed=i), dim=1).float() for i in range(2)]
    cost = mm.dimension_cost(*z)
    assert cost.half().unique().numel() < 100 < cost.unique().numel()
