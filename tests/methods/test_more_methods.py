"""The methods beyond the paper's ten: their terms and gradients are those of their formulas."""

import itertools
from typing import Any

import pytest
import slow_losses
import slow_more_losses as slow
import torch
import torch.nn.functional as F
from families import MORE
from scipy.optimize import linear_sum_assignment
from staging import grads, stage
from torch import Tensor, nn

from mmda_bench.functional import PLANS, information_plan, joint_plan, transport_plan, warmup
from mmda_bench.registry import METHODS, UsageError
from mmda_bench.testing.rehearsal import SCALE, Rehearsal

CASES = [(2, 2), (3, 5), (6, 4)]  # (classes, batch)
PROGRESS = 0.3
LAMBDA = warmup(PROGRESS)


def softmaxes(batch: Any, m: str = "joint") -> Tensor:
    return torch.stack([torch.stack(slow_losses.softmax(row)) for row in batch.logits[m]])


def inputs(source: Any, target: Any) -> list[Tensor]:
    """Everything that a term may have a gradient to: representations and logits of both domains."""
    return [v[m] for batch in (source, target) for v in (batch.z, batch.logits) for m in ("A", "L", "V", "joint")]


def assert_term(term: Tensor, plain: Tensor, leaves: list[Tensor], *, reversed_by: float = -1.0) -> None:
    """Equal values; −``reversed_by`` times the plain gradient at the leaves (without reversal: the gradient itself)."""
    torch.testing.assert_close(term.double(), plain.double(), rtol=1e-4, atol=1e-6)  # predictions are in float32
    for mine, theirs in zip(grads(term, leaves), grads(plain, leaves), strict=True):
        torch.testing.assert_close(mine, -reversed_by * theirs, rtol=1e-3, atol=1e-6)


def assert_own(term: Tensor, plain: Tensor, module: nn.Module) -> None:
    """The plain gradient at a method's own parameters."""
    for mine, theirs in zip(*(grads(v, [*module.parameters()]) for v in (term, plain)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)


# --- What holds for all of them


@pytest.mark.parametrize("name", MORE)
def test_its_card_has_a_source_and_says_what_is_ours(name: str) -> None:
    entry = METHODS.entry(name)
    assert entry.facts["ours"]
    assert (entry.facts.get("doi") is None) == (name == "anchor-teaching")
    assert 1 <= len(entry.search_space) <= 5
    first, _, marks = entry.doc.partition("\n\n")
    assert any(sign in first for sign in "·⟨Σ"), "the first paragraph is the formula"
    assert any(word in marks for word in ("Published", "Official", "Ours", "Verified"))


# --- Modalities that teach each other


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_mmsada(classes: int, batch: int) -> None:
    _, method, source, target = stage("mmsada", classes, batch, reversal=0.5, sync_weight=2.0)
    terms = method.loss(source, target, PROGRESS)
    for m in "ALV":
        d = method.classifiers[m]
        plain = slow_losses.domain_loss(d(source.z[m]), d(target.z[m]))
        assert_term(terms[f"domain_{m}"], plain, inputs(source, target), reversed_by=0.5 * LAMBDA)
        assert_own(terms[f"domain_{m}"], plain, d)
    rows: list[list[Tensor]] = [[], []]
    for x in (source, target):
        for i in range(batch):
            rows[1].append(torch.cat([x.z[m][i] for m in "ALV"]))
            swapped = [x.z[m][i - 1 if k == i % 3 else i] for k, m in enumerate("ALV")]
            rows[0].append(torch.cat(swapped))
    sync = method.classifiers["sync"]
    plain = 2.0 * slow_losses.domain_loss(*(sync(torch.stack(side)) for side in rows))
    assert_term(terms["sync"], plain, inputs(source, target))
    assert_own(terms["sync"], plain, sync)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_amanda(classes: int, batch: int) -> None:
    _, method, source, target = stage("amanda", classes, batch, weight=0.7, prior_weight=0.3)
    terms = method.loss(source, target, PROGRESS)
    apart = [slow.covariance_distance(softmaxes(source, m), softmaxes(target, m)) for m in ("A", "L", "V", "joint")]
    assert_term(terms["covariance"], 0.7 * torch.sqrt(sum(c**2 for c in apart)), inputs(source, target))
    prior = [sum(1 for y in source.labels if y == k) / batch for k in range(classes)]
    plain = 0.3 * slow.prior_cross_entropy(target.logits["joint"], prior)
    assert_term(terms["prior"], plain, inputs(source, target))


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_xmuda(classes: int, batch: int) -> None:
    _, method, source, target = stage("xmuda", classes, batch, source_weight=0.5, target_weight=2.0)
    terms = method.loss(source, target, PROGRESS)
    for name, x, weight in (("source", source, 0.5), ("target", target, 2.0)):
        plain = weight * sum(
            slow.divergence(x.logits[teacher].detach(), method.heads[m](SCALE * x.z[m]))
            for m, teacher in itertools.permutations("ALV", 2)
        )
        assert_term(terms[name], plain, inputs(source, target))
        assert_own(terms[name], plain, method.heads)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_cma(classes: int, batch: int) -> None:
    options = {"modal_weight": 0.5, "class_weight": 2.0, "temperature": 0.4, "threshold": 0.45}
    _, method, source, target = stage("cma", classes, batch, **options)
    terms = method.loss(source, target, PROGRESS)
    pairs = itertools.product((source, target), itertools.combinations("ALV", 2))
    plain = 0.5 * sum(slow.instance_contrast(x.z[m], x.z[n], 0.4) for x, (m, n) in pairs)
    assert_term(terms["modal"], plain, inputs(source, target))
    probs = [row.tolist() for row in softmaxes(target).detach()]
    label, sure = [p.index(max(p)) for p in probs], [max(p) >= 0.45 for p in probs]
    plain = 2.0 * sum(
        slow.class_contrast(target.z[m], label, source.z[m], source.labels.tolist(), sure, 0.4) for m in "ALV"
    )
    assert_term(terms["class"], plain, inputs(source, target))


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_mixdann(classes: int, batch: int) -> None:
    rehearsal, method, source, target = stage("mixdann", classes, batch, weight=0.5, teach_weight=2.0)
    rehearsal.generator.manual_seed(3)
    terms = method.loss(source, target, PROGRESS)
    rehearsal.generator.manual_seed(3)
    shares = torch.rand(batch, 1, generator=rehearsal.generator)[:, 0].tolist()
    for m in "ALV":
        d, plain = method.discriminators[m], 0.0
        for i, mu in enumerate(shares):
            logit = d(mu * source.z[m][i] + (1 - mu) * target.z[m][i])[0]
            plain = plain + mu * slow_losses.sigmoid_bce(logit, 0) + (1 - mu) * slow_losses.sigmoid_bce(logit, 1)
        assert_term(terms[f"domain_{m}"], 0.5 * plain / batch, inputs(source, target), reversed_by=LAMBDA)
    entropies = {m: sum(slow_losses.entropy(softmaxes(target, m))).item() for m in "ALV"}
    teacher = min(entropies, key=entropies.__getitem__)
    logits = {m: target.logits[m] for m in "ALV"}
    plain = 2.0 * sum(slow.divergence(logits[teacher].detach(), logits[m]) for m in "ALV" if m != teacher)
    assert_term(terms["teach"], plain, inputs(source, target))


@pytest.mark.parametrize(("anchor", "drifts"), [("A", "LV"), ("L", "AV"), ("V", "AL")])
def test_anchor_teaching(anchor: str, drifts: str) -> None:
    _, method, source, target = stage("anchor-teaching", 4, 5, anchor=anchor)
    teacher = softmaxes(target, anchor).detach()
    apart = [sum(1 - sum(p * q) for p, q in zip(softmaxes(target, m), teacher, strict=True)) / 5 for m in drifts]
    (term,) = method.loss(source, target, PROGRESS).values()
    assert_term(term, 10 * sum(apart) / 2, inputs(source, target))


# --- Predictions on the target


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_terms_of_target_predictions(classes: int, batch: int) -> None:
    def term(name: str, **options: Any) -> tuple[Tensor, Tensor, list[Tensor]]:
        _, method, source, target = stage(name, classes, batch, **options)
        (value,) = method.loss(source, target, PROGRESS).values()
        return value, target.logits["joint"], inputs(source, target)

    value, y, leaves = term("mcc", weight=0.5, temperature=1.5)
    assert_term(value, 0.5 * slow.class_confusion(y, 1.5), leaves)
    value, y, leaves = term("im", weight=0.5)
    assert_term(value, 0.5 * slow.information_loss(y), leaves)
    value, y, leaves = term("bnm", weight=0.5)
    assert_term(value, -0.5 * slow_losses.nuclear_norm(y.softmax(1)) / batch, leaves)


def test_cdan_with_mcc_is_both() -> None:
    _, method, source, target = stage("cdan+mcc", 3, 5)
    terms = method.loss(source, target, PROGRESS)
    assert_term(terms["confusion"], slow.class_confusion(target.logits["joint"], 2.5), inputs(source, target))
    products = [slow_losses.kronecker(x.z["joint"], softmaxes(x).detach()) for x in (source, target)]
    plain = slow_losses.domain_loss(*map(method.discriminator, products))
    assert_term(terms["domain"], plain, inputs(source, target), reversed_by=LAMBDA)


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_fixmatch(threshold: float) -> None:
    _, method, source, target = stage("fixmatch", 3, 6, weight=2.0, threshold=threshold)
    views = 3 * target.logits["joint"].detach(), target.view2.logits["joint"]
    target.logits["joint"] = views[0].requires_grad_()
    (term,) = method.loss(source, target, PROGRESS).values()
    plain = PROGRESS * 2.0 * slow.confident_cross_entropy(*views, threshold)
    assert plain.item() > 0, "some utterances are sure"
    assert_term(term, plain, [views[1], *inputs(source, target)])


# --- Adversaries


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_mdd(classes: int, batch: int) -> None:
    _, method, source, target = stage("mdd", classes, batch, weight=0.5, margin=3.0, reversal=0.2)
    (term,) = method.loss(source, target, PROGRESS).values()
    pairs = [(method.head(SCALE * x.z["joint"]), x.logits["joint"].argmax(1)) for x in (source, target)]
    plain = 0.5 * slow.margin_disparity(*pairs[0], *pairs[1], 3.0)
    assert_term(term, plain, inputs(source, target), reversed_by=0.2 * LAMBDA)
    assert_own(term, plain, method.head)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_mcd(classes: int, batch: int) -> None:
    rehearsal, method, source, target = stage("mcd", classes, batch, weight=0.5)
    terms = method.loss(source, target, PROGRESS)
    plain = slow_losses.cross_entropy(method.head(SCALE * source.z["joint"]), source.labels)
    assert_term(terms["second_head"], plain, inputs(source, target))
    main, z = rehearsal.network.heads["joint"], SCALE * target.z["joint"]
    probs = [torch.stack([torch.stack(slow_losses.softmax(row)) for row in head(z)]) for head in (main, method.head)]
    plain = -0.5 * slow.classifier_discrepancy(*probs)
    assert_term(terms["discrepancy"], plain, inputs(source, target), reversed_by=LAMBDA)
    for head in (main, method.head):
        assert_own(terms["discrepancy"], plain, head)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_toalign(classes: int, batch: int) -> None:
    rehearsal, method, source, target = stage("toalign", classes, batch, weight=0.5)
    (term,) = method.loss(source, target, PROGRESS).values()
    weights, positive = rehearsal.network.heads["joint"].weight.detach(), []
    for z, label in zip(source.z["joint"], source.labels, strict=True):
        chosen = z * weights[label]
        positive.append(chosen * torch.sqrt(sum(z**2) / sum(chosen**2)))
    plain = 0.5 * slow_losses.domain_loss(
        method.discriminator(torch.stack(positive)), method.discriminator(target.z["joint"])
    )
    assert_term(term, plain, inputs(source, target), reversed_by=LAMBDA)
    assert_own(term, plain, method.discriminator)
    assert not any(g.abs().max() for g in grads(term, [*rehearsal.network.heads.parameters()]))


# --- Moments and transport


def covariances_apart(x: Tensor, y: Tensor) -> Tensor:
    return (torch.cov(x.T) - torch.cov(y.T)).square().sum()


@pytest.mark.slow
def test_moments() -> None:
    plain = {
        "dan": slow.multi_kernel_mmd,
        "coral": covariances_apart,
        "cmd": lambda s, t: slow.central_moment_discrepancy(s, t, 5, 2.0),
        "ddc": lambda s, t: slow.squared_distance(sum(s) / len(s), sum(t) / len(t)),
    }
    for name, oracle in plain.items():
        _, method, source, target = stage(name, 3, 5, weight=0.5)
        (term,) = method.loss(source, target, PROGRESS).values()
        assert_term(term, 0.5 * oracle(source.z["joint"], target.z["joint"]), inputs(source, target))


def test_jan() -> None:
    _, method, source, target = stage("jan", 3, 4, weight=0.5)
    (term,) = method.loss(source, target, PROGRESS).values()
    plain = slow.joint_mmd(source.z["joint"], target.z["joint"], softmaxes(source), softmaxes(target))
    assert_term(term, 0.5 * plain, inputs(source, target))


def test_jdda() -> None:
    _, method, source, target = stage("jdda", 3, 5, weight=0.5, pair_weight=0.2, far=4.0)
    terms = method.loss(source, target, PROGRESS)
    z = source.z["joint"], target.z["joint"]
    assert_term(terms["covariance"], 0.5 * covariances_apart(*z), inputs(source, target))
    assert_term(terms["pairs"], 0.2 * slow.pair_margins(z[0], source.labels, 0.0, 4.0), inputs(source, target))


@pytest.mark.parametrize("name", ["deepjdot", "jumbot", "mpot"])
def test_joint_transport(name: str) -> None:
    _, method, source, target = stage(name, 3, 5)
    eta = {"deepjdot": (0.001, 0.0001)}.get(name, (0.1, 0.1))
    cost = slow.joint_cost(source.z["joint"], target.z["joint"], source.labels, target.logits["joint"], *eta)
    kind = {"deepjdot": "exact", "jumbot": "unbalanced", "mpot": "partial"}[name]
    fixed = joint_plan(cost, kind, regularisation=0.1, marginal=1.0, mass=0.5)
    if name == "deepjdot":
        rows, columns = linear_sum_assignment(cost.detach().numpy())
        fixed = torch.zeros(5, 5, dtype=torch.float64)
        fixed[rows, columns] = 0.2
    (term,) = method.loss(source, target, PROGRESS).values()
    assert_term(term, (cost * fixed).sum(), inputs(source, target))


def test_a_plan_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match=", ".join(PLANS)):
        stage("deepjdot", plan="best")


def test_infoot() -> None:
    _, method, source, target = stage("infoot", 3, 6, weight=0.5, information=20.0)
    source.z["joint"] = source.z["joint"].detach().float().requires_grad_()  # as the engine hands it over
    target.z["joint"] = target.z["joint"].detach().float().requires_grad_()
    z = source.z["joint"], target.z["joint"]
    (term,) = method.loss(source, target, PROGRESS).values()
    fixed = information_plan(*z, source.labels, information=20.0)
    plain = 0.5 * sum(
        fixed[i, j] * torch.sqrt(slow.squared_distance(z[0][i], z[1][j])) for i in range(6) for j in range(6)
    )
    assert_term(term, plain, [*z])


def test_gmm_otda() -> None:
    _, method, source, target = stage("gmm-otda", 2, 6, weight=0.5)
    (term,) = method.loss(source, target, PROGRESS).values()
    mixtures = [
        slow.gaussians(source.z["joint"], F.one_hot(source.labels, 2).double()),
        slow.gaussians(target.z["joint"], softmaxes(target)),
    ]
    cells = [slow.squared_distance([*m, *d], [*u, *e]) for (_, m, d), (_, u, e) in itertools.product(*mixtures)]
    cost = torch.stack(cells).view(2, 2)
    weights = [torch.tensor([w for w, _, _ in side], dtype=torch.float64) for side in mixtures]
    plain = 0.5 * (cost * transport_plan(cost, *weights)).sum()
    torch.testing.assert_close(term.double(), plain.double(), rtol=1e-3, atol=1e-4)  # deviations of at least 1e-3
    leaves = [source.z["joint"], target.z["joint"]]
    for mine, theirs in zip(grads(term, leaves), grads(plain, leaves), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", MORE)
def test_terms_are_named_and_start_finite(name: str) -> None:
    """One step of training at the very beginning moves the network: no term is a constant."""
    rehearsal = Rehearsal(METHODS.entry(name))
    before = [p.detach().clone() for p in rehearsal.network.parameters()]
    assert rehearsal.step(progress=0.01)
    assert any(not torch.equal(a, b) for a, b in zip(before, rehearsal.network.parameters(), strict=True))
