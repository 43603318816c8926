"""A hyper-parameter that a method gets later leaves the keys of its cells as they were, while it has its default."""

from dataclasses import replace

import pytest
from hand_made import make_cell

from mmda_bench import registry
from mmda_bench.errors import UsageError
from mmda_bench.method import Method
from mmda_bench.protocol import Cell
from mmda_bench.registry import METHODS, register_method
from mmda_bench.registry.spec import label, parse_spec
from mmda_bench.selection import trials


def of(text: str) -> Cell:
    spec = parse_spec(text)
    return replace(make_cell("a3d2"), params=spec.params, off=spec.off)


def test_a_later_parameter_is_in_the_key_only_where_it_is_changed() -> None:
    old = replace(make_cell("a3d2"), params={"gamma1": 10.0, "gamma2": 20.0, "hidden": 256})
    assert of("a3d2").key() == of("a3d2[detach=no]").key() == old.key()
    changed = of("a3d2[detach=yes]")
    assert changed.params == {**old.params, "detach": True}
    assert changed.hash != old.hash
    assert label("a3d2", changed.params) == "a3d2[detach=True]"
    assert of("a3d2[detach=True]") == changed == Cell.from_key(changed.key())


def test_trials_have_the_keys_of_runs() -> None:
    settings = trials(METHODS.entry("a3d2"), 16)
    assert settings[0].params == of("a3d2").params
    assert {setting.params.get("detach") for setting in settings} == {None, True}


def declared(**facts: object) -> registry.Entry:
    @register_method("later", title="Later", paper="none", **facts)  # type: ignore[arg-type]
    class Later(Method):
        def __init__(self, ctx, *, first: float = 1.0, second: int = 2) -> None:
            super().__init__(ctx)

    return registry.read_class(Later, "test")[0]


def test_a_variant_that_changes_a_later_parameter_always_says_so() -> None:
    plain, variant = declared(added=("second",)), declared(added=("second",), overrides={"second": 7})
    assert plain.settings() == {"first": 1.0}
    assert plain.settings({"second": 3}) == {"first": 1.0, "second": 3}
    assert variant.settings() == {"first": 1.0, "second": 7}, "otherwise it would be built with 2"
    assert variant.settings({"second": 2}) == {"first": 1.0, "second": 2}


def test_what_is_said_to_be_added_must_exist() -> None:
    with pytest.raises(UsageError, match="'third' is said to be added, but __init__ does not take it"):
        declared(added=("third",))
