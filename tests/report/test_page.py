"""The page as text: everything is there, nothing runs or loads but its own, and the markup is sound."""

import base64
import hashlib
import random
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hand_made import make_cell, make_record
from pages import POISON, boards_of, full_record, make_page, poisoned, spoiled, sweep, with_test
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.registry import METHODS
from mmda_bench.report import drawn, load
from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures.scores import f1_against_cost
from mmda_bench.report.figures.style import svg
from mmda_bench.report.formats import page
from mmda_bench.report.write import write_leaderboards
from mmda_bench.store import Damaged, Store

VOID = {"meta", "input", "img", "br", "link", "hr"}
HEADINGS = ("h1", "h2", "h3", "h4")


class Outline(HTMLParser):
    """Elements in order, each with its attributes and its text; complains about tags that do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.errors = [], [], []
        self.feed(text)
        self.close()
        self.errors += [f"<{tag}> is never closed" for tag, _, _ in self.open]

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(set(names)) < len(names):
            self.errors.append(f"<{tag}> repeats an attribute")
        parents = [element[0] for element in self.open]
        if tag in ("p", "div", "table", "ul", "h2", "h3", "details") and parents[-1:] == ["p"]:
            self.errors.append(f"<{tag}> inside <p>")
        element = (tag, dict(attributes), [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.errors.append(f"</{tag}> closes {self.open[-1][0] if self.open else 'nothing'}")
        else:
            self.open.pop()

    def handle_data(self, data):
        for _, _, texts in self.open:
            texts.append(data)

    def all(self, tag):
        return [(attributes, "".join(texts)) for name, attributes, texts in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(full_boards, full_plates, tmp_path_factory):
    damaged = [Damaged("runs/avatars/A/dt/seed9-0/record.json", "not readable as JSON")]
    return make_page(full_boards, tmp_path_factory.mktemp("page"), damaged, plates=full_plates)


@pytest.fixture(scope="module")
def outline(text):
    return Outline(text)


@pytest.mark.slow
def test_the_markup_is_sound(outline):
    assert outline.errors == []
    ids = Counter(attributes["id"] for _, attributes, _ in outline.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    for tag, attributes, _ in outline.elements:
        for reference in ("for", "aria-labelledby", "aria-controls"):
            assert set((attributes.get(reference) or "").split()) <= set(ids), (tag, attributes)
        if attributes.get("href", "").startswith("#"):
            assert unquote(attributes["href"][1:]) in ids


def test_headings_do_not_skip_a_level_and_everything_has_a_name(outline):
    levels = [HEADINGS.index(tag) + 1 for tag, _, _ in outline.elements if tag in HEADINGS]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(attributes["alt"] for attributes, _ in outline.all("img"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all(text.strip() for _, text in outline.all("caption") + outline.all("button") + outline.all("summary"))
    assert all(attributes.get("scope") in ("col", "row", "rowgroup") for attributes, _ in outline.all("th"))
    labelled = {attributes["for"] for attributes, _ in outline.all("label") if "for" in attributes}
    inputs = [attributes for attributes, _ in outline.all("input") if attributes["type"] != "checkbox"]
    assert all(attributes["id"] in labelled for attributes in inputs)
    assert outline.all("html")[0][0]["lang"] == "en"


def test_every_row_of_a_table_has_as_many_cells_as_its_head(text):
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        widths = [
            sum(int(span or 1) for span in re.findall(r'<t[hd](?=[ >])(?:[^>]*?colspan="(\d+)")?', row)) for row in rows
        ]
        assert len(set(widths)) == 1, widths


def test_the_page_needs_no_network_and_runs_only_its_own_script(text, outline):
    assert not outline.all("link")
    assert all(attributes["src"].startswith("data:image/svg+xml,") for attributes, _ in outline.all("img"))
    ((attributes, script),) = outline.all("script")
    assert attributes == {}
    policy = next(a["content"] for a, _ in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    outside = [a["href"] for a, _ in outline.all("a") if re.match(r"(?i)\s*[a-z]+:|//", a["href"])]
    assert all(link.startswith(("https://doi.org/10.", "https://github.com/")) for link in outside)
    assert "@import" not in text
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]


def test_it_shows_scores_bounds_failures_holes_and_what_cannot_be_read(outline, text):
    rows = [text for _, text in outline.all("tr")]
    assert any("DANN" in row and "70.60 ± 0.71" in row for row in rows)
    assert any("target-supervised" in row for row in rows)
    assert "DANN has the best average" in text
    assert "term domain is NaN in epoch 3" in text
    commands = [text for _, text in outline.all("pre")]
    assert any(command.startswith("mmda-bench run --dataset avatars --methods cdan") for command in commands)
    assert "runs/avatars/A/dt/seed9-0/record.json" in text
    assert "no average" in text


def test_it_explains_the_protocol_and_has_a_card_for_every_method(outline, text):
    names = [name for _, name in outline.all("dt")]
    assert {"Corpus", "Split", "Shift", "Backbone", "Training", "Model", "Seeds", "Metric", "Signature"} <= set(names)
    assert "backbone:tiny|epochs:8|select:last|seeds:0-1" in text
    cards = " ".join(heading for _, heading in outline.all("h3"))
    assert all(entry.title in cards for entry in METHODS.entries().values())


def test_a_record_is_linked_from_its_cell(tmp_path, undrawn):
    store, cell = Store(tmp_path), make_cell("dt", "A", 0)
    store.write(cell, full_record(cell, 0.5), None)
    write_leaderboards(store)
    page_text = (tmp_path / "index.html").read_text("utf-8")
    links = [a["href"] for a, _ in Outline(page_text).all("a") if a["href"].startswith("runs/")]
    assert links == [f"runs/avatars/A/dt/seed0-{cell.hash}/record.json"]
    assert (tmp_path / links[0]).is_file()
    figures = [a["href"] for a, _ in Outline(page_text).all("a") if a["href"].startswith("figures/")]
    assert figures
    assert all((tmp_path / link).is_file() for link in figures)


def test_the_command_line_makes_the_statistics_once(tmp_path, figureless, monkeypatch):
    """They take seconds, and tables, page and terminal show the same ones."""
    store, cell = Store(tmp_path), make_cell("dt", "A", 0)
    store.write(cell, full_record(cell, 0.5), None)
    calls = []
    monkeypatch.setattr(load, "with_tests", lambda board, _: calls.append(board) or board)
    answer = CliRunner().invoke(app, ["leaderboard", "--results", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    assert "| DT " in answer.output
    assert len(calls) == 1


@pytest.mark.slow
def test_the_same_store_gives_the_same_bytes(tmp_path):
    store = Store(tmp_path)
    cell = make_cell("dt", "A", 0)
    store.write(cell, full_record(cell, 0.5), None)

    def files():
        write_leaderboards(store)
        made = [path for path in tmp_path.rglob("*") if path.is_file() and "runs" not in path.parts]
        return {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in made}

    first = files()
    assert {"index.html", "figures/leaderboard.svg", "figures/leaderboard.png"} <= set(first)
    assert files() == first


def test_a_script_in_every_text_of_the_records_stays_text(tmp_path, undrawn):
    records = [poisoned(record) for record in spoiled(sweep(), "L", 1, "why")]
    boards = [with_test(board, ["dann"]) for board in make_boards(records)]
    text = make_page(boards, tmp_path, [Damaged(POISON, POISON)])
    outline = Outline(text)
    assert outline.errors == []
    assert [attributes for attributes, _ in outline.all("script")] == [{}]
    assert all(attributes["src"].startswith("data:image/svg+xml,") for attributes, _ in outline.all("img"))
    assert not any(name.startswith("on") for _, attributes, _ in outline.elements for name in attributes)
    shown = " ".join(text for _, text in outline.all("body"))
    assert shown.count(POISON) > 20, "it is shown as what it is"


def test_code_in_a_caption_is_marked_up_and_nothing_else():
    assert page.coded("run `a <b>` & c") == "run <code>a &lt;b&gt;</code> &amp; c"


@pytest.mark.parametrize("doi", [None, "", "javascript:alert(1)", "10.1/x", "10.1000/a b"])
def test_what_is_no_doi_is_no_link(doi):
    assert page.doi_link(doi) is None


def test_a_doi_leads_to_its_resolver():
    assert page.doi_link("10.1000/ab(c)<d>") == "https://doi.org/10.1000/ab(c)%3Cd%3E"


def test_official_code_that_a_card_knows_is_linked(outline):
    assert page.linked("A <b>, github.com/a/b-c, 2025") == (
        'A &lt;b&gt;, <a href="https://github.com/a/b-c">github.com/a/b-c</a>, 2025'
    )
    assert "https://github.com/sunjunaimer/A3D2" in [attributes["href"] for attributes, _ in outline.all("a")]


def test_the_terms_of_a_loss_have_the_names_that_the_figure_shows(outline):
    (alt,) = [a["alt"] for a, _ in outline.all("img") if a["alt"].startswith("Loss by epoch")]
    assert "DANN: domain, source objective" in alt


def test_a_picture_survives_its_way_into_the_page():
    drawing = svg(f1_against_cost("100 % of #1 \"quoted\" 'twice' & <b>", [], "ave."))
    uri = page.data_uri(drawing)
    assert not set(uri) & set('"<>#\n')
    assert "<svg" in unquote(uri.removeprefix("data:image/svg+xml,"))


def test_a_board_whose_averages_are_all_the_same_round_number_has_an_axis():
    boards = make_boards([make_record(make_cell("dt", anchor), 0.5) for anchor in "ALV"])
    assert page.strips(boards[0])["DT"].at == 0


def test_strips_stand_on_one_axis_that_holds_every_interval():
    (board,) = boards_of(sweep())
    strips = page.strips(board)
    assert set(strips) == {"DT", "DANN", "CDAN", "target-supervised", "DT, source test"}
    assert all(0 <= strip.low <= strip.at <= strip.high <= 100 for strip in strips.values())
    # 50.6 and 70.6 of an axis from 40 to 100
    assert strips["DT"].at == pytest.approx(100 * 10.6 / 60, abs=0.01)
    assert strips["DANN"].at - strips["DT"].at == pytest.approx(100 * 20 / 60, abs=0.02)
    assert strips["DT"].text == "47.6 to 53.6"


def test_an_empty_store_has_a_page_that_says_how_to_fill_it(tmp_path):
    text = make_page([], tmp_path)
    assert Outline(text).errors == []
    assert "mmda-bench run --methods all --dataset avatars" in text


def test_the_page_stays_small(text):
    assert len(text) < 1_000_000, "three methods; a full board is about 1.4 MB"


def test_figures_have_the_room_that_the_text_leaves(tmp_path, monkeypatch):
    boards = make_boards([full_record(make_cell("dt", anchor), 0.5) for anchor in "ALV"])
    plates = [
        drawn.Plate(f"avatars-{i}", f"Figure {i}", "c", "seen", svg=b"<svg>%04000d%s</svg>" % (i, b"'" * 1000))
        for i in range(9)
    ]
    monkeypatch.setattr(page, "CELLS", 2)  # of three
    for most in (100_000, 140_000):
        monkeypatch.setattr(page, "LARGEST", most - page.A_CELL)
        text = page.page(boards, [], {"avatars": plates}, Store(tmp_path))
        assert most - 12_000 < len(text.encode()) < most


@pytest.mark.slow
def test_a_page_of_a_thousand_records_stays_below_three_megabytes(tmp_path):
    methods = [name for name in METHODS.names() if name != "target-supervised"][:25]
    records = [
        full_record(make_cell(method, anchor, seed), 0.5 + 0.001 * seed)
        for method in methods for anchor in "ALV" for seed in range(14)
    ]  # fmt: skip
    assert len(records) > 1000
    boards, noise = make_boards(records), base64.b64encode(random.Random(0).randbytes(300_000))
    plates = [drawn.Plate(f"avatars-{i}", f"Figure {i}", "c", "seen", svg=b"<svg>%s</svg>" % noise) for i in range(9)]
    text = page.page(boards, [], {"avatars": plates}, Store(tmp_path))
    assert len(text.encode()) < 3e6
    assert 0 < text.count("data:image/svg+xml") < 9
    assert text.count("see the files. seen") == 9 - text.count("data:image/svg+xml"), "and says what it shows"
