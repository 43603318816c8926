"""The blocks that methods share."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmda_bench.errors import UsageError
from mmda_bench.modules import ClasswiseDiscriminators, Discriminator, MemoryBank, RandomisedMap, option


def test_discriminator_is_the_common_one() -> None:
    layers = [type(layer).__name__ for layer in Discriminator(12)]
    assert layers == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    discriminator = Discriminator(12, outputs=3)
    assert [tuple(p.shape) for p in discriminator.parameters()] == [
        (256, 12),
        (256,),
        (256, 256),
        (256,),
        (3, 256),
        (3,),
    ]
    assert [layer.p for layer in discriminator if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert discriminator(torch.randn(5, 12)).shape == (5, 3)


def one_by_one(many: ClasswiseDiscriminators, z: Tensor, probs: Tensor) -> Tensor:
    """The k-th discriminator applied to p_k·z, for every k in turn (without dropout)."""
    columns = []
    for k in range(probs.shape[1]):
        x = z * probs[:, k : k + 1]
        x = F.relu(x @ many.weight1[k].T + many.bias1[k])
        x = F.relu(x @ many.weight2[k].T + many.bias2[k])
        columns.append((x @ many.weight3[k].T + many.bias3[k])[:, 0])
    return torch.stack(columns, 1)


@pytest.mark.parametrize("classes", [1, 2, 5, 30])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_classwise_discriminators_equal_a_loop(classes: int, batch: int) -> None:
    torch.manual_seed(classes)
    many = ClasswiseDiscriminators(6, classes, hidden=8).double().eval()
    z = torch.randn(batch, 6, dtype=torch.float64, requires_grad=True)
    probs = torch.randn(batch, classes, dtype=torch.float64).softmax(1).requires_grad_()
    weights = torch.randn(batch, classes, dtype=torch.float64)
    fast, slow = many(z, probs), one_by_one(many, z, probs)
    torch.testing.assert_close(fast, slow)
    inputs = [z, probs, *many.parameters()]
    gradients = (torch.autograd.grad((weights * value).sum(), inputs) for value in (fast, slow))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


@given(seed=st.integers(0, 1000), classes=st.integers(2, 9))
@settings(max_examples=8, deadline=None)
def test_permuting_classes_with_their_discriminators_permutes_the_logits(seed: int, classes: int) -> None:
    torch.manual_seed(seed)
    many = ClasswiseDiscriminators(4, classes, hidden=5).double().eval()
    z, probs = torch.randn(6, 4).double(), torch.randn(6, classes).double().softmax(1)
    before, order = many(z, probs), torch.randperm(classes)
    with torch.no_grad():
        for p in many.parameters():
            p.copy_(p[order].clone())
    torch.testing.assert_close(many(z, probs[:, order]), before[:, order])


def test_one_class_is_a_plain_discriminator() -> None:
    torch.manual_seed(0)
    many, single = ClasswiseDiscriminators(4, 1, hidden=5).eval(), Discriminator(4, hidden=5).eval()
    with torch.no_grad():
        for layer, (weight, bias) in zip(
            (single[0], single[3], single[6]),
            ((many.weight1, many.bias1), (many.weight2, many.bias2), (many.weight3, many.bias3)),
            strict=True,
        ):
            layer.weight.copy_(weight[0])
            layer.bias.copy_(bias[0])
    z = torch.randn(6, 4)
    torch.testing.assert_close(many(z, torch.ones(6, 1)), single(z))


def test_classwise_discriminators_start_like_linear_layers_and_drop_out_like_them() -> None:
    torch.manual_seed(0)
    many = ClasswiseDiscriminators(400, 3, hidden=100)
    assert many.weight1.abs().max().item() == pytest.approx(1 / 20, rel=1e-3)
    assert many.weight2.abs().max().item() == pytest.approx(1 / 10, rel=1e-3)
    assert many.weight1.std().item() == pytest.approx(1 / 20 / 3**0.5, rel=0.02)
    z, probs = torch.randn(5, 400), torch.ones(5, 3)
    assert not torch.equal(many(z, probs), many(z, probs))
    many.eval()
    assert torch.equal(many(z, probs), many(z, probs))


def test_randomised_map() -> None:
    generator = torch.Generator().manual_seed(3)
    block = RandomisedMap(6, 4, 1000, generator)
    z, probs = torch.randn(2, 6), torch.randn(2, 4).softmax(1)
    out = block(z, probs)
    assert out.shape == (2, 1000)
    for n, k in ((0, 0), (1, 999)):
        left = sum(z[n, i] * block.z_map[i, k] for i in range(6))
        right = sum(probs[n, c] * block.probs_map[c, k] for c in range(4))
        assert out[n, k].item() == pytest.approx((left * right / 1000**0.5).item(), rel=1e-4)
    assert not list(block.parameters())
    assert set(block.state_dict()) == {"z_map", "probs_map"}
    again = RandomisedMap(6, 4, 1000, torch.Generator().manual_seed(3))
    assert torch.equal(again.z_map, block.z_map)


def test_randomised_map_keeps_inner_products_on_average() -> None:
    """E⟨T(z, p), T(z', p')⟩ = ⟨z, z'⟩⟨p, p'⟩, the inner product of the Kronecker products."""
    generator = torch.Generator().manual_seed(0)
    block = RandomisedMap(5, 3, 200_000, generator)
    z, probs = torch.randn(2, 5, generator=generator), torch.rand(2, 3, generator=generator)
    sketch = block(z, probs)
    expected = (z[0] @ z[1]) * (probs[0] @ probs[1])
    spread = (z[0].norm() * z[1].norm() * probs[0].norm() * probs[1].norm()).item()
    assert (sketch[0] @ sketch[1]).item() == pytest.approx(expected.item(), abs=0.02 * spread)


def test_memory_holds_unit_representations_and_sharpened_predictions() -> None:
    bank = MemoryBank(6, 4, 3)
    assert torch.equal(bank.certainty, torch.ones(6))
    ids, z = torch.tensor([5, 0, 2]), 3 * torch.randn(3, 4)
    probs = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    bank.write(ids, z.requires_grad_(), probs)
    torch.testing.assert_close(bank.z[5], z[0].detach() / z[0].norm().item())
    # Divided by the number of rows it is the published p²/Σ p², whose columns sum to one over the batch.
    torch.testing.assert_close(bank.probs[ids] / 3, probs**2 / (probs**2).sum(0))
    assert bank.labels[ids].tolist() == [0, 1, 2]
    assert bank.z[1].abs().sum() == 0
    assert not bank.z.requires_grad


def test_memory_takes_a_class_that_nobody_predicts() -> None:
    bank = MemoryBank(2, 2, 3)
    bank.write(torch.arange(2), torch.randn(2, 2), torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
    assert bank.probs.isfinite().all()
    assert bank.probs[:, 2].sum() == 0


def test_memory_written_in_batches_of_any_size_compares() -> None:
    """One row whose prediction is typical weighs the same whether it came with few or with many others."""
    probs = torch.tensor([[0.7, 0.3], [0.3, 0.7]])
    few, many = MemoryBank(2, 2, 2), MemoryBank(20, 2, 2)
    few.write(torch.arange(2), torch.ones(2, 2), probs)
    many.write(torch.arange(20), torch.ones(20, 2), probs.repeat(10, 1))
    torch.testing.assert_close(few.probs, many.probs[:2])


def test_option_names_what_is_allowed() -> None:
    assert option("base", "dann", ("dann", "none")) == "dann"
    with pytest.raises(UsageError, match="base is 'gvb'; expected one of dann, none"):
        option("base", "gvb", ("dann", "none"))
