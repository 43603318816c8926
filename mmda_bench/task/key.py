"""The key of a task: what its ids stand for and the labels of its test set. It stays with whoever scores."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmda_bench.dataset import Utterance
from mmda_bench.errors import DataError
from mmda_bench.features.prepare import Parts, Preparation
from mmda_bench.protocol import Cell
from mmda_bench.store.submissions import Scenario


def place_of_key(task: Path) -> Path:
    """Beside the folder, so that handing it out does not hand out the key.

    >>> place_of_key(Path("tasks/avatars-V"))
    PosixPath('tasks/avatars-V-key.json')
    """
    return task.with_name(f"{task.name}-key.json")


def key_of(
    this: Preparation, anchor: str, utterances: Sequence[Utterance], parts: Parts, names: Mapping[str, str]
) -> dict[str, Any]:
    """The key as JSON values. ``names``: of the utterances in the task, by their ids in the corpus."""
    card, protocol = this.card, this.protocol
    cell = Cell(method="", dataset=this.dataset, version=card.version, anchor=anchor, seed=0, protocol=protocol)
    test = [utterances[p] for p in parts["target", "test"] if utterances[p].id in names]
    return {
        "task": {
            "dataset": this.dataset,
            "version": card.version,
            "title": card.title,
            "synthetic": card.synthetic,
            "anchor": anchor,
            "classes": list(card.classes),
            "signature": cell.signature,
        },
        "protocol": cell.key()["protocol"],
        "test": [[names[u.id], u.id, u.label] for u in test],
    }


def read_key(task: Path) -> Scenario:
    """What predictions for the task in the folder ``task`` are scored against. Raises :class:`DataError`."""
    path = place_of_key(Path(task).absolute())
    try:
        key = json.loads(path.read_text("utf-8"))
        facts, rows = key["task"], key["test"]
        return Scenario(
            signature=facts["signature"],
            dataset=facts["dataset"],
            version=facts["version"],
            anchor=facts["anchor"],
            classes=tuple(facts["classes"]),
            ids=np.array([own for _, own, _ in rows]),
            labels=np.array([label for _, _, label in rows]),
            handed_out=tuple(name for name, _, _ in rows),
            title=facts["title"],
            synthetic=facts["synthetic"],
            protocol=key["protocol"],
        )
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; it was written beside the task and stays with whoever scores: "
            "mmda-bench data export DATASET --task DIR --anchor V makes a task and its key"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no key of a task ({type(error).__name__}: {error})") from error
