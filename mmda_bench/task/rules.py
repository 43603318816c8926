"""What people are told who get a task."""

from collections.abc import Mapping
from typing import Any

from mmda_bench.dataset import MAX_SAMPLES, NAMES, SAMPLE_RATE, Card


def readme(facts: Mapping[str, Any], card: Card, folder: str) -> str:
    """The README of a task. ``facts``: those of ``task.json``."""
    drifts = " and ".join(f"{NAMES[m]} ({m})" for m in facts["drifts"])
    anchor = f"{NAMES[facts['anchor']]} ({facts['anchor']})"
    synthetic = "\n**The corpus is synthetic: scores on it say nothing about recorded people.**\n" * card.synthetic
    return f"""# {card.title}: source and target, anchor {facts["anchor"]}
{synthetic}
Each utterance has sound, words and pictures, and one of {len(card.classes)} classes: {", ".join(card.classes)}. In the
*source* the classes are known. In the *target* they are not, and two modalities have drifted: {drifts}.
The anchor, {anchor}, is as it was. Predict the classes of the target test utterances.

## Files

| file | what it holds |
| --- | --- |
| `source.csv` | `id,split,label,text`: labelled utterances of the source |
| `target.csv` | `id,split,text`: utterances of the target, without labels |
| `clips/<id>.npz` | `waveform`: (samples,) int16, mono, {SAMPLE_RATE} Hz, at most {MAX_SAMPLES / SAMPLE_RATE:.2f} s; \
`frames`: (T, H, W, 3) float16, normalised by the channels' means and deviations of ImageNet |
| `test-ids.txt` | the utterances to predict: those of `target.csv` whose split is `test` |
| `example.csv` | a file of predictions of the right form |
| `task.json` | corpus, anchor, drifts, classes, and the signature of the scores |
| `baseline.py` | a baseline that learns from the anchor alone: `python baseline.py predictions.csv` |

`[MASK]` stands for a word that is not known. Ids are random names: neither they nor the order of rows say anything.

## Rules

1. Learn from the source utterances of the split `train`, with labels, and from the target utterances of the split
   `train`, without. Choose settings on the splits `validation`, of the target without labels.
2. Predict each test utterance by itself: no statistics over the test set, no training on it.
3. Pretrained networks may be used if they have not seen this corpus; name them with your result.
4. Nothing else leads to a label: do not look the utterances up, and label none by hand.

## Handing in

A csv with the columns `id` and one per class (`{",".join(["id", *card.classes])}`), a row for every id of
`test-ids.txt`, the probabilities of a row summing to 1. Whoever made this task has its key, and scores the file:

    mmda-bench submit predictions.csv --task {folder} --name mine

The score is the weighted F1. It is comparable with all scores that have this signature:

    {facts["signature"]}

## Licence

{card.title}: {card.licence}. Pass this folder on only to people who may have the corpus.
Cite: {card.citation}
"""
