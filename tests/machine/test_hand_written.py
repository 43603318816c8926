"""Files of settings that people write by hand: what is unclear is refused, and the file is named."""

import pytest

from mmda_bench.errors import UsageError
from mmda_bench.machine.hand_written import read_hand_written


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.yaml", b"seeds: 2"), ("a.YML", b"\xef\xbb\xbfseeds: 2"), ("a.toml", b"\xef\xbb\xbfseeds = 2")],
)
def test_settings_are_read_whatever_the_editor_left_in_front(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_hand_written(tmp_path / name, option="--config") == {"seeds": 2}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.yaml", "methods: dt\nmethods: dann", "is not valid YAML: 'methods' stands there twice"),
        ("a.yaml", "A: {b: 1, b: 2}", "'b' stands there twice"),
        ("a.toml", "a = 1\na = 2", "is not valid TOML"),
        ("a.yaml", "a: " + "[" * 5_000, "is not valid YAML"),
        ("a.yaml", "a: [", "is not valid YAML"),
        ("a.json", "{}", "expected a file that ends in"),
        ("absent/a.yaml", None, "cannot be read: No such file"),
    ],
)
def test_what_is_unclear_is_refused(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=f"^--shift .*{reason}"):
        read_hand_written(tmp_path / name, option="--shift")
