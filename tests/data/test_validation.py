"""What a reader may hand over: another value refuses the corpus by name; a loader that fails costs its clip alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmda_bench.data.validation import load_pictures, load_sound, read_utterances, reading
from mmda_bench.dataset import Card, Dataset, Shift, Utterance, substituted, substitutions
from mmda_bench.errors import ClipError, DataError, UsageError

CARD = Card(
    name="mine", title="Mine", version="v1", classes=("yes", "no"), licence="", citation="", obtain="",
    shift=Shift(noise=0, brightness=1, visual_noise=0, masked=0),
)  # fmt: skip
SOUND = np.linspace(-1, 1, 400, dtype=np.float32)
PICTURES = np.zeros((10, 8, 6, 3), np.uint8)


def sound():
    return SOUND


def pictures():
    return PICTURES


GOOD = Utterance(id="u1", text="a word", label=1, waveform=sound, frames=pictures)


class Mine(Dataset):
    card = CARD

    def __init__(self, *utterances):
        self.given = utterances

    def utterances(self, root):
        return self.given


def read(*utterances, **options):
    return read_utterances(Mine(*utterances), CARD, None, **options)


# --- what the loaders give


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_the_contract_allows_comes_through_as_it_is(kind):
    values = SOUND.astype(kind)
    assert load_sound(replace(GOOD, waveform=lambda: values)) is values
    assert load_pictures(GOOD) is PICTURES
    assert load_sound(replace(GOOD, waveform=lambda: SOUND[:0])).shape == (0,), "no sound at all is silence"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "None"),
        ([0.0, 0.5], "a list"),
        (np.zeros((400, 2), np.float32), r"\(400, 2\) float32"),
        (np.zeros(400, np.int16), r"\(400,\) int16"),
        (np.full(400, 1.5, np.float32), r"values up to 1\.5"),
        (np.array([0, -32768.0]), "values up to 32768"),
        (np.array([0, np.nan], np.float32), "values up to nan"),
    ],
    ids=["none", "list", "stereo", "int16", "loud", "not scaled", "nan"],
)
def test_what_is_no_waveform_is_refused_with_its_utterance(value, found):
    message = rf"waveform\(\) of utterance u1 gives {found}; expected \(samples,\) float32 in \[−1, 1\]"
    with pytest.raises(DataError, match=message):
        load_sound(replace(GOOD, waveform=lambda: value))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "None"),
        (PICTURES[..., 0], r"\(10, 8, 6\) uint8"),
        (PICTURES[..., :1], r"\(10, 8, 6, 1\) uint8"),
        (PICTURES.astype(np.float32), r"\(10, 8, 6, 3\) float32"),
        (PICTURES[:0], r"no pictures, \(0, 8, 6, 3\) uint8"),
        (PICTURES[:, :0], r"no pictures, \(10, 0, 6, 3\) uint8"),
    ],
    ids=["none", "grey", "one channel", "float", "zero frames", "no rows"],
)
def test_what_is_no_series_of_pictures_is_refused_with_its_utterance(value, found):
    with pytest.raises(DataError, match=rf"frames\(\) of utterance u1 gives {found}; expected \(T, H, W, 3\) uint8"):
        load_pictures(replace(GOOD, frames=lambda: value))


def failing(error):
    def load():
        raise error

    return replace(GOOD, waveform=load, frames=load)


@pytest.mark.parametrize("load", [load_sound, load_pictures])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClipError("1.wav is empty"), r"^1\.wav is empty$"),
        (ValueError("no header"), "^ValueError: no header$"),
        (FileNotFoundError(2, "No such file", "1.wav"), r"^FileNotFoundError: .*No such file: '1\.wav'$"),
        (KeyError("sound"), "^KeyError: 'sound'$"),
        (SystemExit(0), "^SystemExit: 0$"),
    ],
)
def test_a_loader_that_fails_is_a_clip_that_cannot_be_read_with_the_name_of_the_exception(load, error, reason):
    with pytest.raises(ClipError, match=reason):
        load(failing(error))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        DataError("the licence has ended"),
        KeyboardInterrupt(),
    ],
)
def test_what_is_not_the_clips_fault_is_not_taken_for_it(error):
    with pytest.raises(type(error)):
        load_sound(failing(error))


def test_what_a_loader_substitutes_is_heard_by_who_listens_and_by_nobody_else():
    with substitutions() as outer:
        with substitutions() as inner:
            substituted("resampled from 8000 Hz")
        substituted("a still picture")
    substituted("nobody listens")
    assert (outer, inner) == (["a still picture"], ["resampled from 8000 Hz"])


# --- what is known of an utterance before that


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 2}, r"the label 2 \(int\), expected an int from 0 to 1"),
        ({"label": -1}, r"the label -1 \(int\), expected an int from 0 to 1"),
        ({"label": "no"}, r"the label 'no' \(str\), expected an int"),
        ({"label": np.int64(1)}, r"the label .*1.* \(int64\), expected an int"),
        ({"label": True}, r"the label True \(bool\), expected an int"),
        ({"domain": "middle"}, r"the domain 'middle' \(str\), expected None or one of 'source', 'target'"),
        ({"text": None}, r"the text None \(NoneType\), expected a str"),
        ({"speaker": 3}, r"the speaker 3 \(int\), expected None or a str"),
        ({"waveform": SOUND}, r"the waveform .*\(ndarray\), expected a function"),
        ({"frames": None}, r"the frames None \(NoneType\), expected a function"),
    ],
)
def test_a_field_with_a_wrong_value_is_refused_with_its_utterance(change, message):
    with pytest.raises(DataError, match=f"mine: utterance u1 has {message}"):
        read(replace(GOOD, id="u0"), replace(GOOD, **change))


@pytest.mark.parametrize("name", [None, "", 7, ["u"]])
def test_an_id_that_is_no_name_is_refused_with_its_number(name):
    with pytest.raises(DataError, match=r"number 1 has the id .*, expected a name"):
        read(GOOD, replace(GOOD, id=name))


def test_an_id_that_appears_twice_is_refused_with_both_numbers():
    with pytest.raises(DataError, match="utterance u1 appears twice, as number 0 and 2"):
        read(GOOD, replace(GOOD, id="u2"), GOOD)


def test_a_loader_that_no_other_process_can_call_is_refused():
    message = r"utterance u1 cannot be handed to another process: .*lambda.*; its loaders must be picklable"
    with pytest.raises(DataError, match=message):
        read(replace(GOOD, waveform=lambda: SOUND))


def test_what_is_no_utterance_is_refused():
    with pytest.raises(DataError, match=r"number 1 is \('u2', 'a word'\), expected an Utterance"):
        read(GOOD, ("u2", "a word"))


def test_good_utterances_come_back_in_order_and_no_more_than_are_asked_for():
    many = [replace(GOOD, id=f"u{i}", domain=domain) for i, domain in enumerate((None, "source", "target"))]
    assert read(*many) == many
    assert read(*many[:2], "never looked at", limit=2) == many[:2]


def test_half_is_the_former_name_of_domain():
    fixed = replace(GOOD, half="target")
    assert (fixed.domain, fixed.half, replace(fixed, domain=None).half) == ("target", "target", None)
    assert fixed == replace(GOOD, domain="target")


# --- a reader that fails


def fail_midway(error):
    yield GOOD
    raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad row"), r"the reader of mine failed in utterances\(\): ValueError: bad row; .*--debug"),
        (PermissionError(13, "Permission denied", "a.csv"), r"cannot read mine at None: .*a\.csv.*permissions"),
        (DataError("the table is empty"), "^the table is empty$"),
        (SystemExit(0), r"the reader of mine failed in utterances\(\): SystemExit: 0"),
    ],
)
def test_a_reader_that_fails_is_named(error, message):
    reader = Mine()
    reader.given = fail_midway(error)
    with pytest.raises(DataError, match=message):
        read_utterances(reader, CARD, None)


def test_what_a_reader_prints_is_no_part_of_an_answer(capsys):
    with reading("mine", None, "describe()"):
        print("reading the tables ...")
    assert capsys.readouterr() == ("", "reading the tables ...\n")


def test_a_reader_that_returns_nothing_is_named():
    reader = Mine()
    reader.given = None
    with pytest.raises(DataError, match=r"the reader of mine failed in utterances\(\): TypeError"):
        read_utterances(reader, CARD, None)


@pytest.mark.parametrize("error", [UsageError("unknown"), MemoryError(), KeyboardInterrupt()])
def test_what_is_not_the_readers_fault_is_not_taken_for_it(error):
    with pytest.raises(type(error)), reading("mine", None, "describe()"):
        raise error
