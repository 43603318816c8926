"""What a trial leaves: everything by which its settings may be chosen, and its answers on the target test set unscored.

The labels of the target are not read here at all. A trial is scored on the target only in the tables, by the labels
that lie beside the cells of the winners, which run when the choice has been made.
"""

from typing import cast

import numpy as np

from mmda_bench.dataset import MODALITIES
from mmda_bench.features.corpus import read_labels
from mmda_bench.metrics import evaluate
from mmda_bench.metrics.reference_heads import by_head, head_probabilities
from mmda_bench.protocol import TRIAL_PARTS
from mmda_bench.store.record import Metrics, Record
from mmda_bench.training.curves import DivergedError
from mmda_bench.training.trainer import Trainer


def trial_outputs(trainer: Trainer, record: Record) -> dict[str, np.ndarray]:
    """The arrays to store beside the record of a trial, whose metrics this fills in: scores on source validation.

    By part (``source_validation``, ``target_train``, ``target_validation``): ``ids`` (N,), ``probabilities`` (N, C),
    ``logits_A``, ``_L``, ``_V``, ``_joint`` (N, C) of all heads and ``z_joint`` (N, 768), in float16; ``labels`` of
    the source alone. Of ``target_test``: ``ids`` and ``probabilities``. Raises :class:`DivergedError`.
    """
    outputs: dict[str, np.ndarray] = {}
    for domain, split in (*TRIAL_PARTS, ("target", "test")):
        part, positions = f"{domain}_{split}", trainer.corpus.parts[domain, split]
        z, logits, probabilities = trainer.predict(domain, positions)
        found = {"probabilities": probabilities.astype(np.float16)}
        if split != "test":
            found |= {f"logits_{m}": logits[m].astype(np.float16) for m in (*MODALITIES, "joint")}
            found["z_joint"] = z["joint"].astype(np.float16)
        if not all(np.isfinite(array).all() for array in found.values()):
            raise DivergedError(f"predictions for {domain} {split} are not finite after the last step")
        if domain == "source":
            labels = read_labels(trainer.corpus, domain, positions)
            heads = by_head(head_probabilities(logits))
            scores = evaluate(labels, found["probabilities"], heads)
            record["metrics"] = cast(Metrics, {part: scores})
            found["labels"] = labels.astype(np.int16)
        found["ids"] = np.array([trainer.corpus.ids[p] for p in positions])
        outputs |= {f"{part}/{name}": array for name, array in found.items()}
    return outputs
