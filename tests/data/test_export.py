"""What is exported comes back through the reader, and an export that fails leaves nothing."""

import json
import os
import signal
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmda_bench.data.export import Exported, export, layouts
from mmda_bench.dataset import Card, Dataset, Utterance
from mmda_bench.datasets.avatars.corpus import Avatars, AvatarsIntent
from mmda_bench.datasets.folder.reader import Folder
from mmda_bench.errors import ClipError, DataError, ResourceError, UsageError

pytestmark = pytest.mark.slow

COUNT = 60


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Exported:
    return export(Avatars(), "folder", tmp_path_factory.mktemp("corpus") / "avatars", limit=COUNT)


class Altered(Dataset):
    """The first avatars, each changed by a function."""

    def __init__(self, change=lambda utterance, i: utterance) -> None:
        self.change = change

    card = Avatars.card

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        for i, utterance in zip(range(COUNT), Avatars().utterances(None), strict=False):
            yield self.change(utterance, i)


class Given(Dataset):
    """These utterances."""

    def __init__(self, card: Card, utterances: list[Utterance]) -> None:
        self.card, self.given = card, utterances  # type: ignore[misc]

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        return self.given


def test_names_texts_labels_and_speakers_come_back(exported):
    assert exported.utterances == COUNT
    assert exported.skipped == {}
    back = list(Folder().utterances(exported.out))
    for before, after in zip(Altered().utterances(None), back, strict=True):
        assert (after.id, after.text, after.label) == (before.id, before.text, before.label)
        assert (after.speaker, after.domain) == (before.speaker, None)


def test_sound_and_pictures_come_back_as_their_codecs_allow(exported):
    for before, after in zip(Altered().utterances(None), list(Folder().utterances(exported.out))[:10], strict=False):
        assert np.abs(after.waveform() - before.waveform()).max() <= 1.01 / 2**15
        difference = np.abs(after.frames().astype(int) - before.frames().astype(int))
        assert after.frames().shape == before.frames().shape
        assert difference.mean() < 4


def test_the_card_comes_back(exported):
    before, after = Avatars.card, Folder().describe(exported.out)
    for name in ("classes", "shift", "fractions", "synthetic", "backbone", "licence", "citation"):
        assert getattr(after, name) == getattr(before, name)
    assert after.name == "folder"
    assert before.title in after.title
    assert json.loads((exported.out / "dataset.json").read_text())["origin"] == f"avatars {before.version}"


def test_two_exports_are_the_same_corpus_and_more_processes_change_nothing(exported, tmp_path):
    calls = []
    again = export(Avatars(), "folder", tmp_path / "b", limit=COUNT, jobs=2, progress=lambda *n: calls.append(n))
    assert Folder().describe(again.out).version == Folder().describe(exported.out).version
    assert calls == [(i, COUNT) for i in range(1, COUNT + 1)]


def test_a_prepared_folder_can_be_exported_again(exported, tmp_path):
    again = export(Folder(), "folder", tmp_path / "again", root=exported.out)
    assert again.utterances == COUNT
    assert (again.out / "labels.csv").read_bytes() == (exported.out / "labels.csv").read_bytes()


def test_texts_with_commas_quotes_and_umlauts_come_back(tmp_path):
    text = 'say "no", Jörg,\nthen go'
    out = export(Altered(lambda u, i: replace(u, text=text)), "folder", tmp_path / "a").out
    assert {u.text for u in Folder().utterances(out)} == {text}


def test_halves_fixed_by_the_corpus_stay_fixed(tmp_path):
    halves = ("source", "target")
    out = export(Altered(lambda u, i: replace(u, domain=halves[i % 2])), "folder", tmp_path / "a").out
    assert not (out / "labels.csv").exists()
    back = {u.id: u.domain for u in Folder().utterances(out)}
    assert back == {u.id: halves[i % 2] for i, u in enumerate(Altered().utterances(None))}


def unreadable() -> np.ndarray:
    raise ClipError("the clip has no sound")


def test_a_clip_that_cannot_be_read_is_skipped_and_named(tmp_path):
    broken = Altered(lambda u, i: replace(u, waveform=unreadable) if i == 3 else u)
    result = export(broken, "folder", tmp_path / "a")
    assert result.skipped == {"avatars_0003": "the clip has no sound"}
    assert result.utterances == COUNT - 1
    assert "avatars_0003" not in {u.id for u in Folder().utterances(result.out)}
    assert not (result.out / "avatars_0003.wav").exists()


def test_an_empty_folder_is_used_and_its_parents_are_made(tmp_path):
    (tmp_path / "empty").mkdir()
    assert export(Avatars(), "folder", tmp_path / "empty", limit=1).out == tmp_path / "empty"
    assert (export(Avatars(), "folder", tmp_path / "x" / "y", limit=1).out / "labels.csv").is_file()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export(Avatars(), "folder", tmp_path, limit=1)
    with pytest.raises(UsageError, match="is a file"):
        export(Avatars(), "folder", tmp_path / "precious.txt", limit=1)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_export_leaves_nothing(tmp_path, stop):
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise stop

    with pytest.raises(stop):
        export(Avatars(), "folder", tmp_path / "a", limit=9, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=r"cannot write .*nothing was left"):
        export(Avatars(), "folder", tmp_path / "file" / "a", limit=1)


def test_a_place_that_may_not_be_looked_into_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)  # root may look anywhere
    with pytest.raises(ResourceError, match=r"cannot write .*Permission denied"):
        export(Avatars(), "folder", tmp_path / "a", limit=1)


def deadly() -> np.ndarray:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("outlived")


def test_a_clip_that_kills_its_process_ends_the_export_with_a_message(tmp_path):
    broken = Altered(lambda u, i: replace(u, waveform=deadly) if i == 3 else u)
    with pytest.raises(ResourceError, match=r"was killed.*nothing was left.*--jobs"):
        export(broken, "folder", tmp_path / "a", jobs=2)
    assert list(tmp_path.iterdir()) == []


def no_room(path, *_, **__):
    raise soundfile.LibsndfileError(2, f"Error opening {path!r}: ")


@pytest.mark.parametrize("layout", ["folder", "iemocap"])
def test_a_disk_that_is_full_when_sound_is_written_is_named(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(soundfile, "write", no_room)
    with pytest.raises(ResourceError, match=r"cannot write .*Error opening .*nothing was left"):
        export(Avatars(), layout, tmp_path / "a", limit=1)
    assert list(tmp_path.iterdir()) == []


def failing() -> np.ndarray:
    raise FileNotFoundError(2, "No such file or directory", "3.wav")


@pytest.mark.parametrize("layout", layouts())
def test_a_loader_that_fails_is_not_blamed_on_the_place(tmp_path, layout):
    origin = AvatarsIntent() if layout in ("mintrec", "mintrec2") else Avatars()
    card, some = origin.card, list(islice(origin.utterances(None), 3))
    if layout == "msa":
        card, some = replace(card, classes=("negative", "positive")), [replace(u, label=u.label % 2) for u in some]
    some[1] = replace(some[1], frames=failing)
    result = export(Given(card, some), layout, tmp_path / "a")
    assert list(result.skipped) == [some[1].id]
    assert "FileNotFoundError" in result.skipped[some[1].id]
    assert result.utterances == 2


def test_a_value_that_is_no_waveform_ends_the_export(tmp_path):
    first = next(iter(Avatars().utterances(None)))
    wrong = replace(first, waveform=partial(np.zeros, 400, np.int16))
    with pytest.raises(DataError, match=rf"waveform\(\) of utterance {first.id} gives \(400,\) int16"):
        export(Given(Avatars.card, [wrong]), "folder", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["describe", "utterances"])
def test_a_reader_that_fails_is_named(tmp_path, monkeypatch, call):
    def fail(self, root):
        raise ValueError("bad row")

    monkeypatch.setattr(Avatars, call, fail)
    with pytest.raises(DataError, match=rf"failed in {call}\(\): ValueError: bad row"):
        export(Avatars(), "folder", tmp_path / "a", limit=1)


def test_an_unknown_layout_names_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match="unknown layout 'foldr': did you mean folder"):
        export(Avatars(), "foldr", tmp_path / "a")
    with pytest.raises(UsageError, match=", ".join(layouts())):
        export(Avatars(), "zip", tmp_path / "a")


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(UsageError, match="limit is 0"):
        export(Avatars(), "folder", tmp_path / "a", limit=0)


def test_an_id_of_three_parts_is_split_at_the_last(tmp_path):
    out = export(Altered(lambda u, i: replace(u, id=f"S05_E16_{i}")), "folder", tmp_path / "a").out
    assert (out / "labels.csv").read_text().splitlines()[1].startswith("S05_E16,0,")
    assert next(iter(Folder().utterances(out))).id == "S05_E16_0"


def test_an_id_without_underscore_is_still_one_name(tmp_path):
    def rename(utterance: Utterance, i: int) -> Utterance:
        return replace(utterance, id=f"clip{i}")

    out = export(Altered(rename), "folder", tmp_path / "a").out
    assert [u.id for u in Folder().utterances(out)][:2] == ["clip0_0", "clip1_0"]
