"""The figure of how strongly each term acts beside L_IB: what is drawn are the ratios in the records."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hand_made import make_cell, make_record

from mmda_bench.errors import UsageError
from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures import balance, gallery, style
from mmda_bench.store import Store


def record(method, anchor, seed, terms, **params):
    gradients = {"ib": {m: [2.0] * 3 for m in "ALV"}}
    for name, values in terms.items():
        none = [None if value is None else 0.0 for value in values]
        gradients[name] = {"A": none, "L": values, "V": none}
    curves = {"terms": {}, "gradients": gradients}
    return make_record(make_cell(method, anchor, seed, **params), curves=curves)


def records():
    weak, strong = [0.01, 0.01, 0.01], [1.0, 8.0, 4.0]
    found = [record("a3d2", anchor, seed, {"add_L": weak, "aa_L": strong}) for anchor in "AV" for seed in range(2)]
    return [*found, record("dann", "A", 0, {"domain": [0.2, None, 0.4]}), make_record(make_cell("dt", "A"))]


def test_what_is_drawn_is_the_gradient_of_each_term_over_that_of_the_objective():
    measured = balance.balance(records()[:4])
    assert set(measured) == {"A", "V"}
    np.testing.assert_allclose(measured["A"]["aa_L"], [[0.5, 4.0, 2.0]] * 2)
    figure = balance.term_balance("balance", {"A3D2": measured, "DANN": balance.balance(records()[4:5])})
    first = figure.axes[0]
    drawn = {line.get_label(): line for line in first.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(drawn["domain (AA), lexical"].get_ydata(), [0.5, 4.0, 2.0])
    np.testing.assert_allclose(drawn["anchor drag (ADD), lexical"].get_ydata(), [0.005] * 3)
    assert first.get_yscale() == "log"
    assert figure.get_supylabel() == "gradient of a term over that of the source objective"
    (domain,) = [line for line in figure.axes[2].lines if line.get_label() == "domain"]
    np.testing.assert_allclose(domain.get_xdata(), [1, 3], err_msg="an epoch that was not recorded is left out")
    ElementTree.fromstring(style.svg(figure))


def test_the_band_is_the_range_of_the_seeds_and_the_line_their_geometric_mean():
    runs = [record("a3d2", "A", seed, {"aa_L": [2.0 * x] * 3}) for seed, x in enumerate((0.25, 4.0))]
    figure = balance.term_balance("balance", {"A3D2": balance.balance(runs)})
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "domain (AA), lexical"]
    np.testing.assert_allclose(line.get_ydata(), [1.0] * 3)
    band = figure.axes[0].collections[-1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.25, 4.0))


def test_whoever_cannot_see_it_is_told_which_terms_are_too_weak_or_too_strong(tmp_path):
    board = make_boards(records())[0]
    makers = gallery._makers(board, "", [board], Store(tmp_path), None)
    (make,) = [make for kind, _, make in makers if kind == "balance"]
    _, caption, alt = make()
    assert "the term hardly acts" in caption
    assert "A3D2: anchor A, domain (AA), lexical: its gradient at Z is 4 × L_IB's: it dominates" in alt
    assert "anchor V, anchor drag (ADD), lexical: its gradient at Z is 1/200 of L_IB's: it hardly acts" in alt
    assert "DANN" not in alt


def test_a_board_of_older_records_says_what_it_lacks(tmp_path):
    boards = make_boards([make_record(make_cell("dt", "A"))])
    with pytest.raises(UsageError, match="older records lack them"):
        gallery.figure(boards, Store(tmp_path), "balance")
