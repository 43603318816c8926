"""CREMA-D's names are read as they are, pointers of git-lfs are told apart from clips, and what is broken is named."""

import json
from itertools import cycle, islice
from pathlib import Path

import pytest

from mmda_bench.data.export import export
from mmda_bench.data.verify import as_text, verify
from mmda_bench.datasets.crema_d.layout import EMOTIONS, SENTENCES
from mmda_bench.datasets.crema_d.reader import BROKEN, CREMAD
from mmda_bench.errors import ClipError, DataError
from mmda_bench.registry import DATASETS

pytestmark = pytest.mark.slow

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 51234\n"


def corpus(root: Path, *names: str, content: bytes = b"RIFF") -> Path:
    for folder in ("AudioWAV", "VideoFlash"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / "AudioWAV" / f"{name}.wav").write_bytes(content)
    return root


@pytest.mark.deep
def test_names_of_the_true_number_are_the_whole_corpus(tmp_path):
    names, sentences = [], cycle(SENTENCES)
    for emotion in EMOTIONS:
        count = 1_087 if emotion == "NEU" else 1_271
        names += [f"{1001 + i // 14}_{next(sentences)}_{emotion}_{('XX', 'LO')[i // 12 % 2]}" for i in range(count)]
    names = list(dict.fromkeys(names))
    assert len(names) == 7_442
    root = corpus(tmp_path, *names, content=b"")
    assert CREMAD().describe(root).version == "v1"
    utterances = list(CREMAD().utterances(root))
    assert len({u.id for u in utterances}) == 7_442
    assert {u.text for u in utterances} == set(SENTENCES.values())


def test_a_name_says_actor_sentence_and_emotion(tmp_path):
    root = corpus(tmp_path, "1001_DFA_ANG_XX", "1002_IEO_HAP_HI", "1003_XYZ_ANG_XX", "1003_DFA_BOR_XX", "notes")
    (root / "AudioWAV" / "._1001_DFA_ANG_XX.wav").touch()
    found = [(u.id, u.speaker, u.text, CREMAD.card.classes[u.label]) for u in CREMAD().utterances(root)]
    assert found == [
        ("1001_DFA_ANG_XX", "1001", "Don't forget a jacket", "angry"),
        ("1002_IEO_HAP_HI", "1002", "It's eleven o'clock", "happy"),
    ]
    assert CREMAD().unusable(root) == [
        ("AudioWAV/1003_DFA_BOR_XX.wav", "unknown emotion 'BOR'"),
        ("AudioWAV/1003_XYZ_ANG_XX.wav", "unknown sentence 'XYZ'"),
        ("AudioWAV/notes.wav", "its name is not actor_sentence_emotion_level"),
    ]
    first = next(iter(CREMAD().utterances(root)))
    with pytest.raises(ClipError, match=r"1001_DFA_ANG_XX\.flv is missing"):
        first.frames()


def test_pointers_in_the_place_of_clips_are_answered_with_the_command(tmp_path):
    root = corpus(tmp_path / "a", "1001_DFA_ANG_XX", content=POINTER)
    with pytest.raises(DataError, match=r"is a pointer of git-lfs and no sound; in .*: git lfs install; git lfs pull"):
        CREMAD().describe(root)
    root = corpus(tmp_path / "b", "1001_DFA_ANG_XX")
    (root / "VideoFlash" / "1001_DFA_ANG_XX.flv").write_bytes(POINTER)
    with pytest.raises(ClipError, match=r"1001_DFA_ANG_XX\.flv is a pointer of git-lfs"):
        next(iter(CREMAD().utterances(root))).frames()


def test_what_is_known_to_be_broken_is_named_and_never_used(tmp_path):
    root = corpus(tmp_path, "1001_DFA_ANG_XX", *BROKEN)
    lost = [u for u in CREMAD().utterances(root) if u.id in BROKEN]
    assert len(lost) == 4
    for utterance in lost:
        with pytest.raises(ClipError, match="damaged as published"):
            utterance.waveform()
    broken, words = CREMAD().remarks(root)
    assert broken.startswith("4 clips are known to be broken")
    assert words == "the words say nothing of the class: 12 sentences, each in every emotion"


class FewAvatars(DATASETS.get("avatars")):
    def utterances(self, root):
        return islice(super().utterances(root), 3)


def test_what_is_written_in_the_layout_is_read_again(tmp_path):
    export(FewAvatars(), "crema-d", tmp_path / "out")
    written = {u.id: u for u in FewAvatars().utterances(None)}
    ids = json.loads((tmp_path / "out" / "origin.json").read_text())["ids"]
    read = list(CREMAD().utterances(tmp_path / "out"))
    assert len(read) == 3
    for u in read:
        source = written[ids[u.id]]
        assert CREMAD.card.classes[u.label] == FewAvatars.card.classes[source.label]
        assert abs(len(u.waveform()) - min(80_160, len(source.waveform()))) <= 1
        assert abs(float(u.frames().mean()) - float(source.frames().mean())) < 6
    (next((tmp_path / "out" / "VideoFlash").glob("*.flv"))).with_stem("1001_DFA_ANG_ZZ").touch()
    found = verify("crema-d", root=tmp_path / "out")
    assert not found.no_pictures
    for said in (
        "1 videos have no AudioWAV/*.wav of a name",
        "1001_DFA_ANG_ZZ.flv",
        "the words say nothing of the class",
    ):
        assert said in as_text(found)
