"""What a plug-in declares is checked when it is read, and a plug-in that cannot be used is said, not crashed on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmda_bench import registry
from mmda_bench.errors import UsageError
from mmda_bench.protocol import SUPERVISED
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, Registry, declare, load_plugin

REGISTRIES = (METHODS, DATASETS, BACKBONES)


@pytest.fixture
def plug(tmp_path: Path) -> Callable[[str], None]:
    def load(text: str) -> None:
        (tmp_path / "mine.py").write_text(f"from mmda_bench import Method, register_method\nimport sys\n{text}\n")
        load_plugin(tmp_path / "mine.py")

    return load


def method(init: str, *, decorator: str = 'register_method("mine", title="Mine", paper="none")') -> str:
    return f"@{decorator}\nclass Mine(Method):\n    def __init__({init}): super().__init__(ctx)\n"


@pytest.mark.parametrize(
    "register",
    [
        lambda name: registry.register_method(name, title="T", paper="none"),
        lambda name: registry.register_dataset(name, title="T"),
        lambda name: registry.register_backbone(name, title="T"),
    ],
    ids=["method", "dataset", "backbone"],
)
@pytest.mark.parametrize(
    "name",
    [*("../evil", "a/b", "", "-dt", "x[y]", "dt,x", "Mine", "a b", "1st", "a-", "a--b", "dt\n", "é", ".", "a.b", 5),
     *("all", "ablation", SUPERVISED)],
)  # fmt: skip
def test_a_name_that_cannot_be_a_folder_or_a_word_of_a_command_is_refused(register, name) -> None:
    with pytest.raises(UsageError, match=r"cannot name a (method|dataset|backbone)"):
        register(name)


def test_all_built_in_names_are_such_names() -> None:
    names = [name for one in REGISTRIES for name in one.names()]
    assert "cdan+e" in names
    assert [name for name in names if not declare.NAME.fullmatch(name)] == []


def test_a_plug_in_with_a_refused_name_says_so(plug) -> None:
    decorator = 'register_method("../evil", title="x", paper="none")'
    with pytest.raises(UsageError, match=r"plug-in .*mine.py: '../evil' cannot name a method; use lower-case"):
        plug(method("self, ctx", decorator=decorator))


@pytest.mark.parametrize(("line", "reason"), [("sys.exit('no licence')", "SystemExit: no licence"), ("1/0", "ZeroDi")])
def test_a_plug_in_file_that_fails_or_exits_at_import_is_said(plug, line, reason) -> None:
    with pytest.raises(UsageError, match=f"failed to import: {reason}"):
        plug(line)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (ImportError("no torch"), "ImportError: no torch"),
        (UsageError("'a/b' cannot"), "'a/b' cannot"),
    ],
)
def test_an_installed_plug_in_that_fails_or_exits_is_listed_with_the_reason(monkeypatch, error, reason) -> None:
    class Point:
        name, value, dist = "theirs", "their.module:Theirs", None

        def load(self):
            raise error

    monkeypatch.setattr("mmda_bench.registry.registry.entry_points", lambda group: [Point()])
    methods = Registry("methods", "mmda_bench.methods")
    assert methods.entries()["theirs"].reason == reason
    assert "dt" in methods.names()
    with pytest.raises(UsageError, match="theirs cannot be used"):
        methods.entry("theirs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("self, ctx, weight=1.0", r"method mine: 'weight' of __init__ is positional.*write hyper-parameters as in"),
        ("self, ctx, weight", "'weight' of __init__ is positional"),
        ("self, ctx, *, weight", "'weight' of __init__ has no default"),
        ("self, ctx, *, weight=float('inf')", "the default of 'weight' is inf; expected a finite number"),
        ("self, ctx, *, weight=float('nan')", "the default of 'weight' is nan"),
        ("self, ctx, *, sizes=(1, 2)", r"the default of 'sizes' is \(1, 2\)"),
        ("self, ctx, *, sizes=[(1, 2)]", r"the default of 'sizes' is \[\(1, 2\)\]"),
        ("self, ctx, *, weight=sys", "the default of 'weight' is <module"),
        ("self, ctx, *, weight={1: 2}", "the default of 'weight' is {1: 2}"),
        ("self, ctx, *, weight=__import__('torch').ones(2)", r"the default of 'weight' is tensor\("),
        ("self, ctx, *, weight=__import__('numpy').float64(1)", "the default of 'weight' is np.float64"),
    ],
)
def test_a_hyper_parameter_that_no_record_or_run_could_hold_is_refused(plug, tmp_path, init, message) -> None:
    with pytest.raises(UsageError, match=message):
        plug(method(init))
    assert "mine" not in METHODS.entries()
    with pytest.raises(UsageError, match=f"{tmp_path / 'mine.py'}: Mine: "):  # as a built-in is: without importing it
        registry.read_source(tmp_path / "mine.py", "mine", "built-in")


def test_an_override_is_held_to_the_same(plug) -> None:
    with pytest.raises(UsageError, match="the default of 'weight' is inf"):
        plug(method("self, ctx, *, weight=1.0", decorator='register_method("mine", title="M", paper="none", '
                    'overrides={"weight": float("inf")})'))  # fmt: skip


def test_numbers_texts_and_lists_are_hyper_parameters(plug) -> None:
    plug(method("self, ctx, *, a=1, b=1.5, c='x', d=None, e=True, f=[1, 2], **others"))
    assert METHODS.entry("mine").parameters == {"a": 1, "b": 1.5, "c": "x", "d": None, "e": True, "f": [1, 2]}


def test_a_refused_plug_in_can_be_repaired_and_loaded_in_the_same_process(plug) -> None:
    with pytest.raises(UsageError):
        plug(method("self, ctx, weight=1.0"))
    plug(method("self, ctx, *, weight=1.0  "))
    assert METHODS.entry("mine").parameters == {"weight": 1.0}


def test_what_is_registered_replaced_or_removed_in_isolation_is_undone_even_by_an_error(plug, tmp_path) -> None:
    before = {one.kind: dict(one.entries()) for one in REGISTRIES}
    dann = METHODS.get("dann")

    def everything_changes() -> None:
        plug(method("self, ctx"))
        DATASETS.entries().pop("avatars")
        BACKBONES.entries()["tiny"] = BACKBONES.entry("paper")
        raise KeyError

    with pytest.raises(KeyError), registry.isolated():
        everything_changes()
    assert {one.kind: one.entries() for one in REGISTRIES} == before
    assert METHODS.get("dann") is dann


def test_a_plug_in_file_that_was_loaded_in_isolation_can_be_loaded_again_and_others_stay(plug, tmp_path) -> None:
    plug(method("self, ctx"))
    outside = METHODS.get("mine")
    theirs = tmp_path / "theirs.py"
    theirs.write_text((tmp_path / "mine.py").read_text().replace('"mine"', '"theirs"'))
    seen = []
    for _ in range(2):
        with registry.isolated():
            load_plugin(theirs)
            seen.append(METHODS.get("theirs"))
            plug(method("self, ctx"))
            assert METHODS.get("mine") is outside
        assert "theirs" not in METHODS.entries()
    assert seen[0] is not seen[1]
