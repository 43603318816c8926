"""A score on a synthetic corpus is called that wherever it is shown, and nothing published stands beside it."""

import json
from dataclasses import replace

import pytest
from hand_made import make_cell, make_record

from mmda_bench.config import RunConfig
from mmda_bench.data.export import export
from mmda_bench.data.validation import read_card
from mmda_bench.protocol import Protocol
from mmda_bench.registry import DATASETS
from mmda_bench.report import print_out, write_leaderboards
from mmda_bench.report.against_published import comparable
from mmda_bench.report.boards import make_boards
from mmda_bench.report.compare import compare
from mmda_bench.report.frames import leaderboard_frame, results_frame
from mmda_bench.store import Store
from mmda_bench.store.record import titles_of

pytestmark = pytest.mark.slow

TITLE = "Avatars, 20 intents (synthetic) in the layout of MIntRec"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """avatars-intent in the layout of MIntRec."""
    out = tmp_path_factory.mktemp("exported") / "MIntRec"
    return export(DATASETS.get("avatars-intent")(), "mintrec", out, limit=20).out


def records_of(card, *, backbone="tiny"):
    protocol = Protocol(backbone=backbone)
    plain = [make_cell(method, anchor, seed) for method in ("dt", "dann") for anchor in "ALV" for seed in range(2)]
    cells = [replace(cell, dataset=card.name, version=card.version, protocol=protocol) for cell in plain]
    return cells, [make_record(cell, 0.6, titles=titles_of(cell, card)) for cell in cells]


def mintrec(root):
    return read_card(DATASETS.get("mintrec")(), "mintrec", root)


def test_the_signature_of_an_export_has_the_field_and_that_of_recorded_people_or_of_avatars_has_not(exported):
    signature = Protocol(backbone="tiny").signature("mintrec", mintrec(exported).version)
    assert "synthetic" in signature.split("|")
    assert "+" not in signature
    (avatars,) = {
        cell.signature for cell in RunConfig(methods="dt").cells(read_card(DATASETS.get("avatars")(), "", None))
    }
    assert "synthetic" not in avatars, "those of stored records stay as they are"
    assert "synthetic" not in Protocol(backbone="tiny").signature("mintrec", "v1")


def test_a_folder_that_says_it_is_synthetic_has_the_field_too(tmp_path):
    out = export(DATASETS.get("avatars")(), "folder", tmp_path / "files", limit=60).out
    reader = DATASETS.get("folder")()
    assert read_card(reader, "folder", out).version.endswith("+synthetic")
    facts = json.loads((out / "dataset.json").read_text())
    (out / "dataset.json").write_text(json.dumps(facts | {"synthetic": False}))
    assert not read_card(reader, "folder", out).version.endswith("+synthetic")


def test_every_place_that_shows_a_score_of_an_export_says_synthetic(exported, tmp_path, undrawn):
    cells, records = records_of(mintrec(exported))
    store = Store(tmp_path / "results")
    for cell, record in zip(cells, records, strict=True):
        store.write(cell, record, None)
    boards = make_boards(store.records()[0])
    for path in write_leaderboards(store):
        text = path.read_text("utf-8")
        assert "MIntRec, 20 intents" not in text
        assert TITLE in text, path.name
    assert json.loads((store.results / "leaderboard.json").read_text())["boards"][0]["synthetic"] is True
    assert "Synthetic corpus" in (store.results / "leaderboard.tex").read_text()
    assert print_out(boards).startswith(TITLE)
    assert compare(boards, lambda record: None, "dt", "dann")[0].board.title == TITLE
    assert leaderboard_frame(boards)["synthetic"].all()
    assert results_frame(records)["synthetic"].all()


def test_a_cell_that_ended_before_it_read_the_corpus_is_of_a_synthetic_one_as_well(exported):
    cells, records = records_of(mintrec(exported))
    assert titles_of(cells[0]) == titles_of(cells[0]) | {
        "dataset": "MIntRec, 20 intents (synthetic)",
        "synthetic": True,
    }
    lost = [make_record(cell, status="failed", metrics=None) for cell in cells]
    assert make_boards(lost)[0].title == "MIntRec, 20 intents (synthetic)"
    assert make_boards([*lost[1:], records[0]])[0].title == TITLE, "one that read it knows better"


def test_published_numbers_never_stand_beside_a_synthetic_score(exported):
    """Not even where the counts are those of the whole corpus, and under the paper's protocol."""
    card = replace(mintrec(exported), version="v1")
    _, records = records_of(card, backbone="paper")
    assert not comparable(make_boards(records)[0])
    marked = replace(card, version="v1+synthetic")
    assert not comparable(make_boards(records_of(marked, backbone="paper")[1])[0])
    people = replace(card, synthetic=False, title="MIntRec")
    assert comparable(make_boards(records_of(people, backbone="paper")[1])[0])


def test_older_records_of_the_embedded_corpus_are_synthetic_though_they_do_not_say_it():
    records = [make_record(make_cell(anchor=anchor), titles=None) for anchor in "ALV"]
    assert make_boards(records)[0].synthetic
