"""The functions of the methods beyond the paper's ten: slow versions, official values, gradients, edges."""

import doctest
import importlib
from collections.abc import Callable, Iterator

import pytest
import slow_losses
import slow_more_losses as slow
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from staging import grads
from torch import Tensor

from mmda_bench import functional as mm
from tests.methods.test_reference_values import close, lin

few = settings(max_examples=6, deadline=None)
seeds, batches, classes = st.integers(0, 10_000), st.integers(2, 5), st.integers(2, 5)

ONE, TWO = lin(12, 5, 1), lin(12, 5, 2)
P_ONE, P_TWO = lin(12, 4, 1).softmax(1), lin(12, 4, 2).softmax(1)
LABELS = torch.arange(12) % 4


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- Values made with the official implementations or with the papers' formulas on fixed inputs


def cost(eta1: float, eta2: float) -> Tensor:
    return mm.joint_cost(ONE, TWO, LABELS, lin(12, 4, 2), feature_weight=eta1, label_weight=eta2)


MDD = [lin(12, 4, 3), lin(12, 4, 1).argmax(1), lin(12, 4, 4), lin(12, 4, 2).argmax(1)]
VALUES: dict[str, tuple[Callable[[], Tensor], float]] = {
    "Amanda, the true covariance": (lambda: mm.covariance_distance(P_ONE, P_TWO), 0.00120296),
    "BNM": (lambda: -mm.batch_nuclear_norm(P_TWO), -0.24855644),
    "CMD, without the factors of the range": (lambda: mm.central_moment_discrepancy(ONE, TWO), 1.78142989),
    "CORAL, with 1/(4d²)": (lambda: mm.covariance_distance(ONE, TWO) / 100, 0.00403094),
    "DAN, unbiased": (lambda: mm.multi_kernel_mmd(ONE, TWO), -0.13989001),
    "DAN, with the library's constant": (lambda: mm.multi_kernel_mmd(ONE, TWO) + 2 / 11, 0.04192817),
    "DeepJDOT": (lambda: (cost(0.001, 0.0001) * mm.transport_plan(cost(0.001, 0.0001))).sum(), 0.0013781),
    "IM": (lambda: mm.information_loss(lin(12, 4, 2)), -0.0886662),
    "JUMBOT": (lambda: (cost(0.1, 0.1) * mm.unbalanced_plan(cost(0.1, 0.1))).sum(), 0.33084919),
    "JUMBOT's mass": (lambda: mm.unbalanced_plan(cost(0.1, 0.1)).sum(), 1.0347),
    "MCC": (lambda: mm.class_confusion(lin(12, 4, 2)), 0.7424655),
    "MCC, T = 1": (lambda: mm.class_confusion(lin(12, 4, 2), temperature=1.0), 0.70458651),
    "MCD": (lambda: mm.classifier_discrepancy(P_ONE, P_TWO), 0.09100047),
    "MDD": (lambda: mm.margin_disparity(*MDD, margin=4.0), 4 * 1.20409644 + 0.38767961),
    "MDD, the source's part": (
        lambda: mm.margin_disparity(*MDD, margin=1.0) - mm.margin_disparity(*MDD, margin=0.0),
        1.20409644,
    ),
    "MDD, the target's part": (lambda: mm.margin_disparity(*MDD, margin=0.0), 0.38767961),
    "xMUDA": (lambda: mm.mimic_divergence(lin(12, 4, 1), lin(12, 4, 2)), 0.09684197),
}


@pytest.mark.parametrize("name", VALUES)
def test_official_values(name: str) -> None:
    compute, value = VALUES[name]
    assert compute().item() == (pytest.approx(value, abs=5e-5) if name.endswith("mass") else close(value))


def test_the_value_of_amandas_code_is_that_of_its_covariance() -> None:
    assert slow.amandas_released_distance(P_ONE, P_TWO) == close(0.00161677)


# --- Slow versions, in value and gradient, and the gradient by finite differences


def inputs(seed: int, n: int, c: int) -> dict[str, Tensor]:
    """Two domains of n and n + 1 rows: representations, logits, softmaxes of unrelated logits, labels."""
    rows = {"s": n, "t": n + 1}
    made = {f"z_{k}": draw(seed + i, size, 3).requires_grad_() for i, (k, size) in enumerate(rows.items())}
    made |= {f"y_{k}": draw(seed + 5 + i, size, c).requires_grad_() for i, (k, size) in enumerate(rows.items())}
    made |= {
        f"p_{k}": draw(seed + 9 + i, size, c).softmax(1).requires_grad_() for i, (k, size) in enumerate(rows.items())
    }
    made |= {"u_s": F.normalize(draw(seed + 13, n, 3), dim=1).requires_grad_()}
    made |= {"u_t": F.normalize(draw(seed + 14, n + 1, 3), dim=1).requires_grad_()}
    return made


def labels(seed: int, n: int, c: int) -> Tensor:
    return torch.randint(c, (n,), generator=torch.Generator().manual_seed(seed))


Pair = tuple[Callable[..., Tensor], Callable[..., Tensor], tuple[str, ...]]


def pairs(seed: int, n: int, c: int) -> dict[str, Pair]:
    """Name: our version, the slow one, the inputs that both take and that have a gradient."""
    own_s, own_t = labels(seed, n, c), labels(seed + 1, n + 1, c)
    return of_representations(n, own_s, own_t) | of_predictions(own_s, own_t, draw(seed, n, c))


def of_representations(n: int, own_s: Tensor, own_t: Tensor) -> dict[str, Pair]:
    """Of two domains of n and n + 1 rows, with these labels."""
    counted = torch.arange(n) != 0
    return {
        "mmd": (mm.multi_kernel_mmd, slow.multi_kernel_mmd, ("z_s", "z_t")),
        "joint mmd": (mm.joint_mmd, slow.joint_mmd, ("z_s", "z_t", "p_s", "p_t")),
        "mean": (mm.mean_distance, lambda x, y: slow.squared_distance(sum(x) / n, sum(y) / (n + 1)), ("z_s", "z_t")),
        "covariance": (mm.covariance_distance, slow.covariance_distance, ("z_s", "z_t")),
        "central moments": (
            lambda x, y: mm.central_moment_discrepancy(x, y, order=4, span=2.0),
            lambda x, y: slow.central_moment_discrepancy(x, y, 4, 2.0),
            ("z_s", "z_t"),
        ),
        "pairs": (
            lambda z: mm.pair_margins(z, own_s, near=0.5, far=4.0),
            lambda z: slow.pair_margins(z, own_s, 0.5, 4.0),
            ("z_s",),
        ),
        "instances": (
            lambda u, v: mm.instance_contrast(u, v[1:], temperature=0.3),
            lambda u, v: slow.instance_contrast(u, v[1:], 0.3),
            ("u_s", "u_t"),
        ),
        "classes": (
            lambda u, v: mm.class_contrast(u, own_s, v, own_t, counted=counted, temperature=0.3),
            lambda u, v: slow.class_contrast(u, own_s.tolist(), v, own_t.tolist(), counted.tolist(), 0.3),
            ("u_s", "u_t"),
        ),
        "joint cost": (
            lambda s, t, y: mm.joint_cost(s, t, own_s, y, feature_weight=0.3, label_weight=0.7).square().sum(),
            lambda s, t, y: slow.joint_cost(s, t, own_s, y, 0.3, 0.7).square().sum(),
            ("z_s", "z_t", "y_t"),
        ),
    }  # fmt: skip


def of_predictions(own_s: Tensor, own_t: Tensor, fixed: Tensor) -> dict[str, Pair]:
    """``fixed``: logits of the rows of the source that have no gradient."""
    n, c = fixed.shape
    prior = [(k + 1) / (c * (c + 1) / 2) for k in range(c)]
    return {
        "confusion": (
            lambda y: mm.class_confusion(y, temperature=1.5), lambda y: slow.class_confusion(y, 1.5), ("y_s",)
        ),
        "nuclear norm": (mm.batch_nuclear_norm, lambda p: slow_losses.nuclear_norm(p) / n, ("p_s",)),
        "information": (mm.information_loss, slow.information_loss, ("y_s",)),
        "prior": (
            lambda y: mm.prior_cross_entropy(y, torch.tensor(prior, dtype=y.dtype)),
            lambda y: slow.prior_cross_entropy(y, prior),
            ("y_s",),
        ),
        "confident": (
            lambda y: mm.confident_cross_entropy(3 * fixed, y, threshold=0.7),
            lambda y: slow.confident_cross_entropy(3 * fixed, y, 0.7),
            ("y_s",),
        ),
        "discrepancy": (
            lambda p: mm.classifier_discrepancy(p, fixed),
            lambda p: slow.classifier_discrepancy(p, fixed),
            ("p_s",),
        ),
        "disparity": (
            lambda s, t: mm.margin_disparity(s, own_s, t, own_t, margin=3.0),
            lambda s, t: slow.margin_disparity(s, own_s, t, own_t, 3.0),
            ("y_s", "y_t"),
        ),
        "mimic": (lambda y: mm.mimic_divergence(fixed, y), lambda y: slow.divergence(fixed, y), ("y_s",)),
        "disagreement": (
            lambda p: mm.disagreement(p, fixed),
            lambda p: sum(1 - sum(a * b) for a, b in zip(p, fixed, strict=True)) / n,
            ("p_s",),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", pairs(0, 2, 2))
@given(seed=seeds, n=batches, c=classes)
@few
def test_equals_its_slow_version(name: str, seed: int, n: int, c: int) -> None:
    fast, plain, needed = pairs(seed, n, c)[name]
    arguments = [inputs(seed, n, c)[key] for key in needed]
    mine, theirs = fast(*arguments), plain(*arguments)
    torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)
    for a, b in zip(grads(mine, arguments), grads(theirs, arguments), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in pairs(0, 2, 2) if "mmd" not in name and name != "confusion"])
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    """All but the kernels' width σ² and the weights of class confusion: these depend on the input without gradient."""
    fast, _, needed = pairs(3, 4, 3)[name]
    arguments = [inputs(3, 4, 3)[key] for key in needed]
    assert torch.autograd.gradcheck(fast, arguments)


def test_the_gradient_of_a_kernel_of_fixed_width_is_that_of_finite_differences() -> None:
    x = draw(1, 5, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: mm.unbiased_mmd(mm.gaussian_kernel(x, sigma=1.3), 2), [x])


def test_the_width_of_the_kernels_has_no_gradient() -> None:
    """Scaling all rows scales the distances and σ² alike: the value stays, and a gradient through σ² would cancel."""
    z = draw(0, 6, 3).requires_grad_()
    value = mm.multi_kernel_mmd(z[:3], z[3:])
    torch.testing.assert_close(mm.multi_kernel_mmd(7 * z[:3], 7 * z[3:]), value)
    (gradient,) = torch.autograd.grad(value, z)
    assert abs((gradient * z).sum().item()) > 1e-3


# --- Edges: what a batch can be at worst, in value and gradient


def worst(kind: str) -> tuple[Tensor, Tensor]:
    """Representations and logits of a batch of 6, float32."""
    z, y = F.normalize(draw(0, 6, 4), dim=1).float(), draw(1, 6, 3).float()
    if kind == "identical":
        return z[:1].repeat(6, 1).requires_grad_(), y[:1].repeat(6, 1).requires_grad_()
    if kind == "confident":
        return z.requires_grad_(), (1000 * y).requires_grad_()
    if kind == "uniform":
        return z.requires_grad_(), torch.zeros(6, 3, requires_grad=True)
    return z.requires_grad_(), (y + 50 * F.one_hot(torch.tensor(0), 3)).requires_grad_()


def on_a_batch(z: Tensor, y: Tensor) -> Iterator[tuple[str, Tensor]]:
    own, p = torch.tensor([0, 0, 0, 1, 1, 2]), y.softmax(1)
    yield "mmd", mm.multi_kernel_mmd(z, z.detach())
    yield "joint mmd", mm.joint_mmd(z, z, p, p)
    yield "covariance", mm.covariance_distance(z, z)
    yield "moments", mm.central_moment_discrepancy(z, z)
    yield "pairs", mm.pair_margins(z, own, near=0.0, far=6.0)
    yield "confusion", mm.class_confusion(y)
    yield "nuclear norm", mm.batch_nuclear_norm(p)
    yield "information", mm.information_loss(y)
    yield "prior", mm.prior_cross_entropy(y, torch.full((3,), 1 / 3))
    yield "confident", mm.confident_cross_entropy(y, y, threshold=0.9)
    yield "disparity", mm.margin_disparity(y, own, y, own)
    yield "mimic", mm.mimic_divergence(y, y.flip(0))
    yield "instances", mm.instance_contrast(z, z)
    yield "classes", mm.class_contrast(z, own, z, torch.full((6,), 5), counted=own >= 0)
    yield "mixtures", mm.mixture_transport(z, own, z, p)
    costs = mm.joint_cost(z, z, own, y, feature_weight=0.1, label_weight=0.1)
    for kind in mm.PLANS:
        yield kind, (costs * mm.joint_plan(costs, kind, regularisation=0.1, marginal=1.0, mass=0.5)).sum()
    yield "informed", (mm.squared_distances(z, z) * mm.information_plan(z, z, own)).sum()


@pytest.mark.parametrize("kind", ["identical", "confident", "uniform", "one class"])
def test_the_worst_batches_give_finite_values_and_gradients(kind: str) -> None:
    z, y = worst(kind)
    for name, value in on_a_batch(z, y):
        gradients = torch.autograd.grad(value, [z, y], allow_unused=True, retain_graph=True)
        assert value.isfinite(), name
        assert all(g is None or bool(g.isfinite().all()) for g in gradients), name


def test_plans_without_a_gradient_leave_their_inputs_alone() -> None:
    for name, value in on_a_batch(*worst("uniform")):
        if name in mm.PLANS:
            assert value.requires_grad, name
    assert not mm.information_plan(*[worst("uniform")[0]] * 2, torch.arange(6) % 3).requires_grad


@pytest.mark.parametrize("name", ["moments", "confidence", "disparity", "multimodal", "joint_transport"])
def test_the_examples_of_the_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"mmda_bench.functional.{name}")
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0
