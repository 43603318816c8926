"""Plug-in files: helpers beside them, digests, and a process that stays as it was."""

import sys
import warnings

import pytest
import torch
import torch.nn.functional as F

import mmda_bench
from mmda_bench.errors import UsageError
from mmda_bench.machine.as_before import PutBackWarning
from mmda_bench.registry import METHODS, by_value, isolated, load_plugin, register, register_method
from mmda_bench.registry.isolation import anew
from mmda_bench.registry.plugins import needed, read_plugin
from mmda_bench.registry.session import unpickled
from mmda_bench.store.provenance import source_digest

pytestmark = pytest.mark.slow

MINE = """
from mmda_bench import Method, register_method
{imports}
@register_method("mine", title="Mine", paper="none")
class Mine(Method):
    seen = []
    def value(self):
        {body}
"""


@pytest.fixture
def plug(tmp_path):
    def write(imports="", body="return 1", folder="a", stem="mine", **files):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / folder / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        path = tmp_path / folder / f"{stem}.py"
        path.write_text(MINE.format(imports=imports, body=body))
        return path

    return write


def value():
    return METHODS.get("mine").value(None)


def test_helpers_beside_a_plug_in_are_imported_now_and_later_packages_too(plug):
    file = plug(
        "import kernelly\nfrom boxed.inner import two", "import latey; return (kernelly.one, two, latey.three)",
        kernelly="from latey import three\none = three - 2", latey="three = 3", boxed__in____init__="",
        boxed__in__inner="from .deep import two", boxed__in__deep="two = 2",
    )  # fmt: skip
    path = list(sys.path)
    load_plugin(file)
    assert value() == (1, 2, 3)
    assert sys.path == path


def test_this_package_is_no_helper_of_a_plug_in_that_lies_beside_it_in_a_clone(plug, monkeypatch):
    file = plug(mmda_bench__in____init__="raise SystemExit")
    monkeypatch.setattr(mmda_bench.__spec__, "origin", str(file.parent / "mmda_bench" / "__init__.py"))
    assert read_plugin(file).helpers == {}


def test_the_content_of_helpers_counts_and_a_plug_in_alone_has_the_digest_of_its_file(plug):
    import hashlib

    alone = plug()
    assert read_plugin(alone).digest == hashlib.sha256(alone.read_bytes()).hexdigest()
    file = plug("import kernelly", "return kernelly.one", kernelly="one = 1")
    load_plugin(file)
    first = source_digest("mine")
    assert (value(), first) == (1, read_plugin(file).digest[:12])
    file.with_name("kernelly.py").write_text("one = 10")
    file.with_name("unrelated.py").write_text("other = 1")
    load_plugin(file)
    assert value() == 10, "a changed helper is loaded anew"
    assert source_digest("mine") not in (None, first)


def test_what_was_read_runs_whatever_the_files_hold_by_then(plug):
    file = plug("import kernelly", "return kernelly.one", kernelly="one = 1")
    plugin = read_plugin(file)
    file.with_name("kernelly.py").write_text("one = 2")
    file.write_text("broken(")
    load_plugin(plugin)
    assert value() == 1


def test_a_library_is_never_hidden_by_a_file_of_its_name(plug):
    file = plug("import numpy, json", "return numpy.ones(1)[0]", numpy="ones = None", json="dumps = None")
    load_plugin(file)
    assert value() == 1
    assert read_plugin(file).helpers == {}
    with pytest.raises(UsageError, match=r"colorsys.py beside it is hidden by the installed library"):
        load_plugin(plug("from colorsys import mine", colorsys="mine = 1", folder="b"))


def test_two_helpers_of_one_name_are_refused(plug):
    load_plugin(plug("import kernelly", "return kernelly.one", kernelly="one = 1"))
    with pytest.raises(UsageError, match="two helpers named kernelly"):
        load_plugin(plug("import kernelly", "return kernelly.one", folder="b", stem="other", kernelly="one = 2"))


def test_what_a_plug_in_changes_when_it_is_loaded_is_put_back_and_said(plug):
    original = F.cross_entropy
    body = "import torch, torch.nn.functional as F\nF.cross_entropy = print\ntorch.set_default_dtype(torch.float64)"
    with pytest.warns(
        PutBackWarning, match=r"mine.py changes, .* torch.nn.functional.cross_entropy; that was put back"
    ):
        load_plugin(plug(body))
    assert F.cross_entropy is original
    assert torch.get_default_dtype() == torch.float32


MUTE = "class E(Exception):\n    def __str__(self): raise ValueError\nraise E"


@pytest.mark.parametrize(
    ("body", "said"),
    [("raise GeneratorExit", "GeneratorExit"), ("raise BaseException('x')", "BaseException: x"), (MUTE, "E: its text")],
)
def test_whatever_a_plug_in_raises_is_a_message(plug, body, said):
    with pytest.raises(UsageError, match=f"failed to import: {said}"):
        load_plugin(plug(body))


def test_only_the_plug_ins_of_what_is_asked_for_are_needed(plug):
    plugin = load_plugin(plug())
    assert needed([plugin], {"methods": "mine"}) == (plugin,)
    assert needed([plugin], {"methods": "dt", "datasets": "mine"}) == ()


STATES = {
    "a class attribute": ("", "self = Mine; self.seen.append(1); return len(self.seen)"),
    "a global": ("count = [0]", "count[0] += 1; return count[0]"),
    "a cache": (
        "import functools, itertools\ndraw = functools.cache(itertools.count(1).__next__)\nturns = itertools.count(1)",
        "return draw() * next(turns)",
    ),
    "a default argument": ("def count(seen=[]):\n    seen.append(1)\n    return len(seen)", "return count()"),
    "a helper's global": ("import kernelly", "kernelly.count.append(1); return len(kernelly.count)"),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_plug_in_that_keeps_something_is_anew_each_time(plug, state):
    plugin = load_plugin(plug(*state, kernelly="count = []"))
    assert [value(), value()] == [1, 2]
    for _ in range(2):
        with anew([plugin], [], {"methods": "mine"}):
            assert value() == 1
    assert value() == 3, "the process is as it was, the class that it had before included"


def test_a_class_of_this_session_is_anew_each_time():
    @register_method("kept", title="Kept", paper="none")
    class Kept:
        seen = []

        def value(self):
            Kept.seen.append(1)
            return len(Kept.seen)

    Kept.__module__ = "__main__"  # as in a notebook
    register(Kept)
    (pickled,) = by_value(["kept"])
    assert [Kept().value(), Kept().value()] == [1, 2]
    for _ in range(2):
        with anew([], [pickled], {"methods": "kept"}):
            assert METHODS.get("kept")().value() == 1
    assert METHODS.get("kept") is Kept
    assert unpickled(pickled) is not Kept


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with an entry point for the method ``theirs``, and another that must not be imported for it."""
    for name in ("theirs", "others"):
        (tmp_path / f"{name}_package.py").write_text(
            "from mmda_bench import Method, register_method\nseen = []\n"
            f'@register_method("{name}", title="T", paper="none")\nclass Mine(Method):\n'
            "    def value(self):\n        seen.append(1)\n        return len(seen)\n"
        )
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mmda_bench.methods]\n{name} = {name}_package:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(METHODS, "_known", None)
    monkeypatch.setattr(METHODS, "_points", None)
    yield
    for name in ("theirs_package", "others_package"):
        sys.modules.pop(name, None)


def test_installed_plug_ins_are_imported_where_they_are_used(installed):
    with isolated():
        METHODS.get("dt")
        assert METHODS.find("target-supervised") is None
        assert "theirs_package" not in sys.modules
        assert METHODS.get("theirs").value(None) == 1
        assert "others_package" not in sys.modules
        with anew([], [], {"methods": "theirs"}):
            assert METHODS.get("theirs").value(None) == 1
        assert METHODS.get("theirs").value(None) == 2
        assert "others" in METHODS.names()


def test_no_warning_is_given_for_an_honest_plug_in(plug):
    with warnings.catch_warnings():
        warnings.simplefilter("error", PutBackWarning)
        load_plugin(plug("import torch, numpy as np\nwith np.errstate(all='raise'):\n    pass"))
