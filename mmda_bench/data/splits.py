"""Source and target, train, validation and test: how every corpus is split."""

from collections.abc import Sequence

from mmda_bench.protocol import DOMAINS, SPLITS, name_hash


def split_halves(
    ids: Sequence[str],
    labels: Sequence[int],
    *,
    dataset: str,
    split: int,
    fractions: tuple[float, float, float],
    domains: Sequence[str | None] | None = None,
) -> dict[tuple[str, str], list[int]]:
    """Positions of the utterances in each (domain, split), every one stratified by class.

    All orders, of the result too, are by a hash of (split seed, corpus, utterance id): they do not depend on the order
    of the files, and in files that are sorted by class a position in a part tells nothing of it. Halves fixed by the
    corpus are kept. A class with two utterances in a domain is trained and tested on. The proportions
    within a domain are ours; the paper gives none.
    """
    parts: dict[tuple[str, str], list[int]] = {(domain, part): [] for domain in DOMAINS for part in SPLITS}
    order = sorted(range(len(ids)), key=lambda i: name_hash("split", split, dataset, ids[i]))
    carry = dict.fromkeys(parts, 0.0)
    turn = 0
    for label in sorted(set(labels)):
        members = [i for i in order if labels[i] == label]
        chosen: dict[str, list[int]] = {domain: [] for domain in DOMAINS}
        for i in members:
            fixed = domains[i] if domains is not None else None
            if fixed is None:
                fixed, turn = DOMAINS[turn % 2], turn + 1
            chosen[fixed].append(i)
        for domain, mine in chosen.items():
            sizes: list[int] = []
            for part, fraction in zip(SPLITS[:2], fractions[:2], strict=True):
                exact = fraction * len(mine) + carry[domain, part]  # carried over, so that the totals are right as well
                left = max(0, len(mine) - sum(sizes) - 1)  # one is kept for the test set
                sizes.append(min(left, max(1 if part == "train" else 0, round(exact))))
                carry[domain, part] = exact - sizes[-1]
            train, validation = sizes
            parts[domain, "train"] += mine[:train]
            parts[domain, "validation"] += mine[train : train + validation]
            parts[domain, "test"] += mine[train + validation :]
    rank = {position: place for place, position in enumerate(order)}
    return {key: sorted(value, key=rank.__getitem__) for key, value in parts.items()}
