"""The names of a validator's parameters are its permission: it gets these arrays, no others, and no target labels."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmda_bench.cli import main
from mmda_bench.registry import (
    VALIDATORS,
    Registry,
    UsageError,
    load_plugin,
    read_class,
    read_source,
    register_method,
    register_validator,
)
from mmda_bench.validator import ARRAYS, ORACLE
from mmda_bench.validators import score


@pytest.fixture
def plug(tmp_path):
    def load(parameters, body="return 1.0", name="mine"):
        lines = f"@register_validator('{name}', title='Mine', paper='none')\ndef mine({parameters}):\n    {body}\n"
        path = tmp_path / f"{name.replace('-', '_')}.py"
        path.write_text(
            f"import gc\nimport sys\nimport numpy as np\nfrom mmda_bench import register_validator\nSEEN = []\n{lines}"
        )
        load_plugin(path)
        return sys.modules[f"mmda_bench_plugin_{path.stem}"]

    return load


P = np.full((4, 2), 0.5)

REFUSED = [
    ("target_probs", "'target_probs' is not keyword-only"),
    ("target_probs, /", "'target_probs' is not keyword-only"),
    ("*everything", "'everything' is not keyword-only"),
    ("*, target_probs, **others", "'others' is not keyword-only"),
    ("*, test_labels", "may not see 'test_labels'; it may see: target_probs, target_logits, target_z"),
    ("*, target_probs, temperature=1.0", "may not see 'temperature'"),
    ("*, target_probs=0", "the default of 'target_probs' is 0; expected none, or None"),
    ("", "a validator that sees nothing scores nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("parameters", "message"), REFUSED)
def test_whatever_else_a_function_asks_for_is_refused(plug, tmp_path, parameters, message):
    with pytest.raises(UsageError, match=rf"plug-in .*mine.py: .*{message}"):
        plug(parameters)
    assert "mine" not in VALIDATORS.entries()
    with pytest.raises(UsageError, match=f"mine.py: mine: .*{message}"):  # as a built-in is: without importing it
        read_source(tmp_path / "mine.py", "mine", "built-in")


def test_a_validator_is_a_function_and_a_method_a_class(tmp_path):
    with pytest.raises(UsageError, match="validator mine: @register_validator decorates a function"):
        register_validator("mine", title="Mine", paper="none")(type("Mine", (), {}))
    with pytest.raises(UsageError, match="method mine: @register_method decorates a class"):
        register_method("mine", title="Mine", paper="none")(lambda: None)
    (tmp_path / "wrong.py").write_text("@register_validator('a', title='A', paper='none')\nclass A: ...\n")
    with pytest.raises(UsageError, match=r"wrong.py: A: @register_validator decorates a function"):
        read_source(tmp_path / "wrong.py", "wrong", "built-in")


@pytest.mark.parametrize("name", ["../evil", "Mine", "all", "a b"])
def test_a_validator_is_named_as_a_method_is(name):
    with pytest.raises(UsageError, match="cannot name a validator"):
        register_validator(name, title="T", paper="none")


def test_what_is_read_without_importing_is_what_the_function_says():
    for name, entry in VALIDATORS.entries().items():
        imported = {one.name: one for one in read_class(VALIDATORS.get(name), "built-in")}[name]
        assert (entry.sees, entry.doc, entry.title) == (imported.sees, imported.doc, imported.title)
        assert entry.sees
        assert entry.facts["paper"]


def test_a_registered_function_is_still_the_function(plug):
    module = plug("*, target_probs, anchor_probs=None", "return float(target_probs.sum())")
    assert VALIDATORS.get("mine") is module.mine
    assert VALIDATORS.entry("mine").sees == {"target_probs": True, "anchor_probs": False}
    assert VALIDATORS.entry("mine").origin == "plug-in mine.py"
    assert score("mine", {"target_probs": P}) == 4.0


@pytest.mark.slow
def test_an_installed_plug_in_is_found_and_a_broken_one_is_kept_with_its_reason(monkeypatch, plug):
    function = plug("*, target_probs").mine

    class Point:
        value, dist = "their.module:mine", None

        def __init__(self, name, load):
            self.name, self.load = name, load

    points = [Point("mine", lambda: function), Point("bare", lambda: len)]
    monkeypatch.setattr(sys.modules[Registry.__module__], "entry_points", lambda group: points)
    installed = Registry("validators", "mmda_bench.validators")
    assert installed.entry("mine").sees == {"target_probs": True}
    with pytest.raises(UsageError, match=r"bare cannot be used: .*is not decorated with @register_validator"):
        installed.entry("bare")


def test_only_what_is_named_is_handed_over_and_a_copy_that_cannot_be_written(plug):
    module = plug(
        "*, target_probs, source_z=None, weights=None", "SEEN.append((target_probs, source_z, weights)); return 2"
    )
    everything = {name: np.ones([3] * len(array.shape)) for name, array in ARRAYS.items()}
    del everything["weights"]
    assert score("mine", {**everything, "source_z": None, "nonsense": object()}) == 2.0
    ((probs, z, weights),) = module.SEEN
    assert np.array_equal(probs, everything["target_probs"])
    assert z is None
    assert weights is None
    assert probs.base is None
    with pytest.raises(ValueError, match="read-only"):
        probs[0] = 0


PLANTED = """
    def reachable(value, depth=6):
        yield value
        parts = gc.get_referents(value) if depth else []
        base = getattr(value, "base", None)
        for part in [*parts, *([] if base is None else [base])]:
            if not isinstance(part, (type, type(gc))):
                yield from reachable(part, depth - 1)
    places, frame = [target_probs], sys._getframe()
    while frame := frame.f_back:
        places.append(dict(frame.f_locals))
    every = (one for place in places for one in reachable(place, 2 + 4 * (place is target_probs)))
    found = [one for one in every if isinstance(one, np.ndarray) and one.dtype.kind == "f" and (one == 7).any()]
    return float(len(found))
"""


def test_a_planted_validator_that_looks_for_the_labels_elsewhere_finds_nothing(plug):
    """All arrays are views of one block, as they are of a file: what is handed over must not lead back to it."""
    plug("*, target_probs", PLANTED.strip())
    block = np.full((4, 3), 0.5)
    block[:, 2] = 7
    seen = {"target_probs": block[:, :2], "target_labels": block[:, 2]}
    assert VALIDATORS.get("mine")(target_probs=seen["target_probs"].copy()) > 0, "it can find them in its callers"
    with ThreadPoolExecutor(1) as apart:
        found = apart.submit(VALIDATORS.get("mine"), target_probs=seen["target_probs"]).result()
    assert found > 0, "it can find them in what its argument is a view of"
    assert score("mine", seen) == 0.0


def test_an_oracle_is_flagged_and_refused_unless_it_is_asked_for_as_one(plug):
    plug("*, target_probs, target_labels", "return float((target_probs.argmax(1) == target_labels).mean())")
    seen = {"target_probs": P, "target_labels": np.array([0, 0, 1, 1])}
    assert VALIDATORS.entry("mine").oracle
    with pytest.raises(UsageError, match=r"mine is an oracle: it reads target_labels.*oracle=True"):
        score("mine", seen)
    assert score("mine", seen, oracle=True) == 0.5


def test_labels_with_a_default_make_an_oracle_all_the_same(plug):
    plug("*, target_probs, target_labels=None")
    assert VALIDATORS.entry("mine").oracle
    with pytest.raises(UsageError, match="is an oracle"):
        score("mine", {"target_probs": P})


@pytest.mark.parametrize(
    ("name", "seen", "message"),
    [
        (
            "anchor",
            {"target_probs": P},
            r"anchor lacks anchor_probs: \(n, K\) class probabilities of .* the anchor alone",
        ),
        (
            "anchor",
            {"target_probs": P, "anchor_probs": P[:3]},
            r"anchor_probs of shape \(3, 2\): expected n = 4, as in t",
        ),
        ("im", {"target_probs": P[0]}, r"target_probs of shape \(2,\): expected \(n, K\) class probabilities"),
        ("im", {"target_probs": P[:0]}, r"target_probs of shape \(0, 2\) is empty"),
        ("im", {"target_probs": P * np.nan}, r"target_probs of shape \(4, 2\): expected finite numbers"),
        ("im", {"target_probs": P.astype(str)}, "expected finite numbers"),
        ("dev", {"source_probs": P, "weights": P[:, 0]}, "dev lacks losses, or source_probs and source_labels"),
        ("dev", {"losses": P[:, 0], "source_z": P}, "dev lacks weights, or source_z and target_z"),
        ("ensv", {"pool": P[None], "index": [0]}, r"index of shape \(1,\): expected which trial of the pool"),
        ("imm", {}, "unknown validator 'imm': did you mean im?"),
    ],
)
def test_what_is_lacking_or_does_not_fit_is_said(name, seen, message):
    with pytest.raises(UsageError, match=message):
        score(name, seen)


def test_listing_says_what_each_may_see_and_which_is_an_oracle(plug, capsys, monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mmda-bench", "list", "validators", *arguments])
        with pytest.raises(SystemExit, match="0"):
            main()
        return capsys.readouterr().out

    plug("*, target_labels, target_probs=None", name="a-cheat")
    text, table, listed = call(), call("--format", "md"), call("--json")
    assert "    sees: target_probs, anchor_probs\n" in text
    assert "    sees: target_labels, target_probs (optional): an ORACLE, it reads the labels of the target" in text
    assert text.index("\na-cheat  Mine") > text.index("\nsource  Source F1"), "oracles stand last"
    assert "| `im` | Shi and Sha" in table
    assert len({line.replace("\\|", "").count("|") for line in table.strip().splitlines()}) == 1
    facts = {entry["name"]: entry for entry in json.loads(listed)}
    assert facts["dev"]["sees"]["weights"] is False
    assert [name for name, entry in facts.items() if entry["oracle"]] == ["a-cheat"]


def test_listing_imports_none_of_them():
    code = (
        "import sys; from mmda_bench.registry import VALIDATORS; assert VALIDATORS.names()\n"
        "print({'numpy', 'scipy', 'sklearn', 'torch', 'mmda_bench.validators'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_name_of_the_contract_has_its_shape_in_words():
    assert str(ARRAYS["source_labels"]) == "(m,) class indices of the source validation utterances"
    assert str(ARRAYS["index"]) == "which trial of the pool is scored, from 0"
    assert ORACLE in ARRAYS
