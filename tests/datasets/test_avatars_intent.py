"""Twenty intents by the generator of ``avatars``: MIntRec's names and imbalance, recipes and shift of our own."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from mmda_bench.datasets.avatars import corpus
from mmda_bench.datasets.mintrec.reader import MIntRec
from mmda_bench.registry import DATASETS


@pytest.fixture(scope="module")
def everybody():
    return list(corpus.AvatarsIntent().utterances(None))


def test_it_is_registered_and_has_the_classes_of_mintrec():
    assert DATASETS.get("avatars-intent") is corpus.AvatarsIntent
    card = corpus.AvatarsIntent().describe(None)
    assert card.classes == MIntRec.card.classes
    assert card.synthetic
    assert not card.needs_root
    assert (card.backbone, card.fractions) == ("tiny", corpus.Avatars.card.fractions)


def test_the_corpus_has_its_4800_utterances_of_the_same_cast(everybody):
    assert len({u.id for u in everybody}) == corpus.AvatarsIntent.card.expected["utterances"] == 4_800
    assert {u.speaker for u in everybody} == {f"avatar{person:02d}" for person in corpus.CAST}


def test_classes_are_as_uneven_as_in_mintrec(everybody):
    classes, shares = corpus.AvatarsIntent.card.classes, corpus.RECIPES["avatars-intent"].shares
    share = dict(zip(classes, shares, strict=True))
    assert max(share, key=share.get) == "Complain"
    assert min(share, key=share.get) == "Joke"
    assert share["Complain"] / share["Joke"] == pytest.approx(286 / 51)
    found = np.bincount([u.label for u in everybody], minlength=20) / len(everybody)
    np.testing.assert_allclose(found, shares, atol=0.02)
    assert min(Counter(u.label for u in everybody).values()) >= 40, "every class must reach all sets of both halves"


def test_no_two_intents_have_the_same_recipe():
    recipe = corpus.RECIPES["avatars-intent"]
    for part in (recipe.lines, recipe.prosody, recipe.expressions):
        assert len(set(part.values())) == 20
    phrases = [phrase for lines in recipe.lines.values() for phrase in lines.closes.split("|")]
    assert len(phrases) == len(set(phrases))


def test_words_tell_intents_often_and_not_always(everybody):
    """A naive Bayes on single words, trained on the first half: far above the most frequent class, far below 1."""
    counts: dict[int, Counter[str]] = {label: Counter() for label in range(20)}
    for u in everybody[:1500]:
        counts[u.label].update(u.text.split())
    known = {word for counter in counts.values() for word in counter}
    totals = {label: sum(counter.values()) + len(known) for label, counter in counts.items()}

    def guess(text: str) -> int:
        score = {k: sum(np.log((c[w] + 1) / totals[k]) for w in text.split()) for k, c in counts.items()}
        return max(score, key=score.get)

    correct = np.mean([guess(u.text) == u.label for u in everybody[1500:]])
    assert 0.4 < correct < 0.9


def test_the_emotions_are_those_of_the_version_on_the_card():
    """What is said by whom in which class, as a digest of 300 utterances: who changes it raises the version."""
    assert corpus.Avatars.card.version == "v4"
    said = [(u.id, u.text, u.label, u.speaker) for u in map(corpus.generate, range(300))]
    assert hashlib.sha256(repr(said).encode()).hexdigest()[:16] == "cde75271759bedf2"
