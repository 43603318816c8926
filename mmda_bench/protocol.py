"""Every choice that makes two scores comparable: the protocol, the cell, its key and its signature."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mmda_bench.dataset import MODALITIES
from mmda_bench.version import __version__

SHIFTS = ("paper", "released", "released-8bit")
HEADS = ("plain", "bn")
UNSHIFTED = "none"  # the shift of a natural pair: what its two corpora have, and nothing else
PAIR = "--"  # between the two corpora of a natural pair; no name of a dataset has it
NATURAL = "none"  # the anchor of a natural pair: everything drifts
ANCHORS = (*MODALITIES, NATURAL)
CORRUPT = "corrupt:"  # begins the name of a shift that is one corruption of one modality: corrupt:NAME@SEVERITY
SPLITS = ("train", "validation", "test")
DOMAINS = ("source", "target")
TRIAL_PARTS = (("source", "validation"), ("target", "train"), ("target", "validation"))  # what a choice may look at
# Every key has these. A field that came later is left out of a key while it has its default, so that keys and hashes
# from before it stay as they are: this tuple never grows.
FIRST_FIELDS = ("backbone", "shift", "severity", "epochs", "batch", "beta", "split")
LAST, TRIAL = "last", "trial"  # values of ``select``: the settings as typed; one of the settings that are tried
TUNING_SEED = 1000  # of the trials of study 0, the next of those of study 1; none of them is reported on
TRIALS = 16  # of every method, where its settings are searched
PUBLISHED_RATES = (1.0, 1.0)
SYNTHETIC = "+synthetic"  # ends the version of a synthetic corpus whose name does not say it: an export, a folder
SUPERVISED = "target-supervised"  # the upper bound: trained on target labels, therefore a reference and no method

REFERENCES = ("anchor-head", "detected-anchor", "mean-of-heads")  # rows that the cells of DT give without training


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The paper's protocol; what ``run`` may change are backbone, shift, severity and epochs.

    ``batch``: utterances per domain in a step [paper: 48]. ``beta``: weight of log|Σ| in L_IB [paper: 1e-3].
    ``epochs``: 4 at full learning rate, the others at falling factors [released code: 4+4]. ``shift``: "paper" takes
    the card's numbers as variances, "released" as standard deviations, "released-8bit" also rounds darkened pictures
    to whole brightness values, as the released code does; ``corrupt:NAME@S`` is a corruption at severity
    S (:mod:`mmda_bench.shifts.corruptions`), where ``severity`` stays 1. The model of the last epoch is scored.
    ``backbone``: "" only until a run settles it: the corpus's own. ``weights``: digest of the pretrained
    weights in use, "" for a backbone that brings its own. ``heads``: "plain" linear ones, or "bn", those of A3D2's
    released code (:class:`~mmda_bench.backbone.network.MultimodalNetwork`), with its weight decay. ``select``: who
    chose the settings: "last" for nobody, a validator for the best of so many ``trials`` of a ``study``, "trial" for
    one of those.

    ``missing``: modalities that target utterances lack, such as "AL". ``missing_in``: "test", the target test set
    alone, or "target", all of the target. ``missing_rate``: how likely each of them is lacking, drawn by utterance.
    ``told_anchor``: what the methods take for the anchor in place of the true one, "none" where they have to find it.

    >>> protocol = Protocol(backbone="tiny", epochs=4)
    >>> [round(protocol.learning_rate_factor(epoch), 3) for epoch in range(4)]
    [1.0, 1.0, 0.6, 0.2]
    """

    backbone: str = ""
    shift: str = "paper"
    severity: float = 1.0
    epochs: int = 8
    batch: int = 48
    beta: float = 1e-3
    split: int = 0
    weights: str = ""
    heads: str = HEADS[0]
    select: str = LAST
    trials: int = 0
    study: int = 0
    missing: str = ""
    missing_in: str = "test"
    missing_rate: float = 1.0
    told_anchor: str = ""

    def learning_rate_factor(self, epoch: int) -> float:
        """Factor on both learning rates in ``epoch`` (from 0): the released code's 1 1 1 1 .8 .6 .4 .2, stretched."""
        half = (self.epochs + 1) // 2
        return 1.0 if epoch < half else 1.0 - 0.8 * (epoch - half + 1) / (self.epochs - half)

    @property
    def late_epochs(self) -> range:
        """The last quarter of the epochs (from 0), of several at least two: there it is seen whether a run oscillates.

        >>> list(Protocol(backbone="tiny", epochs=8).late_epochs), list(Protocol(backbone="tiny", epochs=1).late_epochs)
        ([6, 7], [0])
        """
        return range(max(0, self.epochs - max(2, -(-self.epochs // 4))), self.epochs)

    @property
    def untuned(self) -> "Protocol":
        """The same without a search of settings."""
        return replace(self, select=LAST, trials=0, study=0)

    def signature(self, dataset: str, version: str, seeds: Sequence[int] | None = None) -> str:
        """One line to print under a table or to paste into a paper.

        >>> Protocol(backbone="tiny").signature("mintrec", "v1-0a1b2c3d+synthetic")
        'mmda-bench:0.1|mintrec:v1-0a1b2c3d|split:0|synthetic|shift:paper|backbone:tiny|epochs:8|select:last|metric:weighted-f1'
        """
        strength = "" if self.severity == 1 else f"*{_exactly(self.severity)}"
        fields = [
            f"mmda-bench:{'.'.join(__version__.split('.')[:2])}",
            f"{dataset}:{version.removesuffix(SYNTHETIC)}",
            f"split:{self.split}",
            *(["synthetic"] if version.endswith(SYNTHETIC) else []),
            f"shift:{self.shift}{strength}",
            *self._conditions(),
            f"backbone:{self.backbone}{'#' if self.weights else ''}{self.weights}",
            *([f"heads:{self.heads}"] if self.heads != HEADS[0] else []),
            f"epochs:{self.epochs}",
            *(f"{name}:{_exactly(value)}" for name, value in self._unusual_training()),
            f"select:{self.select}",
        ]
        fields += [f"{name}:{value}" for name in ("trials", "study") if (value := getattr(self, name))]
        if seeds is not None:
            fields.append(f"seeds:{format_seeds(seeds)}")
        return "|".join([*fields, "metric:weighted-f1"])

    def _unusual_training(self) -> list[tuple[str, float]]:
        """The size of a batch and the weight of log|Σ|, where they are not the paper's."""
        chosen = (("batch", self.batch, Protocol.batch), ("beta", self.beta, Protocol.beta))
        return [(name, value) for name, value, usual in chosen if value != usual]

    def _conditions(self) -> list[str]:
        """What else is made hard, in the words of a signature; nothing of what has its default."""
        rate = "" if self.missing_rate == 1 else f"*{_exactly(self.missing_rate)}"
        missing = [f"missing:{self.missing}@{self.missing_in}{rate}"] if self.missing else []
        return missing + ([f"told:{self.told_anchor}"] if self.told_anchor else [])


def without_seeds(signature: str) -> str:
    """The signature of a table as that of its cells.

    >>> without_seeds("mmda-bench:0.1|avatars:v4|seeds:0-2|metric:weighted-f1")
    'mmda-bench:0.1|avatars:v4|metric:weighted-f1'
    """
    return re.sub(r"\|seeds:[^|]*", "", signature)


def _exactly(number: float) -> str:
    """In few digits, and in as many as tell it from every other number."""
    return short if float(short := f"{number:g}") == number else repr(number)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The unit that runs, is stored, and is never run twice: names and numbers only.

    ``params``: the hyper-parameters, resolved, as :meth:`Entry.settings` of the registry has them. ``off``: components
    switched off. ``version``: of the corpus. ``rates``: factors on the backbone's learning rates, of new modules and of
    the trained pretrained layers.

    >>> protocol = Protocol(backbone="tiny")
    >>> cell = Cell(method="dt", dataset="avatars", version="v4", anchor="V", seed=0, protocol=protocol)
    >>> cell.drifts, len(cell.hash)
    (('A', 'L'), 10)
    """

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    dataset: str
    version: str
    anchor: str
    seed: int
    protocol: Protocol
    rates: tuple[float, float] = PUBLISHED_RATES

    @property
    def drifts(self) -> tuple[str, ...]:
        return tuple(m for m in MODALITIES if m != self.anchor)

    @property
    def assumed_anchor(self) -> str | None:
        """What the method is told to be the anchor, rightly or wrongly; None where it has to be found."""
        assumed = self.protocol.told_anchor or self.anchor
        return assumed if assumed in MODALITIES else None

    @property
    def signature(self) -> str:
        return self.protocol.signature(self.dataset, self.version)

    @property
    def names(self) -> dict[str, str]:
        """What it needs of the registries, by kind. The reference on target labels is trained as DT is."""
        method = "dt" if self.method == SUPERVISED else self.method
        names = {"methods": method, **corpus_names(self.dataset), "backbones": self.protocol.backbone}
        return names | corruption_names(self.protocol.shift)

    def key(self) -> dict[str, Any]:
        """Everything that determines the scores, as JSON values. No paths, devices or worker counts."""
        protocol = {
            one.name: value
            for one in fields(self.protocol)
            if (value := getattr(self.protocol, one.name)) != one.default or one.name in FIRST_FIELDS
        }
        key = {
            "method": self.method,
            "params": dict(self.params),
            "off": sorted(self.off),
            "dataset": self.dataset,
            "version": self.version,
            "anchor": self.anchor,
            "seed": self.seed,
            "protocol": protocol,
        }
        return key if self.rates == PUBLISHED_RATES else {**key, "rates": list(self.rates)}

    @property
    def hash(self) -> str:
        """Ten hexadecimal digits of the canonical key."""
        return key_hash(canonical_json(self.key()))

    @classmethod
    def from_key(cls, key: Mapping[str, Any]) -> "Cell":
        rates = tuple(key.get("rates", PUBLISHED_RATES))
        return cls(**{**key, "off": tuple(key["off"]), "protocol": Protocol(**key["protocol"]), "rates": rates})


def said_synthetic(title: str, synthetic: bool) -> str:
    """The title of a corpus, which says where it is synthetic.

    >>> said_synthetic("MIntRec", True), said_synthetic("Avatars (synthetic)", True), said_synthetic("MIntRec", False)
    ('MIntRec (synthetic)', 'Avatars (synthetic)', 'MIntRec')
    """
    return f"{title} (synthetic)" if synthetic and "synthetic" not in title.lower() else title


def corpus_names(dataset: str) -> dict[str, str]:
    """The registered datasets behind a corpus, as :attr:`Cell.names` has them.

    >>> corpus_names("mintrec"), corpus_names("mintrec--mintrec2[friends]")
    ({'datasets': 'mintrec'}, {'datasets': 'mintrec', 'datasets:target': 'mintrec2'})
    """
    parts = dataset.split(PAIR)
    return {kind: part.partition("[")[0] for kind, part in zip(("datasets", "datasets:target"), parts, strict=False)}


def corruption_names(shift: str) -> dict[str, str]:
    """The corruptions of a shift, as :attr:`Cell.names` has them.

    >>> corruption_names("corrupt:hum#01234567@2+dark@1"), corruption_names("paper")
    ({'corruptions:0': 'hum', 'corruptions:1': 'dark'}, {})
    """
    parts = shift.removeprefix(CORRUPT).split("+") if shift.startswith(CORRUPT) else []
    return {f"corruptions:{i}": re.split("[#@]", part)[0].strip() for i, part in enumerate(parts)}


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. Raises ValueError for NaN.

    >>> canonical_json({"b": 1, "a": [0.5]})
    '{"a":[0.5],"b":1}'
    """
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def key_hash(canonical: str) -> str:
    """The first ten hexadecimal digits of SHA-256 of a key as :func:`canonical_json` writes it.

    >>> key_hash("{}")
    '44136fa355'
    """
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def format_seeds(seeds: Sequence[int]) -> str:
    """'0-2' for a run of seeds, '0,5' otherwise.

    >>> format_seeds([0, 1, 2]), format_seeds([5, 0])
    ('0-2', '0,5')
    """
    ordered = sorted(set(seeds))
    if len(ordered) > 1 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]}-{ordered[-1]}"
    return ",".join(map(str, ordered))


def name_hash(*names: object) -> int:
    """A 63-bit integer from names: the source of every seed, so that call order changes nobody's numbers.

    >>> name_hash("network", 0) == name_hash("network", 0), name_hash("network", 0) == name_hash("network", 1)
    (True, False)
    """
    text = "\x1f".join(map(str, names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
