"""The contract of a validator: all that an author needs to read.

A validator scores a trained model without the labels of the target, so that settings can be chosen as a user would have
to choose them. Higher is better::

    from mmda_bench import register_validator

    @register_validator("mine", title="Mine", paper="Me, 2026")
    def mine(*, target_probs):
        '''Mean confidence of the predictions.'''
        return float(target_probs.max(axis=1).mean())

A validator is a plain function of arrays. **The names of its parameters are its permission**: all are keyword-only,
each is one of :data:`ARRAYS`, and the engine hands over these arrays and nothing else. A parameter that a validator can
do without has the default ``None``. Any other name is refused when the function is registered.

The target is the training and validation set of the target together, without labels; its test set is never among the
arrays. A parameter called ``target_labels`` makes the function an oracle: it is listed as one, and it is refused unless
the caller asks for an oracle.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ORACLE = "target_labels"


@dataclass(frozen=True)
class Array:
    """What a validator may see under one name. ``shape``: a letter per axis, the same letter for the same length.

    >>> print(ARRAYS["target_z"])
    (n, d) joint representations of the target utterances
    """

    shape: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        sizes = ", ".join(self.shape) + ("," if len(self.shape) == 1 else "")
        return f"({sizes}) {self.what}" if self.shape else self.what


ARRAYS: Mapping[str, Array] = {
    "target_probs": Array(("n", "K"), "class probabilities of the target utterances"),
    "target_logits": Array(("n", "K"), "logits of the joint head on the target utterances"),
    "target_z": Array(("n", "d"), "joint representations of the target utterances"),
    "anchor_probs": Array(("n", "K"), "class probabilities of the target utterances by the head of the anchor alone"),
    "source_probs": Array(("m", "K"), "class probabilities of the source validation utterances"),
    "source_labels": Array(("m",), "class indices of the source validation utterances"),
    "source_z": Array(("m", "d"), "joint representations of the source validation utterances"),
    "pool": Array(("T", "n", "K"), "target_probs of all T trials under comparison"),
    "index": Array((), "which trial of the pool is scored, from 0"),
    "weights": Array(("m",), "importance weights of the source validation utterances"),
    "losses": Array(("m",), "losses of the source validation utterances"),
    ORACLE: Array(("n",), "class indices of the target utterances: an oracle's"),
}
