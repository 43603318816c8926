"""What users and stored results rely on, frozen: import names, options, hashes, scores on the boards, features.

``fixtures/frozen.json`` and ``fixtures/features.npz`` were first written before the modules were put into rooms.
``python -m tests.test_frozen`` adds what is new, and rewrites what was changed on purpose; the changelog says so. A
public name that once was there stays. Features that have changed are written under another ``FEATURES_VERSION`` alone.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from mmda_bench.features.cache import FEATURES_VERSION

HERE = Path(__file__).parent
FROZEN, FEATURES = HERE / "fixtures" / "frozen.json", HERE / "fixtures" / "features.npz"
STORES = {"results": HERE.parent / "results", "fixtures": HERE / "fixtures" / "records-schema1"}
UTTERANCES = (0, 7, 1499)
VERSION = "FEATURES_VERSION"  # among the features
CORRUPTED = {"A": "white-noise", "L": "masked", "V": "dark"}
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
    """What the frozen layers of ``tiny`` make of three utterances of ``avatars-intent``, clean and changed."""
    import torch

    from mmda_bench import shifts
    from mmda_bench.dataset import Shift
    from mmda_bench.features.encode import raw_input, repeatable
    from mmda_bench.registry import BACKBONES, DATASETS
    from mmda_bench.shifts.corruptions import CORRUPTIONS

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
            hurt = CORRUPTIONS[CORRUPTED[modality]](raw, severity=3, rng=rng)
            hurt = shifts.normalise_frames(hurt) if modality == "V" else hurt
            for name, value in (("clean", clean), ("shifted", shifted), (CORRUPTED[modality], hurt)):
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
@pytest.mark.parametrize("store", [pytest.param(n, marks=pytest.mark.deep) if n == "results" else n for n in STORES])
def test_the_boards_have_the_scores_they_had(frozen, store):
    now = boards(STORES[store])
    for signature, rows in frozen["boards"][store].items():
        assert {name: now[signature].get(name) for name in rows} == rows


PLACES = """
from pathlib import Path
from mmda_bench.features.prepare import preparation
from mmda_bench.protocol import Protocol

for shift in ("paper", "corrupt:babble@3"):
    protocol = Protocol(backbone="tiny", shift=shift)
    place = preparation("avatars", root=None, protocol=protocol, cache=Path("cache")).place
    print(place.clean, place.shifted)
"""


@pytest.mark.slow
def test_a_comment_in_any_source_file_makes_no_cache_anew(tmp_path):
    for room in ("mmda_bench", "methods", "datasets"):
        shutil.copytree(HERE.parent / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE.parent / "pyproject.toml", tmp_path)
    for path in tmp_path.rglob("*.py"):
        path.write_text(path.read_text("utf-8") + "# a comment\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PLACES], env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    with redirect_stdout(io.StringIO()) as here:
        exec(PLACES, {})
    assert here.getvalue() == done.stdout
    assert len(set(done.stdout.split())) == 3, "one for what is clean"


def differing(kept: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]) -> list[str]:
    """The names of features that are no longer what they were: by more than float16 and another processor make."""
    alike = {name: name in now and np.allclose(now[name], kept[name], atol=2e-3) for name in kept if name != VERSION}
    return [name for name, same in alike.items() if not same]


def test_the_frozen_layers_give_what_they_gave_under_this_version():
    with np.load(FEATURES) as kept:
        assert differing(kept, features()) == [], "raise FEATURES_VERSION, then: python -m tests.test_frozen"
        assert int(kept[VERSION]) == FEATURES_VERSION, "write them anew: python -m tests.test_frozen"


def test_features_that_have_changed_are_not_written_under_the_same_version(monkeypatch, tmp_path):
    changed = {name: value + 1 for name, value in np.load(FEATURES).items()}
    monkeypatch.setattr(f"{__name__}.FEATURES", Path(shutil.copy(FEATURES, tmp_path)))
    with pytest.raises(SystemExit, match="raise FEATURES_VERSION"):
        write_features(changed)
    monkeypatch.setattr(f"{__name__}.FEATURES_VERSION", FEATURES_VERSION + 1)
    write_features(changed)
    assert differing(np.load(tmp_path / FEATURES.name), changed) == []


def test_a_cache_made_before_is_found_again(frozen):
    assert cache_names() == frozen["cache"]


def write_features(now: Mapping[str, np.ndarray]) -> None:
    with np.load(FEATURES) as kept:
        same = int(kept[VERSION]) == FEATURES_VERSION if VERSION in kept else True
        if same and (gone := differing(kept, now)):
            sys.exit(f"{gone[0]} has changed: raise FEATURES_VERSION, so that no cache of before is used")
        if same and set(now) | {VERSION} == set(kept):
            return
    kept_as = {name: value.astype(np.float16) for name, value in now.items() if name != VERSION}
    np.savez_compressed(FEATURES, **{VERSION: np.int64(FEATURES_VERSION)}, **kept_as)


def write() -> None:
    before = json.loads(FROZEN.read_text("utf-8"))["names"]
    document = {
        "names": {module: sorted({*public_names(module), *before.get(module, ())}) for module in MODULES},
        "options": options(),
        "hashes": {name: hashes(folder) for name, folder in STORES.items()},
        "cache": cache_names(),
        "boards": {name: boards(folder) for name, folder in STORES.items()},
    }
    FROZEN.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
    write_features(features())


if __name__ == "__main__":
    write()
