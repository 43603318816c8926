"""The terms and gradients of A3D2 and of its released code equal those of the formulas, written out slowly."""

import pytest
import slow_losses as slow
import torch
from adversarial import CASES, PROGRESS, assert_adversarial, slow_softmax
from staging import grads, stage
from torch import nn

ANCHORS = {"A": ("L", "V"), "L": ("A", "V"), "V": ("A", "L")}  # and the drifts


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_a3d2(classes: int, batch: int, anchor: str) -> None:
    _, method, source, target = stage("a3d2", classes, batch, anchor=anchor)
    terms = method.loss(source, target, PROGRESS)
    assert set(terms) == {f"{kind}_{m}" for kind in ("aa", "add") for m in ANCHORS[anchor]}
    for m in ANCHORS[anchor]:
        d = method.discriminators[m]
        own = [slow.kronecker(x.z[m], slow_softmax(x.logits[m])) for x in (source, target)]
        mean_s = sum(slow.sigmoid_bce(d(row), 0) for row in own[0])[0] / batch
        mean_t = sum(slow.sigmoid_bce(d(row), 1) for row in own[1])[0] / batch
        features = [v[m] for x in (source, target) for v in (x.z, x.logits)]  # predictions are not detached
        assert_adversarial(terms[f"aa_{m}"], 20 * (mean_t + mean_s), features, [*d.parameters()], PROGRESS**2)
        cost = 1 - target.z[m].T @ target.z[anchor] / batch
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost.detach().numpy())
        plain = 10 * sum(cost[i, j] for i, j in zip(rows, columns, strict=True)) / len(rows)
        torch.testing.assert_close(terms[f"add_{m}"], plain)
        z = [target.z[m], target.z[anchor]]
        for mine, theirs in zip(grads(terms[f"add_{m}"], z), grads(plain, z), strict=True):
            torch.testing.assert_close(mine, theirs)
        assert all(g.abs().max() == 0 for g in grads(terms[f"add_{m}"], [source.z[m], target.logits[m]]))


def test_a3d2_detached_leaves_the_predictions_alone_and_changes_no_value() -> None:
    values, at_logits, at_z = [], [], []
    for detach in (False, True):
        _, method, source, target = stage("a3d2", detach=detach)
        terms = method.loss(source, target, PROGRESS)
        for m in ANCHORS["A"]:
            values.append(terms[f"aa_{m}"].item())
            at_logits.append(grads(terms[f"aa_{m}"], [target.logits[m]])[0].abs().max().item())
            at_z.append(grads(terms[f"aa_{m}"], [target.z[m]])[0])
    assert values[:2] == values[2:]
    assert min(at_logits[:2]) > 0
    assert at_logits[2:] == [0, 0]
    assert all(map(torch.equal, at_z[:2], at_z[2:]))


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_a3d2_released(classes: int, batch: int, anchor: str) -> None:
    _, method, source, target = stage("a3d2-released", classes, batch, anchor=anchor)
    early = method.loss(source, target, 199 / 272)
    assert method.loss(source, target, 200 / 272).keys() - early.keys() == {
        f"ot_{kind}_{m}" for kind in "zp" for m in ANCHORS[anchor]
    }
    late = method.loss(source, target, 0.9)
    for m, share in (("A", 0.1), ("L", 0.1), ("V", 0.7)):
        d = method.discriminators[m]
        joint = [slow_softmax(x.logits["joint"]) for x in (source, target)]
        logits = [d(slow.kronecker(x.z[m], p)) for x, p in zip((source, target), joint, strict=True)]
        plain = 10 * share * slow.cross_entropy(torch.cat(logits), torch.arange(2).repeat_interleave(batch))
        features = [v for x in (source, target) for v in (x.z[m], x.logits["joint"])]
        assert_adversarial(late[f"aa_{m}"], plain, features, [*d.parameters()], 0.9**2)
    assert [type(layer) for layer in method.discriminators["V"]] == [nn.Linear, nn.LeakyReLU, nn.Linear]
    for m in ANCHORS[anchor]:
        for term, found in ((late[f"ot_z_{m}"], target.z), (late[f"ot_p_{m}"], target.logits)):
            of_drift, of_anchor = grads(term, [found[m], found[anchor]])
            assert of_drift.abs().max() > 0
            assert of_anchor.abs().max() == 0, "the anchor is detached"


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_a3d2_released_leaves_of_the_source_objective_what_the_released_code_has(classes: int, batch: int) -> None:
    from mmda_bench.functional.objective import information_bottleneck

    _, method, source, target = stage("a3d2-released", classes, batch)
    engine = information_bottleneck(source.logits, source.z, source.labels, beta=1e-3)
    total = engine + method.loss(source, target, 0.0)["source"]
    plain = slow.cross_entropy(source.logits["joint"], source.labels)
    plain = plain + 0.1 * sum(slow.cross_entropy(source.logits[m], source.labels) for m in "ALV")
    torch.testing.assert_close(total.double(), plain.double(), rtol=1e-5, atol=1e-6)
    logits, z = list(source.logits.values()), list(source.z.values())
    for mine, theirs in zip(grads(total, logits), grads(plain, logits), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-7)
    assert all(g.abs().max() < 1e-9 for g in grads(total, z))
