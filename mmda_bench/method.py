"""The contract of a method: all that an author needs to read.

A method adds loss terms to the objective that every row of the leaderboard shares, and nothing else::

    from mmda_bench import Method, register_method
    from mmda_bench.functional import domain_loss, grad_reverse, warmup
    from mmda_bench.modules import Discriminator

    @register_method("mine", title="Mine", paper="Me, 2026", groups=())
    class Mine(Method):
        def __init__(self, ctx, *, weight: float = 1.0):
            super().__init__(ctx)
            self.weight = weight
            self.discriminator = Discriminator(ctx.dims["joint"])

        def loss(self, source, target, progress):
            z = [grad_reverse(batch.z["joint"], warmup(progress)) for batch in (source, target)]
            return {"domain": self.weight * domain_loss(self.discriminator(z[0]), self.discriminator(z[1]))}

The engine adds the source objective L_IB, sums the terms, records each of them, and steps the optimiser. A method
touches no device, file, loader, seed or autocast. Target labels are kept from it: :class:`Target` has no such field
and nothing that a method is handed leads to them.

Shapes: B utterances per domain in a batch, C classes. Modalities are ``"A"`` (acoustic), ``"L"`` (lexical), ``"V"``
(visual) and, in every mapping, ``"joint"``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmda_bench.registry import Choice, LogUniform, Uniform

__all__ = ["Choice", "Context", "LogUniform", "Method", "Source", "Target", "Uniform"]


@dataclass(frozen=True)
class Source:
    """A batch of source utterances.

    ``z[m]``: (B, 256) l2-normalised representations, float32; ``z["joint"]``: (B, 768), their concatenation, norm √3.
    ``logits[m]``: (B, C). ``labels``: (B,) int64. ``ids``: (B,) int64, positions in the source training set.

    >>> labels, ids = torch.tensor([0, 3]), torch.tensor([7, 5])
    >>> batch = Source({"A": torch.zeros(2, 256)}, {"A": torch.zeros(2, 4)}, labels, ids)
    >>> batch.z["A"].shape, batch.labels.tolist()
    (torch.Size([2, 256]), [0, 3])
    """

    z: Mapping[str, Tensor]
    logits: Mapping[str, Tensor]
    labels: Tensor
    ids: Tensor


@dataclass(frozen=True)
class Target:
    """A batch of target utterances: as :class:`Source`, and no labels.

    ``ids``: (B,) int64, positions in the target training set. ``view2``: the same utterances under the engine's mild
    augmentation, when the method asks for it with ``target_views = 2``; otherwise None.

    >>> batch = Target({"A": torch.zeros(2, 256)}, {"A": torch.zeros(2, 4)}, ids=torch.tensor([7, 5]))
    >>> hasattr(batch, "labels")
    False
    """

    z: Mapping[str, Tensor]
    logits: Mapping[str, Tensor]
    ids: Tensor
    view2: "Target | None" = None


@dataclass(frozen=True)
class Context:
    """What a method may know about the cell it runs in.

    ``classes``: C. ``dims[m]``: width of ``z[m]``. ``modalities``: ("A", "L", "V"). ``anchor``: the modality that does
    not shift; ``drifts``: the others. ``source_size``, ``target_size``: utterances in the two training sets.
    ``components``: those of the method's ``components`` that this cell leaves on. ``classify(m, z)``: the shared head
    of modality ``m`` on any (N, dims[m]) representations, giving (N, C) logits. ``generator``: for random draws, on
    the device of the cell (``torch.rand(n, generator=g, device=g.device)``). ``logit_scale``: the fixed factor on z in
    front of the shared heads, for a head of the method's own that is to be shaped like them.

    >>> ctx = Context(
    ...     classes=4, dims={"A": 256, "L": 256, "V": 256, "joint": 768}, modalities=("A", "L", "V"), anchor="A",
    ...     drifts=("L", "V"), source_size=96, target_size=96, components=frozenset(),
    ...     classify=lambda m, z: torch.zeros(len(z), 4), generator=torch.Generator(),
    ... )
    >>> ctx.classify("A", torch.zeros(2, ctx.dims["A"])).shape
    torch.Size([2, 4])
    """

    classes: int
    dims: Mapping[str, int]
    modalities: tuple[str, ...]
    anchor: str
    drifts: tuple[str, ...]
    source_size: int
    target_size: int
    components: frozenset[str]
    classify: Callable[[str, Tensor], Tensor]
    generator: torch.Generator
    logit_scale: float = 1.0


class Method(nn.Module):
    """Base of every method. ``__init__`` builds extra modules only (discriminators, memory banks as buffers).

    Class attributes: ``search_space``, at most five ranges by hyper-parameter name; ``components``, named terms that a
    cell may switch off (``a3d2[-add]``), see ``ctx.components``; ``target_views``, how many views of each target batch
    the engine computes: 0 (``loss`` gets a target of no utterances, B = 0), 1 or 2 (``target.view2``). An instance may
    lower ``target_views`` in ``__init__``. ``logits_untouched``: declares that no term sends a gradient to the
    logits; ``mmda-bench check`` holds a method to it.

    Raises NotImplementedError for a method that defines no ``loss``.

    >>> class Closer(Method):
    ...     def loss(self, source, target, progress):
    ...         return {"gap": (source.z["A"].mean(0) - target.z["A"].mean(0)).square().sum()}
    >>> ids = torch.arange(2)
    >>> source, target = Source({"A": torch.ones(2, 3)}, {}, ids, ids), Target({"A": torch.zeros(2, 3)}, {}, ids)
    >>> Closer(ctx=None).loss(source, target, 0.5)
    {'gap': tensor(3.)}
    """

    search_space: ClassVar[Mapping[str, Any]] = {}
    components: ClassVar[tuple[str, ...]] = ()
    target_views: int = 1
    logits_untouched: bool = False

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.ctx = ctx

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        """Named scalar terms to add to the source objective. ``progress``: steps done / steps in all, in [0, 1)."""
        raise NotImplementedError(f"{type(self).__name__} must define loss(source, target, progress)")

    def on_start(self, target_pass: Callable[[], Iterable[Target]]) -> None:
        """Called once before training. ``target_pass()`` runs over the target training set in order: batches of what
        the untrained network makes of it, in eval mode and without gradients."""

    def after_step(self) -> None:
        """Called after each step of the optimiser."""

    def predict(self, logits: Mapping[str, Tensor]) -> Tensor:
        """Class probabilities (N, C) from the logits of all heads: the softmax of the joint head unless overridden."""
        return logits["joint"].float().softmax(dim=1)
