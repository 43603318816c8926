"use strict";
// Sorting by the buttons of a table's head, and filtering of rows. The page reads well without either.

const number = (text) => {
  if (text === "best") return 0; // in a table of differences from it
  const found = text.replace(/[−–]/g, "-").replace(/(\d),(?=\d{3})/g, "$1").match(/[-+]?\d+(\.\d+)?/);
  return found ? Number(found[0]) : null;
};

function sort(table, column, direction) {
  const numeric = table.tHead.rows[0].cells[column].classList.contains("number");
  const value = (row) => (numeric ? number : (text) => text.toLowerCase())(row.cells[column].textContent.trim());
  for (const body of table.tBodies) {
    if ("fixed" in body.dataset) continue;
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what has no value stays below
      return direction * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
    });
    body.append(...rows.map(([, row]) => row));
  }
}

for (const table of document.querySelectorAll("table[data-sort]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sort(table, column, order === "ascending" ? 1 : -1);
    });
  });
}

function filter(tables, words, allowed, counted) {
  for (const table of tables) {
    let shown = 0;
    let all = 0;
    for (const body of table.tBodies) {
      if ("fixed" in body.dataset) continue;
      for (const row of body.rows) {
        const name = row.cells[0].textContent.trim();
        const text = (table.dataset.filter === "row" ? row.textContent : name).toLowerCase();
        row.hidden = !words.every((word) => text.includes(word)) || (allowed !== null && !allowed.has(name));
        all += 1;
        shown += row.hidden ? 0 : 1;
      }
    }
    if (table === tables[0]) counted.textContent = shown === all ? "" : `${shown} of ${all} shown`;
  }
}

const words = (input) => input.value.toLowerCase().split(/\s+/).filter(Boolean);

for (const board of document.querySelectorAll("section.board")) {
  const part = (name) => document.getElementById(`${board.id}-${name}`);
  board.querySelectorAll(".filter").forEach((form) => form.removeAttribute("hidden"));
  const tables = [...board.querySelectorAll('table[data-filter="first"]')];
  const best = () => {
    const heads = [...tables[0].tHead.rows[0].cells].map((head) => head.textContent.trim());
    const rows = [...tables[0].tBodies[0].rows].filter((row) => row.cells[heads.indexOf("ave.")].querySelector("strong"));
    return new Set(rows.map((row) => row.cells[0].textContent.trim()));
  };
  const update = () => filter(tables, words(part("filter")), part("bold")?.checked ? best() : null, part("count"));
  part("filter").addEventListener("input", update);
  part("bold")?.addEventListener("change", update); // there where something is in bold
  const runs = part("runs-filter");
  runs.addEventListener("input", () => filter([part("runs")], words(runs), null, part("runs-count")));
}
