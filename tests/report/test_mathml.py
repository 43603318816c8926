"""Formulas in running text as MathML: well-formed, and nothing of the text is lost."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmda_bench.registry import METHODS, catalogue
from mmda_bench.report.formats.mathml import LOWERED, RAISED, mathml

EVERY = {entry.name: catalogue.objective(entry) for entry in METHODS.entries().values()}


def read(text):
    return ElementTree.fromstring(f"<p>{mathml(text)}</p>")


def plain(text):
    """What must be left of a text: all but marks of scripts, groups, code, and spaces, which MathML has as elements."""
    text = "".join(RAISED.get(c, LOWERED.get(c, c)) for c in text)
    return sorted(re.sub(r"[_^{}`\s]", "", text))


@pytest.mark.parametrize("name", EVERY)
def test_the_objective_of_every_method_is_well_formed_and_whole(name):
    found = read(EVERY[name])
    assert plain("".join(found.itertext())) == plain(EVERY[name])
    if set("_^Σ‖") & set(EVERY[name].replace("``", "")):
        assert found.find("math") is not None


@given(st.text(alphabet="abZσΣπ_^{}()[] ·+−‖²₁<&\"'`,.1", max_size=40))
def test_any_text_gives_markup_that_is_whole(text):
    assert plain("".join(read(text).itertext())) == plain(text)


def test_scripts_functions_and_products_are_told_from_prose():
    found = read("weight · mean BCE(D(GRL_λ(p^s ⊗ z_m)), domain), p detached in the product.")
    one, other = found.findall("math")
    assert [element.text for element in one.iter("mi")] == ["weight"]
    assert {(e.tag, *(part.text for part in e)) for e in other.iter() if e.tag in ("msub", "msup")} == {
        ("msub", "GRL", "λ"), ("msup", "p", "s"), ("msub", "z", "m"),
    }  # fmt: skip
    assert "domain" in "".join(other.itertext())
    assert other.tail == ", p detached in the product."


def test_a_text_without_formulas_stays_as_it_is():
    assert mathml("no target <data> is used") == "no target &lt;data&gt; is used"
    assert "<code>--heads bn</code>" in mathml("heads (``--heads bn``)")


def test_a_digit_behind_a_greek_letter_a_star_and_a_transposed_matrix_are_scripts():
    found = read("γ1 · Σ_m ⟨C_m, π*_m⟩ of scale·P Pᵀ with 10π")
    scripts = {(e.tag, *(part.text for part in e)) for e in found.iter() if e.tag in ("msub", "msup", "msubsup")}
    assert {("msub", "γ", "1"), ("msubsup", "π", "m", "*"), ("msup", "P", "T")} <= scripts
    assert "·" in [element.text for element in found.iter("mo")]
    assert [element.text for element in found.findall("math")[-1]] == ["10", "π"]
