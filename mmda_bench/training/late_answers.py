"""What a cell's record says beside the scores of its last epoch: the scores of the epochs before, and of references.

Answers on the target test set are kept as they come; they are scored when training is over, because the labels of the
target are not read before.
"""

from typing import Any

import numpy as np

from mmda_bench.metrics import weighted_f1
from mmda_bench.metrics.reference_heads import reference_scores
from mmda_bench.protocol import TRIAL
from mmda_bench.training.assumed_anchor import probed
from mmda_bench.training.trainer import Trainer


class LateAnswers:
    """The classes that a model gives the target test set after each of the last epochs."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.by_epoch: dict[int, np.ndarray] = {}

    def keep(self, epoch: int) -> None:
        """To be called after every epoch (from 0). The very last one is evaluated anyway and is not asked here."""
        trainer = self.trainer
        protocol = trainer.cell.protocol
        if epoch in protocol.late_epochs[:-1] and protocol.select != TRIAL:
            probabilities = trainer.predict("target", trainer.corpus.parts["target", "test"])[2]
            self.by_epoch[epoch] = probabilities.astype(np.float16).argmax(1)

    def scores(self, labels: np.ndarray, last: np.ndarray) -> list[float | None]:
        """Weighted F1 in [0, 1] after each epoch; None after those that were not evaluated.

        ``labels``: (N,) of the target test set. ``last``: (N, C), the probabilities after the last epoch.
        """
        epochs = self.trainer.cell.protocol.epochs
        answers = self.by_epoch | {epochs - 1: last.argmax(1)}
        classes = last.shape[1]
        return [
            weighted_f1(labels, answers[epoch], classes=classes) if epoch in answers else None
            for epoch in range(epochs)
        ]


def reference_metrics(trainer: Trainer, heads: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Metrics of a cell of the baseline: ``detected_anchor`` and ``references`` (see the room ``metrics``).

    ``heads``: (N, 4, C), probabilities on the target test set; ``labels``: (N,), its classes.
    """
    detected = probed(trainer.cell, trainer.corpus, lambda domain, rows: trainer.predict(domain, rows)[0])
    scored = reference_scores(heads, labels, anchor=trainer.cell.anchor, detected=detected["modality"])
    return {"detected_anchor": detected, "references": scored}
