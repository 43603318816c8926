"""What in a figure tells rows apart: a look of its own for each, and names that lie over nothing else."""

from hand_made import make_cell, make_record

from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures import chosen, scores, style
from mmda_bench.report.figures.scores import Estimate

VARIANTS = [
    *({"method": "a3d2", **settings} for settings in ({}, {"gamma2": 0.5}, {"detach": True}, {"off": ("aa",)})),
    {"method": "a3d2", "gamma1": 2000.0, "off": ("aa",)},
    *({"method": method, **settings} for method in ("dann", "cdan") for settings in ({}, {"align_on": "drifts"})),
]


def test_every_row_of_a_board_has_a_look_of_its_own_and_variants_keep_the_colour_of_their_method():
    (board,) = make_boards([make_record(make_cell(**variant)) for variant in VARIANTS])
    looks = chosen.looks_of(board)
    assert len(looks) == len(VARIANTS)
    assert len({(one.colour, one.marker) for one in looks.values()}) == len(looks)
    for method in ("a3d2", "dann", "cdan"):
        assert looks[method] == style.look(method), "the method itself looks as ever"
    assert looks["dann[align_on=drifts]"].colour == looks["dann"].colour
    of_a3d2 = [one.dashes for label, one in looks.items() if one.colour == looks["a3d2"].colour]
    assert len(set(of_a3d2)) == len(of_a3d2) == 3, "lines differ as well"


def test_lines_of_a_method_differ_in_the_severity_figure():
    looks = style.looks([("dann", "dann", ()), ("dann[align_on=drifts]", "dann", ())])
    points = [(0.5, Estimate(80.0)), (1.0, Estimate(70.0))]
    figure = scores.f1_against_severity("severity", {"A": [(name, how, points) for name, how in looks.items()]})
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert [line.get_linestyle() for line in lines] == ["-", "--"]
    assert len({line.get_marker() for line in lines}) == 2
