"""``data verify`` finds what is missing or damaged, and agrees with what a run will use."""

import json
from functools import partial

import noise as corpus_of_noise
import numpy as np
import pytest
import soundfile
import spoiled_corpus
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.data.export import export
from mmda_bench.data.media.write import held, write_mp4
from mmda_bench.data.verify import as_text, verify
from mmda_bench.dataset import substituted
from mmda_bench.datasets.avatars.corpus import Avatars, AvatarsIntent
from mmda_bench.datasets.iemocap import layout
from mmda_bench.errors import ClipError, DataError, ResourceError, UsageError
from mmda_bench.registry import DATASETS, load_plugin

pytestmark = pytest.mark.usefixtures("unwatched")

SIZE = spoiled_corpus.SIZE


def silence() -> np.ndarray:
    return np.zeros(400, np.float32)


def broken(what: str) -> np.ndarray:
    raise ClipError(f"{what} is damaged")


def failing() -> np.ndarray:
    raise ValueError("no header")


def stereo() -> np.ndarray:
    return np.zeros((400, 2), np.float32)


def grey() -> np.ndarray:
    return np.zeros((10, 8, 8), np.uint8)


def resampled() -> np.ndarray:
    substituted("resampled from 8000 Hz")
    return np.full(400, 0.1, np.float32)


@pytest.fixture
def small():
    """What is wrong with the utterances of the corpus ``small``, by position; the tests spoil some."""
    load_plugin(spoiled_corpus.__file__)
    return DATASETS.get("small").spoiled


def test_a_good_corpus_is_usable_and_has_the_counts_of_its_card(small):
    found = verify("small", root=None)
    assert found.usable
    assert found.decoded == found.utterances == SIZE
    assert found.classes == {"yes": 20, "no": 20}
    assert found.counts == {
        "utterances": (40, 40), "yes": (20, 20), "u1*": (10, 10), "one-word utterances": (40, 40),
    }  # fmt: skip
    assert "DIFFERENT" not in as_text(found)
    assert as_text(found).endswith("\nusable")


def test_what_cannot_be_read_or_is_silent_is_listed_by_kind(small):
    small[3] = {"waveform": partial(broken, "3.wav")}
    small[4] = {"frames": partial(broken, "4.avi")}
    small[5] = {"waveform": silence}
    small[6] = {"label": 0, "text": "two words"}
    found = verify("small", root=None)
    assert found.usable
    assert found.no_sound == {"u03": "3.wav is damaged"}
    assert found.no_pictures == {"u04": "4.avi is damaged"}
    assert found.silent == ["u05"]
    text = as_text(found)
    assert "u04: 4.avi is damaged" in text
    assert "DIFFERENT    one-word utterances: 39 of 40" in text
    assert "2 of its utterances will be left out" in text


def test_a_loader_that_fails_is_a_clip_that_cannot_be_read(small):
    small[3] = {"waveform": failing, "frames": failing}
    found = verify("small", root=None)
    assert found.usable
    assert found.no_sound == found.no_pictures == {"u03": "ValueError: no header"}


def test_a_value_that_the_contract_excludes_makes_the_corpus_unusable_and_the_rest_is_still_looked_at(small):
    small[3] = {"waveform": stereo}
    small[4] = {"frames": grey}
    small[5] = {"waveform": partial(broken, "5.wav")}
    found = verify("small", root=None)
    assert found.problem == found.no_sound["u03"]
    assert "waveform() of utterance u03 gives (400, 2) float32; expected" in found.problem
    assert "frames() of utterance u04 gives (10, 8, 8) uint8; expected" in found.no_pictures["u04"]
    assert found.no_sound["u05"] == "5.wav is damaged"
    assert "NOT usable: waveform() of utterance u03" in as_text(found)


@pytest.mark.parametrize(("change", "message"), [({"label": 2}, "label 2"), ({"id": "u00"}, "u00 appears twice")])
def test_an_utterance_with_a_wrong_field_makes_the_corpus_unusable(small, change, message):
    small[3] = change
    assert message in verify("small", root=None).problem


@pytest.mark.parametrize("call", ["describe", "utterances", "unusable"])
def test_a_reader_that_fails_is_an_answer(small, monkeypatch, call):
    def fail(self, root):
        raise ValueError("bad row")

    monkeypatch.setattr(DATASETS.get("small"), call, fail)
    assert f"the reader of small failed in {call}(): ValueError: bad row" in verify("small", root=None).problem


def test_what_a_loader_substitutes_is_listed(small):
    small[3] = {"waveform": resampled}
    found = verify("small", root=None)
    assert found.substituted == {"u03": "acoustic: resampled from 8000 Hz"}
    assert "u03: acoustic: resampled from 8000 Hz" in as_text(found)
    assert as_text(found).endswith("\nusable")


def test_a_long_list_is_cut_for_people_and_whole_for_programs(small):
    small.update({i: {"waveform": silence} for i in range(25)})
    found = verify("small", root=None)
    assert "and 5 more; --json lists them all" in as_text(found)
    assert len(found.as_json()["silent"]) == 25


@pytest.mark.parametrize(("lost", "usable"), [(8, True), (9, False)])
def test_beyond_a_fifth_the_corpus_cannot_be_used(small, lost, usable):
    small.update({i: {"frames": partial(broken, f"{i}.mp4")} for i in range(lost)})
    found = verify("small", root=None)
    assert found.usable == usable
    assert usable or "9 of 40 utterances of small cannot be read: 0.mp4 is damaged" in found.problem


def test_a_class_without_utterances_cannot_be_used(small):
    small.update({i: {"label": 0} for i in range(1, SIZE)})
    assert "class 'no' of small has no readable utterance" in verify("small", root=None).problem


def test_a_sample_is_the_same_each_time_and_part_of_a_larger_one(small):
    small.update({i: {"frames": partial(broken, f"{i}.mp4")} for i in range(SIZE)})
    few, again, many = (set(verify("small", root=None, sample=count).no_pictures) for count in (5, 5, 12))
    assert len(few) == 5
    assert few == again
    assert few < many


@pytest.mark.parametrize("given", [{"sample": 0}, {"sample": -1}, {"jobs": -2}])
def test_fewer_than_one_is_no_number_of_clips_or_processes(small, given):
    with pytest.raises(UsageError, match="expected at least 1"):
        verify("small", root=None, **given)


def test_a_sample_is_judged_by_its_own_size(small):
    small.update({i: {"frames": partial(broken, f"{i}.mp4")} for i in range(SIZE)})
    assert "5 of 5 utterances of small cannot be read" in verify("small", root=None, sample=5).problem


def test_a_corpus_that_is_not_there_is_an_answer_and_an_unknown_name_is_not(tmp_path):
    found = verify("mintrec", root=tmp_path)
    assert not found.usable
    assert "lacks train.tsv" in found.problem
    with pytest.raises(UsageError, match="did you mean mintrec"):
        verify("mintrek", root=tmp_path)


def test_processes_find_what_one_process_finds(tmp_path):
    out = export(Avatars(), "folder", tmp_path / "a", limit=60).out
    (out / "avatars_0007.wav").unlink()
    soundfile.write(out / "avatars_0011.wav", np.zeros(800), 16_000)
    calls = []
    one = verify("folder", root=out)
    two = verify("folder", root=out, jobs=2, progress=lambda *call: calls.append(call))
    assert one == two
    assert one.usable
    assert list(one.no_sound) == ["avatars_0007"]
    assert one.silent == ["avatars_0011"]
    assert calls == [(i, 60) for i in range(1, 61)]


def test_a_plug_in_is_verified_in_other_processes_too(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    answer = CliRunner().invoke(app, ["data", "verify", "mine", "--plugin", str(plugin), "--jobs", "2", "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["silent"] == [f"m{i}" for i in range(20)]


PLUGIN = """
import numpy as np
from mmda_bench import Card, Dataset, Shift, Utterance, register_dataset

def sound():
    return np.zeros(400, np.float32)

def pictures():
    return np.zeros((10, 8, 8, 3), np.uint8)

@register_dataset("mine", title="Mine")
class Mine(Dataset):
    card = Card(name="mine", title="Mine", version="v1", classes=("a", "b"), licence="", citation="", obtain="",
                shift=Shift(noise=0, brightness=1, visual_noise=0, masked=0))
    def utterances(self, root):
        return [Utterance(id=f"m{i}", text="a", label=i % 2, waveform=sound, frames=pictures) for i in range(20)]
"""


def test_a_clip_that_kills_its_process_ends_with_advice(tmp_path):
    root = corpus_of_noise.lay_out(tmp_path, 40, killer=20)
    load_plugin(corpus_of_noise.__file__)
    with pytest.raises(ResourceError, match=r"a clip that the decoder does not survive.*fewer --jobs"):
        verify("noise", root=root, jobs=2, plugins=[corpus_of_noise.__file__])


def test_the_command_answers_with_4_when_a_corpus_cannot_be_used(small, tmp_path):
    good = CliRunner().invoke(app, ["data", "verify", "small", "--jobs", "1"])
    assert good.exit_code == 0
    small.update({i: {"frames": partial(broken, f"{i}.mp4")} for i in range(20)})
    bad = CliRunner().invoke(app, ["data", "verify", "small", "--jobs", "1", "--json"])
    assert bad.exit_code == 4
    answer = json.loads(bad.stdout)
    assert not answer["usable"]
    assert answer["counts"]["utterances"] == {"found": 40, "expected": 40}
    nowhere = CliRunner().invoke(app, ["data", "verify", "iemocap", "--data-root", str(tmp_path / "x")])
    assert nowhere.exit_code == 4
    assert "is not a folder" in nowhere.stdout


@pytest.mark.slow
def test_damaged_clips_of_mintrec_are_counted_by_what_is_wrong(tmp_path):
    out = export(AvatarsIntent(), "mintrec", tmp_path / "corpus", limit=12).out
    clips = sorted(out.glob("raw_data/*/*/*.mp4"), key=lambda path: int(path.stem))
    clips[0].write_bytes(clips[0].read_bytes()[:-100])
    clips[1].unlink()
    write_mp4(clips[2], held(np.zeros((1, 64, 64, 3), np.uint8), 1), 24, None)
    with (out / "dev.tsv").open("a") as table:
        table.write('S04\tE01\t99\t"no label\n')
    found = verify("mintrec", root=out)
    assert list(found.no_pictures) == list(found.no_sound) == ["S04_E01_1", "S05_E01_2"]
    assert "truncated" in found.no_pictures["S04_E01_1"]
    assert "missing" in found.no_pictures["S05_E01_2"]
    assert found.silent == ["S06_E01_3"]
    assert found.unusable == [("dev.tsv line 5", "4 columns, expected 5")]
    assert found.counts["utterances"] == (12, 2224)


@pytest.mark.slow
@pytest.mark.deep
def test_what_is_left_out_is_what_a_run_leaves_out(tmp_path):
    from mmda_bench.features.prepare import prepare
    from mmda_bench.protocol import Protocol

    out = export(Avatars(), "iemocap", tmp_path / "corpus", limit=60).out
    gone = out / "Session5" / layout.VIDEO / "Ses05M_impro01.avi"
    gone.unlink()
    silent = next(out.glob(f"Session1/{layout.SOUND}/Ses01F_impro01/Ses01F_impro01_F*.wav"))
    soundfile.write(silent, np.zeros(16_000), 16_000)
    labels = out / "Session2" / layout.LABELS / "Ses02F_impro01.txt"
    labels.write_bytes(labels.read_bytes() + b"[1.0 - ]\tSes02F_impro01_F777\tneu\r\n")
    found = verify("iemocap", root=out)
    assert found.usable
    assert found.no_pictures
    assert all(name.startswith("Ses05M_impro01_") and "missing" in why for name, why in found.no_pictures.items())
    assert found.silent == [silent.stem]
    assert [where.split()[0] for where, _ in found.unusable] == ["Ses02F_impro01.txt"]
    corpus = prepare("iemocap", root=out, protocol=Protocol(backbone="tiny"), cache=tmp_path / "cache")
    assert {where for where, _ in corpus.skipped} == {found.unusable[0][0], *found.no_pictures}
    assert [name for name, _ in corpus.substituted] == found.silent


def test_a_reader_that_finds_nothing_usable_raises_nothing(small, monkeypatch):
    def refuse(self, root):
        raise DataError("nothing here")

    monkeypatch.setattr(DATASETS.get("small"), "utterances", refuse)
    assert verify("small", root=None).problem == "nothing here"
