"""The page in headless Chromium: clicked, typed at, looked at by its own rules. Skipped where no Chromium is."""

from dataclasses import replace
from itertools import combinations

import browser as chromium
import pytest
from hand_made import make_cell
from pages import POISON, boards_of, full_record, make_page, poisoned, spoiled, sweep

from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures import style
from mmda_bench.report.paired_tests import Difference

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(chromium.find() is None, reason="no chromium on this machine: apt-get install chromium"),
]
needs_axe = pytest.mark.skipif(not chromium.AXE.is_file(), reason="no axe-core here: make axe, which needs npm")
TABLE = "#avatars-main"
PAPER = 1032  # dots across A4 on its side, without its margins
PAIR = Difference(-10.2, -12.0, -8.0, 0.001, 0.01)
ROWS = (
    f"[...document.querySelectorAll('{TABLE} tbody:first-of-type tr')].filter(r => !r.hidden)"
    ".map(r => r.cells[0].textContent.trim())"
)

# Contrast of every visible text with what is behind it, by WCAG 2: what is below 4.5 (3 where large).
CONTRAST = """(() => {
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
  const light = ({r, g, b}) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (node) => {
    for (let e = node; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return parse(getComputedStyle(document.documentElement).colorScheme.includes('dark') &&
      matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(18,18,18)' : 'rgb(255,255,255)');
  };
  const poor = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !e.checkVisibility() || e.closest('script,style')) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize);
    const [a, b] = [light(parse(style.color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    seen += 1;
    if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
      poor.push([ratio.toFixed(2), e.tagName, walker.currentNode.textContent.trim().slice(0, 40)]);
  }
  return {seen, poor};
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.Browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def path(full_plates, tmp_path_factory):
    """The page of ``full_boards``, DANN alone in bold."""
    folder = tmp_path_factory.mktemp("results")
    boards = boards_of(spoiled(sweep(), "L", 1, "term domain is NaN in epoch 3"), bold=["dann"])
    (folder / "index.html").write_text(make_page(boards, folder, plates=full_plates), "utf-8")
    return folder / "index.html"


@pytest.fixture
def page(browser, path):
    browser.show()
    browser.open(path)
    return browser


def head(column):
    return f"{TABLE} thead th:nth-child({column}) button"


def order_of(page, column):
    return page.evaluate(f"document.querySelector('{TABLE} thead th:nth-child({column})').getAttribute('aria-sort')")


def test_a_click_sorts_by_a_number_best_first_a_second_one_turns_it_and_holes_stay_below(page):
    assert page.evaluate(ROWS) == ["DANN", "DT", "CDAN"], "by average, before anything is clicked"
    assert order_of(page, 5) == "descending"
    page.click(head(5))
    assert page.evaluate(ROWS) == ["DT", "DANN", "CDAN"]
    assert order_of(page, 5) == "ascending"


def test_a_click_on_another_column_sorts_by_that_one_alone_and_leaves_the_bounds_below(page):
    page.click(head(1))
    assert page.evaluate(ROWS) == ["CDAN", "DANN", "DT"]
    assert order_of(page, 1) == "ascending"
    assert order_of(page, 5) is None
    last = f"[...document.querySelectorAll('{TABLE} tbody:last-of-type tr')].map(r => r.cells[0].textContent.trim())"
    assert page.evaluate(last) == ["Bounds: references, not methods", "DT, source test", "target-supervised"]


def test_the_keyboard_reaches_the_leaderboard_and_sorts_it(page):
    page.press("Tab", 9)
    assert page.evaluate("document.activeElement.className") == "skip"
    page.press("Enter", 13, "\r")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(14):
        page.press("Tab", 9)
        if page.evaluate("document.activeElement.textContent") == "A":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter", 13, "\r")
    assert order_of(page, 2) == "descending"
    page.press(" ", 32, " ")
    assert order_of(page, 2) == "ascending"


def test_typing_filters_the_methods_of_every_table_and_says_how_many_are_left(page):
    page.click("#avatars-filter")
    page.type("dann")
    assert page.evaluate(ROWS) == ["DANN"]
    assert page.evaluate("document.getElementById('avatars-count').textContent") == "1 of 3 shown"
    tables = "[...document.querySelectorAll('#avatars table[data-filter=first] tbody:first-of-type tr')]"
    shown = f"{tables}.filter(r => !r.hidden).map(r => r.cells[0].textContent.trim())"
    assert set(page.evaluate(shown)) == {"DANN"}
    page.type(", cd")
    assert page.evaluate(ROWS) == ["DANN", "CDAN"], "any of the words"
    for _ in range(8):
        page.press("Backspace", 8)
    assert page.evaluate(ROWS) == ["DANN", "DT", "CDAN"]
    assert page.evaluate("document.getElementById('avatars-count').textContent") == ""


def test_a_box_leaves_only_the_bold_set_and_survives_sorting(page):
    page.click("#avatars-bold")
    assert page.evaluate(ROWS) == ["DANN"]
    page.click(head(5))
    assert page.evaluate(ROWS) == ["DANN"]
    page.click("#avatars-bold")
    assert sorted(page.evaluate(ROWS)) == ["CDAN", "DANN", "DT"]


def test_cells_are_found_by_all_of_the_words(page):
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.click("#avatars-runs-filter")
    page.type("diverged cdan")
    rows = "[...document.querySelectorAll('#avatars-runs tbody tr')].filter(r => !r.hidden).map(r => r.innerText)"
    (row,) = page.evaluate(rows)
    assert row.split()[:4] == ["cdan", "L", "1", "diverged"]


def test_a_name_leads_to_its_seeds_and_a_cell_to_what_its_record_says(page):
    page.click(f"{TABLE} tbody:first-of-type th a")
    page.wait("document.querySelector('details[open][id]')")
    opened = page.evaluate("[...document.querySelectorAll('details[open][id]')].map(d => d.innerText)")
    assert len(opened) == 1
    assert "weighted F1" not in opened[0].split("\n")[0]
    for text in ("seed 0\tseed 1\tmean", "70.00\t71.00\t70.50", "doi:10.48550/arXiv.1505.07818", "methods/dann.py"):
        assert text in opened[0]
    tip = page.evaluate(f"document.querySelector('{TABLE} tbody td[title]').title")
    assert tip.startswith("seed 0: 70.00; seed 1: 71.00")
    page.evaluate("document.querySelector('#avatars-runs').closest('details').open = true")
    page.click("#avatars-runs tbody summary")
    page.wait("document.querySelector('#avatars-runs tbody details').open")
    facts = page.evaluate("document.querySelector('#avatars-runs tbody details').innerText")
    assert "Commit" in facts
    assert "0" * 10 in facts


def test_the_signature_is_copied_by_a_button(page):
    page.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.click("button.copy")
    page.wait("document.querySelector('button.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.evaluate(
        "document.querySelector('#avatars-signature').textContent"
    )


def test_on_paper_everything_is_shown_in_light_colours(browser, path):
    browser.show(theme="dark", media="print")
    browser.open(path)
    shown = "[...document.querySelectorAll('#avatars-runs tbody tr')].every(r => r.checkVisibility())"
    assert browser.evaluate(shown)
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    look = "getComputedStyle(document.querySelector('#avatars-main {}')).{}"
    assert browser.evaluate(look.format(".range", "printColorAdjust")) == "exact", "an interval is a background"
    assert browser.evaluate(look.format("th button", "display")) == "contents", "else a second page has no heads"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """The page of fifteen rows with long names, in which every column has something."""
    folder = tmp_path_factory.mktemp("crowded")
    settings = [{"weight": 1 + i / 100, "align_on": "drifts"} for i in range(15)]
    records = [
        full_record(make_cell("dann", anchor, seed, **one), 0.5 + i / 100)
        for i, one in enumerate(settings) for anchor in "ALV" for seed in range(5)
    ]  # fmt: skip
    (board,) = boards_of(records)
    board = replace(board, ranks={row.label: (10, 14) for row in board.rows})
    board = replace(board, pairs={(a.label, b.label): PAIR for a, b in combinations(board.rows, 2)})
    (folder / "index.html").write_text(make_page([board], folder, plates={"avatars": []}), "utf-8")
    return folder / "index.html"


def test_the_main_table_of_long_names_is_not_cut_on_a_wide_screen(browser, crowded):
    browser.show(width=1400, height=900)
    browser.open(crowded)
    assert browser.evaluate(f"document.querySelectorAll('{TABLE} tbody tr').length") >= 15
    box = f"document.querySelector('{TABLE}').closest('.scroll')"
    assert browser.evaluate(f"{box}.scrollWidth") <= browser.evaluate(f"{box}.clientWidth")


def test_no_table_is_wider_than_the_paper(browser, crowded):
    browser.show(width=PAPER, height=700, media="print")
    browser.open(crowded)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > innerWidth)"
    assert browser.evaluate(f"{wide}.map(t => t.caption.innerText + t.getBoundingClientRect().width)") == []


@pytest.mark.parametrize("width", [390, 800])
def test_the_names_and_their_head_stay_in_sight_when_a_table_is_moved(browser, path, width):
    browser.show(width=width, height=900)
    browser.open(path)
    browser.evaluate(f"document.querySelector('{TABLE}').closest('.scroll').scrollLeft = 150")
    for cell in (f"{TABLE} thead th", f"{TABLE} tbody th[scope=row]", f"{TABLE} caption span"):
        box = f"document.querySelector('{cell}').getBoundingClientRect()"
        left = browser.evaluate(f"document.querySelector('{TABLE}').closest('.scroll').getBoundingClientRect().left")
        assert browser.evaluate(f"{box}.left") == pytest.approx(left, abs=1)


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_the_facts_of_a_cell_stay_beside_its_name(browser, path, width):
    browser.show(width=width, height=900)
    browser.open(path)
    browser.evaluate("document.querySelector('#avatars-runs').closest('details').open = true")
    browser.evaluate("document.querySelector('#avatars-runs tbody details').open = true")
    row = "document.querySelector('#avatars-runs tbody tr')"
    assert browser.evaluate(f"getComputedStyle({row}.cells[0]).verticalAlign") == "top"
    one_line = "parseFloat(getComputedStyle(dt).lineHeight) * 1.5"
    heights = f"[...{row}.querySelectorAll('dt')].filter(dt => dt.getBoundingClientRect().height > {one_line}).length"
    assert browser.evaluate(heights) == 0
    assert browser.evaluate(f"{row}.querySelector('dd').getBoundingClientRect().width") > 150


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(browser, path, theme):
    browser.show(theme=theme)
    browser.open(path)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    answer = browser.evaluate(CONTRAST)
    assert answer["seen"] > 100
    assert answer["poor"] == []


def test_light_and_dark_are_two_pages_in_one(browser, path):
    colours = []
    for theme in ("light", "dark"):
        browser.show(theme=theme)
        browser.open(path)
        colours.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] == "rgb(255, 255, 255)"
    assert colours[1] != colours[0]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_never_wider_than_the_screen(browser, path, width):
    browser.show(width=width, height=740)
    browser.open(path)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") == width


def test_a_screen_reader_gets_a_name_for_all_that_can_be_used(page):
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    nodes = [n for n in page.send("Accessibility.getFullAXTree")["nodes"] if not n.get("ignored")]
    used = ("button", "link", "searchbox", "checkbox", "image", "table", "region", "navigation", "heading")
    found = {role: [] for role in used}
    for node in nodes:
        if (role := node["role"]["value"]) in found:
            found[role].append(node.get("name", {}).get("value", "").strip())
    assert all(found[role] for role in used)
    assert all(name for names in found.values() for name in names)
    assert len(set(found["region"])) == len(found["region"])


@pytest.fixture
def all_open(browser, path):
    """Shows the page with all that opens open; of the cards of methods, which are made alike, the first three."""

    def show(**how):
        browser.show(**how)
        browser.open(path)
        browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        browser.evaluate("document.querySelectorAll('article:nth-child(n+4)').forEach(card => card.remove())")
        return browser

    return show


@needs_axe
@pytest.mark.parametrize("width", [1400, 800, 390])
@pytest.mark.parametrize("how", [{}, {"theme": "dark"}, {"media": "print"}], ids=["light", "dark", "print"])
def test_axe_finds_nothing(all_open, how, width):
    assert all_open(width=width, height=900, **how).violations() == []


@needs_axe
def test_axe_finds_what_is_wrong(all_open):
    page = all_open()
    page.evaluate("document.querySelector('img').removeAttribute('alt')")
    (found,) = page.violations()
    assert found.startswith("image-alt: <img")


def test_nothing_is_fetched_and_nothing_is_complained_about(page):
    page.click(head(2))
    requested = [e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert [e for e in page.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []


def test_a_script_in_a_record_does_not_run(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(style, "png", lambda figure: b"")
    records = [poisoned(record) for record in sweep(["dt", "dann"], seeds=1)]
    (tmp_path / "index.html").write_text(make_page(make_boards(records), tmp_path), "utf-8")
    browser.open(tmp_path / "index.html")
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("document.title") == "mmda-bench: leaderboard"
    assert browser.evaluate("document.scripts.length") == 1
    assert POISON in browser.evaluate("document.body.innerText")
