"""A method on a stage of its own: random utterances and a stand-in for the network, for checks and tests in seconds."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.dataset import MODALITIES
from mmda_bench.errors import ContractError
from mmda_bench.method import Context, Method, Source, Target
from mmda_bench.registry import METHODS, Entry
from mmda_bench.training.adam import FusedAdam

SIZE, WIDTH, INPUTS = 24, 16, 6  # utterances per domain, width of Z_m, width of a raw input
SCALE = 4.0  # the factor on z in front of the heads


class SealedTarget(Target):
    """A target batch that notes every attribute asked of it that it does not have.

    >>> hasattr(SealedTarget({}, {}, torch.arange(2)), "labels"), SealedTarget.asked.pop()
    (False, 'labels')
    """

    asked: ClassVar[list[str]] = []  # shared on purpose: one note per check

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            SealedTarget.asked.append(name)
        raise AttributeError(f"a target batch has no {name!r}; it carries z, logits, ids and view2, and never labels")


class StandIn(nn.Module):
    """A linear encoder, l2 norm and linear head per modality, in place of the network.

    ``forward``: inputs (N, 6) by modality → z (N, width), joint (N, 3·width), and logits (N, classes), by modality.

    >>> z, logits = StandIn(classes=3)({m: torch.zeros(5, INPUTS) for m in MODALITIES})
    >>> z["joint"].shape, logits["A"].shape
    (torch.Size([5, 48]), torch.Size([5, 3]))
    """

    def __init__(self, classes: int, width: int = WIDTH, scale: float = SCALE) -> None:
        super().__init__()
        self.scale = scale
        self.encoders = nn.ModuleDict({m: nn.Linear(INPUTS, width) for m in MODALITIES})
        self.heads = nn.ModuleDict({m: nn.Linear(inputs, classes) for m, inputs in widths(width).items()})

    def classify(self, modality: str, z: Tensor) -> Tensor:
        return self.heads[modality](self.scale * z).float()

    def forward(self, x: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        z = {m: F.normalize(self.encoders[m](x[m]).float(), dim=1) for m in MODALITIES}
        z["joint"] = torch.cat([z[m] for m in MODALITIES], 1)
        return z, {m: self.classify(m, value) for m, value in z.items()}


def widths(width: int = WIDTH) -> dict[str, int]:
    """The width of every representation, of one modality ``width``.

    >>> widths(16)
    {'A': 16, 'L': 16, 'V': 16, 'joint': 48}
    """
    return {**dict.fromkeys(MODALITIES, width), "joint": width * len(MODALITIES)}


class Rehearsal:
    """A method, a stand-in network and random utterances of both domains, from one seed.

    ``shape``: applied to all logits (to make them uniform, confident, …). ``same``: all utterances of a domain equal.
    ``size``: utterances per domain. ``width``: of Z_m. ``scale``: the factor on z in front of the heads.

    >>> Rehearsal(METHODS.entry("dann")).step().keys()
    dict_keys(['domain_joint'])
    """

    def __init__(
        self,
        entry: Entry,
        *,
        classes: int = 3,
        batch: int = 8,
        size: int = SIZE,
        width: int = WIDTH,
        scale: float = SCALE,
        anchor: str = "A",
        off: Iterable[str] = (),
        shape: Callable[[Tensor], Tensor] = lambda logits: logits,
        same: bool = False,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        self.batch, self.size, self.shape, self.device, self.dtype = batch, size, shape, torch.device(device), dtype
        self.network = StandIn(classes, width, scale).to(device)
        draw = torch.randn(3, len(MODALITIES), 1 if same else size, INPUTS).expand(-1, -1, size, -1).to(device)
        draw = torch.stack([draw[0], draw[1], draw[1] + (0.0 if same else 0.1) * draw[2]])  # the last: the second view
        self.inputs = [dict(zip(MODALITIES, domain, strict=True)) for domain in draw]
        self.labels, self.target_labels = torch.randint(classes, (2, size), device=device)
        self.generator = torch.Generator(device).manual_seed(seed)
        cls: type[Method] = METHODS.get(entry.name)
        self.ctx = Context(
            classes=classes,
            dims=widths(width),
            modalities=MODALITIES,
            anchor=anchor,
            drifts=tuple(m for m in MODALITIES if m != anchor),
            source_size=size,
            target_size=size,
            components=frozenset(cls.components) - frozenset(off),
            classify=self.network.classify,
            generator=self.generator,
            logit_scale=scale,
        )
        self.method = cls(self.ctx, **entry.parameters).to(device)
        self.optimiser = FusedAdam([[*self.network.parameters(), *self.method.parameters()]])
        with torch.no_grad():
            self.method.on_start(
                lambda: (self.target(ids) for ids in torch.arange(size, device=self.device).split(batch))
            )

    def outputs(self, which: int, ids: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """z and logits of source (0), target (1) or the target's second view (2)."""
        z, logits = self.network({m: value[ids] for m, value in self.inputs[which].items()})
        logits = {m: self.shape(value) for m, value in logits.items()}
        if self.dtype is not None:  # what a network under autocast may hand over
            z, logits = ({m: v.to(self.dtype) for m, v in mapping.items()} for mapping in (z, logits))
        return z, logits

    def source(self, ids: Tensor) -> Source:
        return Source(*self.outputs(0, ids), labels=self.labels[ids], ids=ids)

    def target(self, ids: Tensor) -> Target:
        second = SealedTarget(*self.outputs(2, ids), ids=ids) if self.method.target_views == 2 else None
        return SealedTarget(*self.outputs(1, ids), ids=ids, view2=second)

    def batches(self, step: int = 0) -> tuple[Source, Target]:
        """A batch of each domain. A method without target views gets a target of none."""
        ids = (torch.arange(self.batch, device=self.device) + step * self.batch) % self.size
        return self.source(ids), self.target(ids if self.method.target_views else ids[:0])

    def terms(self, source: Source, target: Target, progress: float = 0.5) -> dict[str, Tensor]:
        """The method's terms, checked to be finite scalars by name."""
        with torch.autocast(self.device.type, dtype=self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            terms = self.method.loss(source, target, progress)
        if not isinstance(terms, dict):
            raise ContractError(
                f"loss returned {type(terms).__name__}; expected a dict of named terms, such as {{'domain': d}}"
            )
        for name, term in terms.items():
            if not isinstance(name, str):
                raise ContractError(f"a term is named {name!r}; expected a string")
            if not isinstance(term, Tensor) or term.ndim or not term.is_floating_point():
                found = f"shape {tuple(term.shape)}, {term.dtype}" if isinstance(term, Tensor) else type(term).__name__
                raise ContractError(f"term {name!r} is of {found}; expected a scalar tensor: take a mean or a sum")
            if not term.isfinite():
                raise ContractError(
                    f"term {name!r} is {term.item()} at progress {progress:g}; expected a finite number"
                )
        return terms

    def step(self, step: int = 0, progress: float = 0.5) -> dict[str, float]:
        """One step of training as the engine takes it; the gradients are checked to be finite."""
        source, target = self.batches(step)
        terms = self.terms(source, target, progress)
        self.optimiser.zero_grad()
        torch.stack([F.cross_entropy(source.logits["joint"].float(), source.labels), *terms.values()]).sum().backward()
        modules = {"the network": self.network, "the method": self.method}
        for owner, (name, p) in ((owner, item) for owner, mod in modules.items() for item in mod.named_parameters()):
            if p.grad is not None and not p.grad.isfinite().all():
                raise ContractError(
                    f"the gradient of {name} of {owner} is not finite; guard divisions, roots and logarithms"
                )
        self.optimiser.step([1e-3])
        self.method.after_step()
        return {name: term.item() for name, term in terms.items()}
