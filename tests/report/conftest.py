"""The boards and figures of one full page, drawn once for all tests of the page."""

import pytest
from pages import boards_of, spoiled, sweep

from mmda_bench.report.figures import domains, gallery, style
from mmda_bench.store import Store


@pytest.fixture(scope="session")
def full_boards():
    """Three methods and the bounds, two seeds; CDAN lacks a cell and has no average."""
    return boards_of(spoiled(sweep(), "L", 1, "term domain is NaN in epoch 3"))


@pytest.fixture(scope="session")
def full_plates(full_boards, tmp_path_factory):
    """The figures of ``full_boards``; the page shows them as SVG and never as PNG."""
    folder = tmp_path_factory.mktemp("plates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "png", lambda figure: b"")
        return gallery.draw(full_boards, Store(folder), domains.Coordinates(folder / "tsne.json"))
