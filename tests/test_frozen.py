"""What users and stored results rely on, frozen: import names, options, hashes, scores on the boards, features.

``fixtures/frozen.json`` and ``fixtures/features.npz`` were written before the modules were put into rooms, by
``python -m tests.test_frozen``. An intended change rewrites them, and the changelog says so.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
FROZEN, FEATURES = HERE / "fixtures" / "frozen.json", HERE / "fixtures" / "features.npz"
STORES = {"results": HERE.parent / "results", "fixtures": HERE / "fixtures" / "records-schema1"}
UTTERANCES = (0, 7, 1499)
FACES = {"mmda_bench.training": ["run_cell"], "mmda_bench.cli": ["app", "main"]}
FACES["mmda_bench.protocol"] = ["Cell", "Protocol"]
FACES["mmda_bench.report"] = ["load_boards", "write_leaderboards"]
MODULES = (
    *("mmda_bench", "mmda_bench.method", "mmda_bench.dataset", "mmda_bench.functional", "mmda_bench.modules"),
    *("mmda_bench.registry", "mmda_bench.contract", "mmda_bench.backbone.spec"),
    *("mmda_bench.backbone.paper", "mmda_bench.store", *FACES),
)


def public_names(module: str) -> list[str]:
    """What a module offers: its ``__all__``, or the classes and functions that it defines."""
    found = import_module(module)
    if module in FACES:
        return FACES[module]
    own = [name for name, value in vars(found).items() if getattr(value, "__module__", None) == module]
    return sorted(name for name in getattr(found, "__all__", own) if not name.startswith("_"))


def options() -> dict[str, list[str]]:
    """The options and arguments of every verb."""
    from typer.main import get_command

    from mmda_bench.cli.main import app

    def walk(command, path):
        if hasattr(command, "commands"):
            for name, inner in sorted(command.commands.items()):
                yield from walk(inner, (*path, name))
        else:
            yield " ".join(path), sorted(o for p in command.params for o in (p.opts if p.opts else [p.name]))

    return dict(walk(get_command(app), ()))


def boards(folder: Path) -> dict[str, dict[str, list[float | None]]]:
    """Mean and sd by signature, row and column."""
    from mmda_bench.report.load import load_boards
    from mmda_bench.store import Store

    found: dict[str, dict[str, list[float | None]]] = {}
    for board in load_boards(Store(folder), tests=False)[0]:
        for row in board.lines:
            for column, score in row.scores.items():
                numbers = [None if value is None else round(value, 6) for value in (score.mean, score.sd)]
                found.setdefault(board.signature, {})[f"{row.label} {column}"] = numbers
    return found


def hashes(folder: Path) -> dict[str, str]:
    from mmda_bench.store import Store

    records, damaged = Store(folder).records()
    assert not damaged
    return {record["hash"]: record["signature"] for record in records}


def features() -> dict[str, np.ndarray]:
    """What the frozen layers of ``tiny`` make of three utterances of ``avatars-intent``, clean and shifted."""
    import torch

    from mmda_bench import shifts
    from mmda_bench.dataset import Shift
    from mmda_bench.features.encode import raw_input, repeatable
    from mmda_bench.registry import BACKBONES, DATASETS

    backbone = BACKBONES.get("tiny")()
    chosen = [u for i, u in enumerate(DATASETS.get("avatars-intent")().utterances(None)) if i in UTTERANCES]
    shift, found = Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4), {}
    for modality in "ALV":
        encoder = backbone.encoder(modality)
        for utterance in chosen:
            raw = raw_input(utterance, modality, backbone)
            rng = shifts.draw("avatars-intent", utterance.id, modality)
            shifted = shifts.corrupt(modality, raw, shift=shift, rng=rng, mask=encoder.mask_token)
            clean = shifts.normalise_frames(raw) if modality == "V" else raw
            for name, value in (("clean", clean), ("shifted", shifted)):
                with repeatable(), torch.no_grad():
                    found[f"{modality}/{utterance.id}/{name}"] = encoder.prefix(encoder.tokens(value)).numpy()
    return found


def cache_names() -> list[str]:
    """Folders of a prepared corpus of which everything is given, so that only the engine could rename them."""
    from mmda_bench.backbone.tiny import Tiny
    from mmda_bench.dataset import Card, Shift
    from mmda_bench.features.cache import place_of
    from mmda_bench.protocol import Protocol

    shift = Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4)
    facts = dict.fromkeys(("title", "licence", "citation", "obtain"), "")
    card = Card(name="mintrec", version="v1", classes=("a", "b"), shift=shift, files="0123", **facts)
    place = place_of("mintrec", card=card, backbone=Tiny(), protocol=Protocol(backbone="tiny"), cache=Path("cache"))
    return [place.clean.name, place.shifted.name, place.lock.name]


@pytest.fixture(scope="module")
def frozen() -> dict:
    return json.loads(FROZEN.read_text("utf-8"))


@pytest.mark.parametrize("module", MODULES)
def test_no_public_import_name_has_gone(frozen, module):
    found = import_module(module)
    assert [name for name in frozen["names"][module] if not hasattr(found, name)] == []


def test_no_verb_and_no_option_has_gone(frozen):
    now = options()
    assert {verb: sorted(set(names) - set(now.get(verb, ()))) for verb, names in frozen["options"].items()} == {
        verb: [] for verb in frozen["options"]
    }


@pytest.mark.parametrize("store", STORES)
def test_every_stored_record_has_the_hash_and_signature_it_had(frozen, store):
    now = hashes(STORES[store])
    assert {name: now.get(name) for name in frozen["hashes"][store]} == frozen["hashes"][store]


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_the_boards_have_the_scores_they_had(frozen, store):
    now = boards(STORES[store])
    for signature, rows in frozen["boards"][store].items():
        assert {name: now[signature].get(name) for name in rows} == rows


def test_the_frozen_layers_give_what_they_gave():
    kept, now = np.load(FEATURES), features()
    assert sorted(kept.files) == sorted(now)
    for name in kept.files:
        np.testing.assert_allclose(now[name], kept[name], atol=2e-3, err_msg=f"{name}: raise FEATURES_VERSION")


def test_a_cache_made_before_is_found_again(frozen):
    assert cache_names() == frozen["cache"]


def write() -> None:
    document = {
        "names": {module: public_names(module) for module in MODULES},
        "options": options(),
        "hashes": {name: hashes(folder) for name, folder in STORES.items()},
        "cache": cache_names(),
        "boards": {name: boards(folder) for name, folder in STORES.items()},
    }
    FROZEN.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
    np.savez_compressed(FEATURES, **{name: value.astype(np.float16) for name, value in features().items()})


if __name__ == "__main__":
    sys.exit(write())
