"""Each method's terms and gradients equal those of its formula, written out slowly and without reversal layers."""

import math
from typing import Any

import pytest
import slow_losses as slow
import torch
import torch.nn.functional as F
from adversarial import CASES, LAMBDA, PROGRESS, assert_adversarial, slow_softmax
from staging import grads, stage
from torch import Tensor

from mmda_bench.errors import UsageError
from mmda_bench.method import Method
from mmda_bench.registry import METHODS
from mmda_bench.testing.rehearsal import SCALE, Rehearsal


def test_dt_adds_nothing_and_asks_for_no_target() -> None:
    rehearsal = Rehearsal(METHODS.entry("dt"))
    source, target = rehearsal.batches()
    assert len(target.ids) == len(target.z["joint"]) == len(target.logits["A"]) == 0
    assert rehearsal.method.loss(source, target, 0.5) == {}
    assert not list(rehearsal.method.parameters())


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_dann(classes: int, batch: int) -> None:
    _, method, source, target = stage("dann", classes, batch, weight=0.7)
    d = method.discriminators["joint"]
    plain = 0.7 * slow.domain_loss(d(source.z["joint"]), d(target.z["joint"]))
    (term,) = method.loss(source, target, PROGRESS).values()
    assert_adversarial(term, plain, [source.z["joint"], target.z["joint"]], [*d.parameters()], LAMBDA)


@pytest.mark.parametrize("where", ["drifts", "all"])
@pytest.mark.parametrize("name", ["dann", "cdan", "mada"])
def test_align_on(name: str, where: str) -> None:
    """Every place is aligned by its own representation, its own prediction and its own discriminator."""
    _, method, source, target = stage(name, 3, 5, anchor="L", align_on=where)
    expected = {"drifts": ("A", "V"), "all": ("A", "L", "V", "joint")}[where]
    terms = method.loss(source, target, PROGRESS)
    assert set(terms) == {f"domain_{m}" for m in expected}
    for m in expected:
        d = method.discriminators[m]
        if name == "dann":
            plain = slow.domain_loss(d(source.z[m]), d(target.z[m]))
        elif name == "cdan":
            products = [slow.kronecker(x.z[m], slow_softmax(x.logits[m].detach())) for x in (source, target)]
            plain = slow.domain_loss(*map(d, products))
        else:
            plain = 0.3 * slow_mada(d, (source, target), m)
        assert_adversarial(terms[f"domain_{m}"], plain, [source.z[m], target.z[m]], [*d.parameters()], LAMBDA)
    with pytest.raises(UsageError, match="joint, drifts, all"):
        stage(name, align_on="anchor")


DEFAULTS = {  # published, from the official code, or ours: each method's docstring says which
    "dt": {},
    "dann": {"weight": 1.0, "align_on": "joint"},
    "cdan": {"weight": 1.0, "entropy": False, "random_dim": 0, "align_on": "joint"},
    "cdan+e": {"weight": 1.0, "entropy": True, "random_dim": 0, "align_on": "joint"},
    "mada": {"weight": 0.3, "align_on": "joint"},
    "daln": {"weight": 1.0},
    "pcl": {"weight": 0.05, "scale": 7.0, "base": "dann"},
    "fdd": {"divergence": "kl", "gamma1": 1.0, "gamma2": 1.0, "reversal": 0.1},
    "fdd-kl": {"divergence": "kl", "gamma1": 1.0, "gamma2": 0.0, "reversal": 0.1},
    "luhp": {"self_weight": 0.2, "triplet_weight": 1.0, "reuse_weight": 0.2, "margin": 0.3, "neighbours": 5},
    "dada": {"weight": 1.0, "rho": 0.01, "alternate": False},
    "a3d2": {"gamma1": 10.0, "gamma2": 20.0, "detach": False},
    "a3d2-released": {"gamma1": 1.0, "gamma2": 10.0, "start": 0.735, "beta": 1e-3},
    "amanda": {"weight": 1.0, "prior_weight": 0.08},
    "anchor-teaching": {"weight": 10.0},
    "bnm": {"weight": 1.0},
    "cdan+mcc": {"weight": 1.0, "temperature": 2.5, "adversarial": True},
    "cma": {"modal_weight": 1.0, "class_weight": 1.0, "temperature": 0.1, "threshold": 0.8},
    "cmd": {"weight": 1.0, "order": 5},
    "coral": {"weight": 10.0},
    "dan": {"weight": 1.0},
    "ddc": {"weight": 0.25},
    "deepjdot": {"plan": "exact", "feature_weight": 0.001, "label_weight": 0.0001},
    "fixmatch": {"weight": 1.0, "threshold": 0.9},
    "gmm-otda": {"weight": 1.0},
    "im": {"weight": 1.0},
    "infoot": {"weight": 1.0, "information": 100.0, "bandwidth": 0.5, "rounds": 50},
    "jan": {"weight": 1.0},
    "jdda": {"weight": 10.0, "pair_weight": 0.03, "far": 6.0},
    "jumbot": {
        "plan": "unbalanced",
        "feature_weight": 0.1,
        "label_weight": 0.1,
        "regularisation": 0.1,
        "marginal": 1.0,
    },
    "mcc": {"weight": 1.0, "temperature": 2.5, "adversarial": False},
    "mcd": {"weight": 1.0},
    "mdd": {"weight": 1.0, "margin": 4.0, "reversal": 0.1},
    "mixdann": {"weight": 1.0, "teach_weight": 1.0},
    "mmsada": {"reversal": 1.0, "sync_weight": 5.0},
    "mpot": {"plan": "partial", "feature_weight": 0.1, "label_weight": 0.1, "mass": 0.5},
    "toalign": {"weight": 1.0},
    "xmuda": {"source_weight": 1.0, "target_weight": 0.1},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_the_published_ones(name: str) -> None:
    parameters = METHODS.entry(name).parameters
    assert DEFAULTS[name].items() <= parameters.items()
    assert parameters.get("hidden", 256) == 256, "one width of discriminators for all"


def test_every_built_in_method_has_its_defaults_here() -> None:
    assert set(DEFAULTS) == {name for name in METHODS.names() if METHODS.entry(name).origin == "built-in"}


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_cdan(classes: int, batch: int) -> None:
    _, method, source, target = stage("cdan", classes, batch)
    d = method.discriminators["joint"]
    logits = [d(slow.kronecker(x.z["joint"], slow_softmax(x.logits["joint"].detach()))) for x in (source, target)]
    (term,) = method.loss(source, target, PROGRESS).values()
    features = [source.z["joint"], target.z["joint"]]
    assert_adversarial(term, slow.domain_loss(*logits), features, [*d.parameters()], LAMBDA)
    assert all(g.abs().max() == 0 for g in grads(term, [source.logits["joint"], target.logits["joint"]]))


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_cdan_with_entropy(classes: int, batch: int) -> None:
    _, method, source, target = stage("cdan+e", classes, batch)
    d = method.discriminators["joint"]
    probs = [slow_softmax(x.logits["joint"]) for x in (source, target)]
    logits = [d(slow.kronecker(x.z["joint"], p.detach())) for x, p in zip((source, target), probs, strict=True)]
    plain = slow.domain_loss(*logits, tuple(slow.entropy_weights(*probs)))
    (term,) = method.loss(source, target, PROGRESS).values()
    features = [v[m] for x in (source, target) for v, m in ((x.z, "joint"), (x.logits, "joint"))]
    assert_adversarial(term, plain, features, [*d.parameters()], LAMBDA)  # the entropy's gradient is reversed as well
    assert any(g.abs().max() > 0 for g in grads(term, [source.logits["joint"]]))


def test_cdan_takes_the_randomised_map_only_when_told() -> None:
    rehearsal = Rehearsal(METHODS.entry("cdan"), classes=20)
    assert not list(METHODS.get("cdan")(rehearsal.ctx).maps)
    method = METHODS.get("cdan")(rehearsal.ctx, random_dim=32)
    assert method.discriminators["joint"][0].in_features == 32
    assert method.loss(*rehearsal.batches(), 0.5)["domain_joint"].isfinite()


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_cdan_with_the_randomised_map(classes: int, batch: int) -> None:
    _, method, source, target = stage("cdan", classes, batch, random_dim=7)
    d, fixed = method.float().discriminators["joint"], method.maps["joint"]  # which mixes z with float32 predictions
    logits = []
    for x in (source, target):
        x.z["joint"] = x.z["joint"].detach().float().requires_grad_()
        probs = slow_softmax(x.logits["joint"].detach()).float()
        logits.append(d(x.z["joint"] @ fixed.z_map * (probs @ fixed.probs_map) / math.sqrt(7)))
    (term,) = method.loss(source, target, PROGRESS).values()
    features = [source.z["joint"], target.z["joint"]]
    assert_adversarial(term, slow.domain_loss(*logits), features, [*d.parameters()], LAMBDA)
    assert all(g.abs().max() == 0 for g in grads(term, [source.logits["joint"], target.logits["joint"]]))


def slow_mada(d: Any, domains: tuple[Any, Any], m: str) -> Tensor:
    """Σ_k of the domain loss of D_k on p_k z, class by class and layer by layer."""
    total = torch.zeros((), dtype=torch.float64)
    for k in range(len(d.weight1)):
        logits = []
        for x in domains:
            hidden = x.z[m] * slow_softmax(x.logits[m]).detach()[:, k : k + 1]
            for w, b in ((d.weight1, d.bias1), (d.weight2, d.bias2)):
                hidden = F.relu(hidden @ w[k].T + b[k])
            logits.append((hidden @ d.weight3[k].T + d.bias3[k])[:, 0])
        total = total + slow.domain_loss(*logits)
    return total


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_mada(classes: int, batch: int) -> None:
    _, method, source, target = stage("mada", classes, batch)
    d = method.discriminators["joint"]
    plain = 0.3 * slow_mada(d, (source, target), "joint")
    (term,) = method.loss(source, target, PROGRESS).values()
    features = [source.z["joint"], target.z["joint"]]
    assert_adversarial(term, plain, features, [*d.parameters()], LAMBDA)
    assert all(g.abs().max() == 0 for g in grads(term, [source.logits["joint"], target.logits["joint"]]))


@pytest.mark.parametrize(("classes", "batch"), [*CASES, (2, 9)])
def test_daln(classes: int, batch: int) -> None:
    rehearsal, method, source, target = stage("daln", classes, batch, weight=0.5)
    head = rehearsal.network.heads["joint"]
    probs = [slow_softmax(head(SCALE * x.z["joint"])) for x in (source, target)]
    plain = -0.5 * (slow.nuclear_norm(probs[0]) - slow.nuclear_norm(probs[1])) / batch
    (term,) = method.loss(source, target, PROGRESS).values()
    # The stand-in's head works in float32 as the network's does: compare what survives that.
    torch.testing.assert_close(term.double(), plain, rtol=1e-4, atol=1e-6)
    for x in (source, target):
        torch.testing.assert_close(
            grads(term, [x.z["joint"]])[0], -LAMBDA * grads(plain, [x.z["joint"]])[0], rtol=1e-3, atol=1e-5
        )
    for mine, theirs in zip(grads(term, [*head.parameters()]), grads(plain, [*head.parameters()]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_pcl(classes: int, batch: int) -> None:
    _, method, source, target = stage("pcl", classes, batch)
    view = target.view2
    assert view is not None
    terms = method.loss(source, target, PROGRESS)
    a, b = target.logits["joint"], view.logits["joint"]
    plain = 0.05 * slow.probabilistic_contrastive(slow_softmax(a).double(), slow_softmax(b).double())
    torch.testing.assert_close(terms["contrast"].double(), plain, rtol=1e-5, atol=1e-7)
    for mine, theirs in zip(grads(terms["contrast"], [a, b]), grads(plain, [a, b]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)
    d = method.discriminator
    domain = slow.domain_loss(d(source.z["joint"]), d(target.z["joint"]))
    assert_adversarial(terms["domain"], domain, [source.z["joint"], target.z["joint"]], [*d.parameters()], LAMBDA)


def test_pcl_without_a_base_is_the_contrast_alone() -> None:
    _, method, source, target = stage("pcl", base="none")
    assert set(method.loss(source, target, 0.5)) == {"contrast"}
    assert not list(method.parameters())
    with pytest.raises(UsageError, match="dann, none"):
        stage("pcl", base="gvb")


@pytest.mark.parametrize("divergence", ["kl", "klrev", "chi", "pearson", "jensen", "tv"])
@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_fdd(classes: int, batch: int, divergence: str) -> None:
    _, method, source, target = stage("fdd", classes, batch, divergence=divergence, gamma1=0.5, gamma2=2.0)
    directions = []
    for head, domains in zip(method.heads, [(source, target), (target, source)], strict=True):
        critic = []
        for x in domains:
            own = [int(row.argmax()) for row in x.logits["joint"]]
            critic.append(torch.stack([head(SCALE * z)[c] for z, c in zip(x.z["joint"], own, strict=True)]))
        directions.append(slow.f_divergence(divergence, *critic))
    plain = -0.5 * directions[0] - 2.0 * directions[1]
    (term,) = method.loss(source, target, PROGRESS).values()
    features, weights = [source.z["joint"], target.z["joint"]], [*method.heads.parameters()]
    assert_adversarial(term, plain, features, weights, 0.1 * LAMBDA)


@pytest.mark.parametrize("rho", [0.01, 0.4])
@pytest.mark.parametrize(("classes", "batch"), CASES)
def test_dada_by_the_objectives_of_its_two_players(classes: int, batch: int, rho: float) -> None:
    rehearsal, method, source, target = stage("dada", classes, batch, rho=rho)
    rehearsal.generator.manual_seed(5)
    terms = method.loss(source, target, PROGRESS)
    rehearsal.generator.manual_seed(5)
    pairs = torch.rand(batch, generator=rehearsal.generator).argsort()
    mu = math.sin(math.pi / 2 * torch.rand((), generator=rehearsal.generator).item()) ** 2
    z_s, z_t = source.z["joint"], target.z["joint"]
    rows = [[z_s[i] for i in range(batch)], [], [z_t[i] for i in range(batch)]]
    rows[1] = [(1 - mu) * z_s[i] + mu * z_t[int(pairs[i])] for i in range(batch)]
    s, m, t = (torch.stack([row / row.norm() for row in domain]) for domain in rows)
    unsure = sum(slow.cross_entropy(method.domain(z), torch.full((batch,), k)) for k, z in enumerate((s, m, t)))
    category = 2 * slow.cross_entropy(method.category(s), source.labels)
    probs_s, probs_m = slow_softmax(method.category(s)), slow_softmax(method.category(m))
    delta = 0.5 * (slow.nuclear_norm(probs_s) - slow.nuclear_norm(probs_m)) / batch
    discriminators = LAMBDA * ((1 - rho) * unsure + rho * (category - delta))
    encoder = LAMBDA * (rho * (category + delta) - (1 - rho) * unsure)
    total = terms["domain"] + terms["category"] + terms["discrepancy"]
    torch.testing.assert_close(total.double(), discriminators.double(), rtol=1e-4, atol=1e-6)
    for mine, theirs in zip(grads(total, [z_s, z_t]), grads(encoder, [z_s, z_t]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
    own = [*method.domain.parameters(), *method.category.parameters()]
    for mine, theirs in zip(grads(total, own), grads(discriminators, own), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)


def test_dada_alternating_trains_one_player_at_a_time() -> None:
    _, method, source, target = stage("dada", alternate=True)
    pattern = []
    for _ in range(8):
        total = sum(method.loss(source, target, 0.5).values())
        encoder = any(g.abs().max() > 0 for g in grads(total, [source.z["joint"], target.z["joint"]]))
        players = any(g.abs().max() > 0 for g in grads(total, [*method.parameters()]))
        assert encoder != players
        pattern.append("encoder" if encoder else "discriminators")
        method.after_step()
    assert pattern == 2 * [*3 * ["discriminators"], "encoder"]
    assert all(p.requires_grad for p in method.parameters())


def test_the_mixing_of_dada_follows_the_arcsine_law() -> None:
    _, method, _, _ = stage("dada")
    draws = torch.stack([method.arcsine() for _ in range(4000)])
    for quantile, value in ((0.25, 0.1464), (0.5, 0.5), (0.75, 0.8536)):  # of Beta(½, ½)
        assert draws.quantile(quantile).item() == pytest.approx(value, abs=0.04)


def test_every_method_is_short() -> None:
    """40 lines of code beside imports, the card and docstrings; LUHP and DADA may take 80."""
    import ast
    import inspect

    for name in METHODS.names():
        if METHODS.entry(name).origin != "built-in":
            continue
        cls: type[Method] = METHODS.get(name)
        (tree,) = ast.parse(inspect.getsource(cls)).body
        assert isinstance(tree, ast.ClassDef)
        skipped: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                skipped |= set(range(node.lineno, (node.end_lineno or 0) + 1))
        card = max((d.end_lineno or 0) for d in tree.decorator_list)
        lines = enumerate(inspect.getsource(cls).splitlines(), start=1)
        code = [text for number, text in lines if number > card and number not in skipped and text.strip()]
        assert len(code) <= (80 if name in ("luhp", "dada") else 40), (name, len(code))
