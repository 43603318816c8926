"""A prepared folder is read as data.md describes it, and what can be wrong with its tables is said clearly."""

import json

import pytest
import soundfile
from prepared import CLASSES, HEADER, broken, pictures, read, table, tone, write

from mmda_bench.datasets.folder.reader import Folder
from mmda_bench.errors import ClipError


def test_rows_become_utterances(tmp_path):
    utterances = read(write(tmp_path, table()))
    assert [u.id for u in utterances[:2]] == ["v_000", "v_001"]
    assert utterances[3].text == "words, number 3"
    assert [u.label for u in utterances[:3]] == [0, 1, 0]
    assert {u.domain for u in utterances} == {None}
    card = Folder().describe(tmp_path)
    assert card.classes == CLASSES
    assert card.fractions == (0.6, 0.2, 0.2)
    assert (card.shift.noise, card.shift.masked) == (0.01, 0.4)


def test_two_tables_fix_the_halves(tmp_path):
    write(tmp_path, table(prefix="s"), name="label_s.csv")
    write(tmp_path, table(prefix="t"), name="label_t.csv")
    assert [u.domain for u in read(tmp_path)] == ["source"] * 20 + ["target"] * 20


def test_crlf_quotes_and_a_byte_order_mark_are_read(tmp_path):
    lines = table()
    lines[1] = 'v,000,"she said ""no"", and left",train,calm'
    lines[0] = "\ufeff" + lines[0]
    utterances = read(write(tmp_path, lines, newline="\r\n"))
    assert utterances[0].text == 'she said "no", and left'
    assert len(utterances) == 20


def test_columns_may_come_in_another_order_and_bring_a_speaker(tmp_path):
    rows = [f"{CLASSES[i % 2]},hello,{i},v,ann" for i in range(20)]
    utterances = read(write(tmp_path, ["emotion,text,clip_id,video_id,speaker", *rows]))
    assert (utterances[5].id, utterances[5].speaker, utterances[5].label) == ("v_5", "ann", 1)


def test_dataset_json_overrides_the_defaults(tmp_path):
    facts = {"classes": ["glad", "calm"], "fractions": [0.4, 0.1, 0.5], "synthetic": True, "title": "Mine"}
    facts["shift"] = {"noise": 0.005, "brightness": 0.3, "visual_noise": 0.05, "masked": 0.2}
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    card = Folder().describe(write(tmp_path, table()))
    assert card.classes == ("glad", "calm")
    assert card.fractions == (0.4, 0.1, 0.5)
    assert (card.title, card.synthetic, card.shift.brightness) == ("Mine", True, 0.3)
    assert read(tmp_path)[0].label == 1


def test_the_version_follows_what_the_folder_holds(tmp_path):
    versions = [Folder().describe(write(tmp_path, table())).version]
    soundfile.write(tmp_path / "v_000.wav", tone(900), 16_000)
    versions.append(Folder().describe(tmp_path).version)
    pictures(tmp_path / "v_000", 3)
    versions.append(Folder().describe(tmp_path).version)
    (tmp_path / "v_000" / "frame_1.jpg").unlink()
    versions.append(Folder().describe(tmp_path).version)
    versions.append(Folder().describe(write(tmp_path, table(21))).version)
    (tmp_path / "dataset.json").write_text('{"title": "Mine"}')
    versions.append(Folder().describe(tmp_path).version)
    assert len(set(versions)) == len(versions)
    assert Folder().describe(tmp_path).version == versions[-1]


def test_a_link_that_leads_nowhere_is_a_file_of_unknown_size_and_costs_its_clip_alone(tmp_path):
    """git-annex and datalad leave such links for files that were not fetched."""
    write(tmp_path, table())
    (pictures(tmp_path / "v_000", 3) / "frame_1.jpg").unlink()
    (tmp_path / "v_001.wav").symlink_to(tmp_path / "annex" / "1")
    without = Folder().describe(tmp_path).version
    (tmp_path / "v_000" / "frame_1.jpg").symlink_to(tmp_path / "annex" / "0")
    assert Folder().describe(tmp_path).version != without
    with pytest.raises(ClipError, match=r"frame_1\.jpg is not a readable picture"):
        read(tmp_path)[0].frames()
    with pytest.raises(ClipError, match=r"v_001\.wav is missing"):
        read(tmp_path)[1].waveform()


# --- what can be wrong with them


def test_no_root_and_no_such_root_say_how_to_get_one(tmp_path):
    assert "--data-root" in broken(None)
    message = broken(tmp_path / "nowhere")
    assert "nowhere" in message
    assert "data export" in message


def test_a_folder_without_a_table_lists_what_it_has(tmp_path):
    (tmp_path / "train.tsv").touch()
    message = broken(tmp_path)
    assert "labels.csv" in message
    assert "train.tsv" in message


def test_half_of_the_two_tables_is_not_enough(tmp_path):
    assert "label_t.csv" in broken(write(tmp_path, table(), name="label_s.csv"))


def test_one_table_and_two_tables_contradict_each_other(tmp_path):
    write(tmp_path, table())
    assert "alone" in broken(write(tmp_path, table(), name="label_s.csv"))


def test_a_missing_column_is_named(tmp_path):
    message = broken(write(tmp_path, ["video_id,clip_id,text,mode,label", "v,0,hi,,calm"]))
    assert "lacks the column emotion" in message
    assert "found video_id, clip_id, text, mode, label" in message


@pytest.mark.parametrize(("lines", "expected"), [([], "is empty"), ([HEADER], "no rows")])
def test_an_empty_table_is_said_to_be_empty(tmp_path, lines, expected):
    assert expected in broken(write(tmp_path, lines))


def test_an_id_that_appears_twice_is_named_with_both_lines(tmp_path):
    message = broken(write(tmp_path, [*table(), "v,003,again,,calm"]))
    assert "v_003 appears twice" in message
    assert "line 5" in message
    assert "line 22" in message


def test_an_id_in_both_tables_appears_twice(tmp_path):
    write(tmp_path, table(), name="label_s.csv")
    assert "label_s.csv line 2 and label_t.csv line 2" in broken(write(tmp_path, table(), name="label_t.csv"))


def test_an_unquoted_comma_is_explained(tmp_path):
    message = broken(write(tmp_path, [*table(), "v,100,well, no,train,calm"]))
    assert "line 22: 6 fields, but the header has 5" in message
    assert "double quotes" in message


def test_an_unpaired_quote_does_not_swallow_the_rest(tmp_path):
    lines = table()
    lines[4] = 'v,003,"open,train,glad'
    message = broken(write(tmp_path, lines))
    assert "is not valid csv" in message
    assert "unpaired quote" in message


def test_bytes_that_are_not_utf8_are_located(tmp_path):
    (tmp_path / "labels.csv").write_bytes("\n".join([*table(), "v,100,café,,calm"]).encode("latin1"))
    message = broken(tmp_path)
    assert "line 22: byte 0xe9 is not UTF-8" in message
    assert "iconv" in message


def test_a_row_without_emotion_is_named(tmp_path):
    assert "line 22: emotion is empty" in broken(write(tmp_path, [*table(), "v,100,hi,train,"]))


def test_an_emotion_outside_the_classes_is_named(tmp_path):
    (tmp_path / "dataset.json").write_text('{"classes": ["calm", "glad"]}')
    assert "'furious'" in broken(write(tmp_path, [*table(), "v,100,hi,train,furious"]))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_class_too_small_for_the_split_is_an_empty_class(tmp_path, count):
    (tmp_path / "dataset.json").write_text('{"classes": ["calm", "glad", "rare"]}')
    rare = [f"v,{100 + i},hi,train,rare" for i in range(count)]
    message = broken(write(tmp_path, [*table(), *rare]))
    assert f"empty class: rare has {count} utterances of {20 + count}" in message


def test_eight_of_a_class_are_enough(tmp_path):
    rare = [f"v,{100 + i},hi,train,rare" for i in range(8)]
    assert len(read(write(tmp_path, [*table(), *rare]))) == 28


def test_a_single_class_is_no_task(tmp_path):
    assert "at least two" in broken(write(tmp_path, [HEADER, *(f"v,{i},hi,,calm" for i in range(20))]))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"classes": "calm"}',
        '{"shift": {"noise": 1}}',
        '{"shift": {"noise": NaN, "brightness": 1, "visual_noise": 0, "masked": 0}}',
        '{"fractions": [0.5, 0.5]}',
        '{"fractions": [1, 1, 1]}',
    ],
)
def test_a_dataset_json_that_makes_no_sense_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    assert "dataset.json cannot be used" in broken(write(tmp_path, table()))


@pytest.mark.parametrize("text", ['{"shift": {"noise": 1' + "0" * 400 + "}}", '{"shift": ' + "[" * 100_000])
def test_numbers_and_depths_that_python_cannot_hold_are_told_of_the_file(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    assert "dataset.json cannot be used" in broken(write(tmp_path, table()))
