"""The long runs of this folder, as short as they still say something."""

import shutil

import numpy as np
import pytest

from mmda_bench import registry
from mmda_bench.errors import MessageError
from tests.system import fuzz, inputs

REFUSED_WHOLE = {"old.pth", "a.yaml"}  # these bring code


@pytest.mark.system
@pytest.mark.parametrize("make", inputs.KINDS, ids=lambda make: make.name)
def test_what_is_whole_is_taken(make, tmp_path, capsys):
    """Otherwise damage would be refused for another reason."""
    kind = make(tmp_path / "kind")
    for path in kind.targets(sorted(path for path in kind.whole.rglob("*") if path.is_file())):
        shutil.rmtree(kind.damaged, ignore_errors=True)
        shutil.copytree(kind.whole, kind.damaged)
        kind.file = kind.damaged / path.relative_to(kind.whole)
        with registry.isolated():
            if path.name in REFUSED_WHOLE:
                with pytest.raises(MessageError):
                    kind.look()
            else:
                assert kind.look() == ""
    assert not kind.canary.exists()


@pytest.mark.system
def test_damaged_inputs_of_every_kind_hold(tmp_path):
    tallies = fuzz.run(150, seed=7, folder=tmp_path)
    assert [fault for tally in tallies.values() for fault in tally.faults] == []
    assert sum(tally.tried for tally in tallies.values()) >= 140


def test_the_same_seed_damages_in_the_same_way(tmp_path):
    found = []
    for name in ("a", "b"):
        kind = inputs.Submissions(tmp_path / name)
        fuzz.attempt(kind, fuzz.random.Random("x"), fuzz.Tally(), "x")
        found.append([np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(kind.damaged.glob("mine.csv"))])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


class Careless(inputs.Sweeps):
    """A product that trusts."""

    def look(self):
        raise KeyError("x")


def test_an_error_that_is_no_message_is_a_fault(tmp_path):
    tally = fuzz.Tally()
    fuzz.attempt(Careless(tmp_path / "x"), fuzz.random.Random(0), tally, "x")
    assert [kind for _, kind, _ in tally.faults] == ["internal error"]
    assert "| 1 | 0 |" in fuzz.table({"x": tally})
