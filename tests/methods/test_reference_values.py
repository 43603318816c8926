"""Values made by running the official implementations on fixed inputs, reproduced to a relative 1e-5."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench import functional as mm
from mmda_bench.method import Context, Source, Target
from mmda_bench.registry import METHODS


def lin(rows: int, columns: int, k: int) -> Tensor:
    """The inputs that the values were made with: sin(0.37 i + 0.11 k) + 0.5 cos(1.3 i k), i counting row by row."""
    i = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
    return torch.tensor(np.sin(0.37 * i + 0.11 * k) + 0.5 * np.cos(1.3 * i * k), dtype=torch.float64).float()


def close(value: Tensor | float) -> object:
    return pytest.approx(float(value), rel=1e-5)


def official_domain_loss(logits: Tensor, *weights: Tensor) -> Tensor:
    """The official codes call the source 1 and the target 0: the same discriminator with its output negated."""
    source, target = (-logits).chunk(2)
    return mm.domain_loss(source, target, *weights)


def toy_discriminator(features: Tensor) -> Tensor:
    return features @ (0.1 * lin(1, features.shape[1], 1)).T


def test_dann() -> None:
    assert official_domain_loss(toy_discriminator(lin(12, 5, 1))).item() == close(0.695897)


def test_cdan() -> None:
    probs = lin(12, 4, 2).softmax(1)
    assert official_domain_loss(toy_discriminator(mm.kronecker(lin(12, 5, 1), probs))).item() == close(0.67594856)


def test_cdan_with_entropy() -> None:
    probs = lin(12, 4, 2).softmax(1)
    logits = toy_discriminator(mm.kronecker(lin(12, 5, 1), probs))
    assert official_domain_loss(logits, *mm.entropy_weights(*probs.chunk(2))).item() == close(0.67593867)


def test_nuclear_wasserstein() -> None:
    value = mm.nuclear_wasserstein(lin(6, 4, 1).softmax(1), lin(6, 4, 2).softmax(1))
    assert value.item() == close(-0.0057046)


def test_daln_through_the_head_and_the_reversal() -> None:
    head, features = lin(4, 5, 3).requires_grad_(), lin(12, 5, 1).requires_grad_()
    probs = (mm.grad_reverse(features, mm.warmup(0.05)) @ head.T).softmax(1)
    loss = -mm.nuclear_wasserstein(*probs.chunk(2))
    loss.backward()
    assert mm.warmup(0.05) == close(0.24491866)
    assert loss.item() == close(-0.04026155)
    assert features.grad is not None
    assert head.grad is not None
    assert features.grad.norm().item() == close(0.03543757)
    assert head.grad.norm().item() == close(0.07253087)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kl", 0.21677387),
        ("klrev", 0.26635736),
        ("chi", 0.13294959),
        ("jensen", 0.17356586),
        ("pearson", 0.16391158),
        ("tv", 0.00369573),
    ],
)
def test_f_divergences(name: str, value: float) -> None:
    source, target = (
        lin(6, 4, aux).gather(1, lin(6, 4, main).argmax(1, keepdim=True)).squeeze(1) for main, aux in ((1, 3), (2, 4))
    )
    assert -mm.f_divergence(name, source, target).item() == close(value)


def test_probabilistic_contrastive() -> None:
    a, b = lin(6, 4, 1).requires_grad_(), lin(6, 4, 2).requires_grad_()
    loss = mm.probabilistic_contrastive(a.softmax(1), b.softmax(1), scale=7.0)
    grad_a, grad_b = torch.autograd.grad(loss, (a, b))
    assert loss.item() == close(2.230479)
    assert grad_a.norm().item() == close(0.13550633)
    assert grad_b.norm().item() == close(0.17142986)


def test_probabilistic_contrastive_of_uniform_predictions() -> None:
    assert mm.probabilistic_contrastive(torch.full((48, 4), 0.25), torch.full((48, 4), 0.25)).item() == close(
        np.log(95)
    )
    assert np.log(95) == pytest.approx(4.554, abs=5e-4)


def test_nuclear_norm_bound_at_four_classes() -> None:
    one_hot = F.one_hot(torch.arange(48) % 4, 4).float()
    collapsed = F.one_hot(torch.zeros(48, dtype=torch.int64), 4).float()
    assert mm.nuclear_wasserstein(one_hot, torch.zeros(48, 4)).item() == pytest.approx(0.289, abs=5e-4)
    assert mm.nuclear_wasserstein(collapsed, torch.zeros(48, 4)).item() == close(1 / np.sqrt(48))


def luhp_inputs() -> dict[str, Tensor]:
    return {
        "z": lin(10, 8, 1),
        "labels": torch.arange(10) % 3,
        "bank_z": F.normalize(lin(60, 8, 2), dim=1),
        "bank_labels": lin(60, 3, 3).abs().argmax(1),
        "own": torch.arange(10),
    }


def test_luhp_triplet_with_the_own_entry_kept() -> None:
    loss = mm.hard_triplet(
        **luhp_inputs(),
        confidence=torch.linspace(0.3, 0.8, 10),
        bank_certainty=0.8 + 0.2 * lin(1, 60, 1)[0],
        keep_own_entry=True,
    )
    assert loss.item() == close(1.44459283)


def test_luhp_certainty() -> None:
    first = mm.certainty(**luhp_inputs())[:3]
    assert first.tolist() == [close(0.87950981), close(0.9685322), close(0.75512302)]


def released(width: int) -> tuple[torch.nn.Module, Source, Target]:
    """a3d2-released on A (k = 1, the anchor), V (2) and L (3): z = normalize(lin(6, 8, k)), logits lin(6, 4, k + 3)."""
    order = {"A": 1, "V": 2, "L": 3}
    z = {m: F.normalize(lin(6, width, k), dim=1) for m, k in order.items()}
    logits = {m: lin(6, 4, k + 3) for m, k in order.items()}
    z["joint"], logits["joint"] = torch.cat(list(z.values()), 1), lin(6, 4, 7)
    dims = {m: value.shape[1] for m, value in z.items()}
    generator, parts = torch.Generator(), frozenset({"representations", "predictions"})
    ctx = Context(4, dims, ("A", "L", "V"), "A", ("L", "V"), 6, 6, parts, lambda m, value: value, generator)
    ids = torch.arange(6)
    method = METHODS.get("a3d2-released")(ctx, start=0.5)
    return method, Source(z, logits, ids % 4, ids), Target(z, logits, ids)


def test_a3d2_released_transport_of_representations() -> None:
    method, source, target = released(8)
    calls = [method.loss(source, target, 0.5) for _ in range(3)]
    values = [(terms["ot_z_L"] + terms["ot_z_V"]).item() for terms in calls]
    assert values == [close(1.80031689), close(1.7997126), close(1.79913851)]


def test_a3d2_released_transport_of_predictions() -> None:
    method, source, target = released(8)
    terms = method.loss(source, target, 0.5)
    assert (terms["ot_p_L"] + terms["ot_p_V"]).item() == close(1.87403787)
