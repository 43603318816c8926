"""Words of any script: what is masked, which texts the shift cannot change, and what a backbone can read."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import noise
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmda_bench import shifts
from mmda_bench.backbone.bert import load_bert
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.cli.main import app
from mmda_bench.data.export import export
from mmda_bench.data.legibility import Legibility, check_legible, legibility
from mmda_bench.datasets.avatars.corpus import Avatars
from mmda_bench.errors import DataError
from mmda_bench.features.prepare import prepare
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import load_plugin
from mmda_bench.shifts.scripts import all_units, units
from mmda_bench.store import faults as soundness
from mmda_bench.training import run_cell
from tests.support import checkpoints

CHINESE = ["我们赢了比赛太棒了", "再也见不到她了我想哭", "会议在下午三点开始", "你怎么又把我的东西弄坏了"]
THAI = "สวัสดีครับผมชื่อจอห์น"
JAPANESE = "これはiPhone15です。"
spaced = st.text("abcäßéЖ한,.!'-1", min_size=1, max_size=9)


@pytest.fixture(scope="module")
def tiny():
    return Tiny().encoder("L")


def mask(words: list[str], share: float = 0.4, name: str = "u") -> list[str]:
    return shifts.mask_words(words, share=share, mask="[M]", rng=shifts.draw("corpus", name, "L"))


# --- what is masked


def masked_as_before(words: list[str], share: float, name: str) -> list[str]:
    """The shift as it was before it knew of scripts: word for word, by position."""
    count = max(0, min(round(share * len(words)), len(words) - 1))
    hidden = set(shifts.draw("corpus", name, "L").permutation(len(words))[:count].tolist())
    return ["[M]" if position in hidden else word for position, word in enumerate(words)]


@given(st.lists(spaced, max_size=30), st.sampled_from([0.0, 0.2, 0.4, 1.0]), st.text(max_size=4))
def test_a_text_with_spaces_is_masked_word_for_word_as_before(words, share, name):
    assert mask(words, share, name) == masked_as_before(words, share, name)


@pytest.mark.parametrize("text", ["안녕하세요 여러분 반가워요", "я вас любил", "我 喜欢 你 的 猫", "ok", "don't_stop"])
def test_words_between_spaces_stay_whole_in_every_script(text):
    assert [len(parts) for parts in units(text.split())] == [1] * len(text.split())


@pytest.mark.parametrize("text", [*CHINESE, THAI, JAPANESE, "再也 见不到她了我想哭真的好难过", "你好"])
def test_a_sentence_without_spaces_is_masked_by_its_characters(text):
    count = len(all_units(text))
    masked = mask(text.split())
    assert masked.count("[M]") == round(0.4 * count) > 0
    kept = "".join(part for part in masked if part != "[M]")
    assert [unit for unit in all_units(text) if unit in kept], "something stays"
    assert mask(text.split(), 0.0) == text.split()
    assert mask(text.split(), 1.0).count("[M]") == count - 1


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),  # marks above stay with their consonant
        (JAPANESE, ["こ", "れ", "は", "iPhone15", "で", "す。"]),
        ("「はい」と", ["「は", "い」", "と"]),
    ],
)
def test_marks_signs_and_other_scripts_are_kept_together(word, expected):
    assert units([word]) == [expected]


@given(st.lists(st.text("我们赢了ส วัabc1。!「", min_size=1).map(lambda t: t.replace(" ", "")), max_size=6))
def test_units_joined_are_the_words_again(words):
    assert ["".join(parts) for parts in units(words)] == words


def test_a_stronger_shift_masks_more_of_the_same_characters():
    weak, strong = ({i for i, hidden in enumerate(_hidden(CHINESE[3], share)) if hidden} for share in (0.2, 0.4))
    assert weak < strong


def _hidden(text: str, share: float) -> list[bool]:
    return [part == "[M]" for word in mask([text], share) for part in ([word] if word == "[M]" else word)]


# --- what is counted


def test_texts_that_the_shift_cannot_change_are_counted():
    found = legibility(["yes", "no", "she said no", CHINESE[0], ""], share=0.4)
    assert asdict(found) == {"texts": 5, "unchanged": 3, "words": 2 + 3 + 9, "unknown": None}
    assert legibility(["one two"], share=0.2).unchanged == 1, "a fifth of two words is none"
    assert legibility(["yes"], share=0.0).unchanged is None


def test_words_that_the_tiny_backbone_puts_into_buckets_are_counted(tiny):
    known = next(word for word in tiny.vocabulary if word.isalpha())
    found = legibility([f"{known} {known}, xylophone", "xylophone"], share=0.4, encoder=tiny)
    assert (found.words, found.unknown) == (4, 2)
    assert found.remarks("tiny")[1] == "the backbone tiny does not know 50.0% of the words (2 of 4)"


def test_words_of_which_bert_lacks_a_piece_are_counted(tmp_path):
    encoder = load_bert(checkpoints.save_bert(tmp_path), trainable=3)
    assert encoder.knows(["going", "happy!", "xylophone", "我"]) == [True, True, False, False]
    assert encoder.knows([]) == []
    with pytest.raises(DataError, match=r"bert cannot read c: all its words are one and the same unknown word"):
        check_legible(CHINESE, encoder, dataset="c", backbone="bert")


def test_a_corpus_of_one_unknown_word_is_refused_with_the_way_out(tiny):
    with pytest.raises(DataError, match=r"tiny cannot read mine.*--weights lexical=google-bert/bert-base-multi"):
        check_legible([*15 * CHINESE, "OK, 我知道了"], tiny, dataset="mine", backbone="tiny")
    check_legible(["Das hört niemand gern", "Nichts davon ist wahr"], tiny, dataset="mine", backbone="tiny")
    check_legible(["yes", "yes"], tiny, dataset="mine", backbone="tiny")


# --- where it is said


def folder(tmp_path: Path, texts: list[str]) -> Path:
    """A prepared folder of 48 clips of ``avatars`` with these texts."""
    out = export(Avatars(), "folder", tmp_path / "corpus", limit=48).out
    with (out / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "text": texts[i % len(texts)]} for i, row in enumerate(rows))
    return out


@pytest.mark.slow
def test_a_corpus_that_nobody_can_read_is_refused_by_verify_and_before_anything_is_encoded(tmp_path):
    out = folder(tmp_path, CHINESE)
    answer = CliRunner().invoke(app, ["data", "verify", "folder", "--data-root", str(out), "--jobs", "1"])
    assert answer.exit_code == 4
    assert "NOT usable: the backbone tiny cannot read folder" in answer.stdout
    assert "does not know 100.0% of the words" in answer.stdout
    with pytest.raises(DataError, match="tiny cannot read folder"):
        prepare("folder", root=out, protocol=Protocol(backbone="tiny"), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("values.bin"))


@pytest.mark.slow
def test_verify_run_and_record_say_what_is_not_changed_and_not_known(tmp_path):
    out = folder(tmp_path, ["xylophone", "we are so happy", "the meeting starts at noon"])
    answer = CliRunner().invoke(app, ["data", "verify", "folder", "--data-root", str(out), "--jobs", "1", "--json"])
    counts = json.loads(answer.stdout)["lexical"]
    assert (counts["texts"], counts["unchanged"]) == (48, 16)
    assert 16 <= counts["unknown"] < counts["words"] == 16 * (1 + 4 + 5)
    options = ["--data-root", str(out), "--cache", str(tmp_path / "cache")]
    run = ["--anchors", "A", "--seeds", "1", "--no-bounds", "--epochs", "1", "--jobs", "0", "--methods", "dt"]
    results = tmp_path / "results"
    answer = CliRunner().invoke(app, ["run", "--dataset", "folder", *options, *run, "--results", str(results)])
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("the lexical shift leaves 16 of 48 texts as they are: they have too few words") == 1
    assert answer.output.count("the backbone tiny does not know") == 1
    record = json.loads(next(results.rglob("record.json")).read_text())
    assert record["dataset"]["lexical"] == counts
    assert soundness.fault(record) == ""
    record["dataset"]["lexical"]["unknown"] = -1
    assert "lexical.unknown: expected a whole number" in soundness.fault(record)
    del record["dataset"]["lexical"]
    assert soundness.fault(record) == "", "as in records from before"


@pytest.mark.slow
def test_a_cache_from_before_says_nothing(tmp_path):
    load_plugin(noise.__file__)
    options = {"root": noise.lay_out(tmp_path / "root", 40), "cache": tmp_path / "cache"}
    corpus = prepare("noise", protocol=Protocol(backbone="tiny"), **options)
    assert isinstance(corpus.lexical, Legibility)
    index = json.loads((corpus.folder / "corpus.json").read_text())
    del index["lexical"]
    (corpus.folder / "corpus.json").write_text(json.dumps(index))
    cell = Cell(method="dt", dataset="noise", version="v1.0", anchor="A", seed=0, protocol=Protocol(backbone="tiny"))
    record = run_cell(cell, device="cpu", **options).record
    assert record["status"] == "ok", record["reason"]
    assert "lexical" not in record["dataset"]


def test_classes_that_differ_in_writing_alone_are_a_warning(tmp_path):
    out = folder(tmp_path, ["we are so happy", "so sad today"])
    table = (out / "labels.csv").read_text(encoding="utf-8")
    (out / "labels.csv").write_text(table.replace(",happy,", ",Happy,", 6), encoding="utf-8")
    facts = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    del facts["classes"]
    (out / "dataset.json").write_text(json.dumps(facts), encoding="utf-8")
    answer = CliRunner().invoke(app, ["data", "verify", "folder", "--data-root", str(out), "--jobs", "1"])
    assert "WARNING: the classes 'Happy' and 'happy' differ in writing alone" in answer.stdout
    assert np.isin(["usable"], answer.stdout.splitlines()).all()
