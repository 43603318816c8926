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

function filter(tables, fits, allowed, counted) {
  for (const table of tables) {
    let shown = 0;
    let all = 0;
    for (const body of table.tBodies) {
      if ("fixed" in body.dataset) continue;
      for (const row of body.rows) {
        const name = row.cells[0].textContent.trim();
        const text = (table.dataset.filter === "row" ? row.textContent : name).toLowerCase();
        row.hidden = !fits(text) || (allowed !== null && !allowed.has(name));
        all += 1;
        shown += row.hidden ? 0 : 1;
      }
    }
    if (table === tables[0]) counted.textContent = shown === all ? "" : `${shown} of ${all} shown`;
  }
}

const any = (words) => (text) => words.length === 0 || words.some((word) => text.includes(word));
const all = (words) => (text) => words.every((word) => text.includes(word));
const words = (input) => input.value.toLowerCase().split(/[\s,]+/).filter(Boolean);

for (const board of document.querySelectorAll("section.board")) {
  const part = (name) => document.getElementById(`${board.id}-${name}`);
  board.querySelectorAll(".filter").forEach((form) => form.removeAttribute("hidden"));
  const tables = [...board.querySelectorAll('table[data-filter="first"]')];
  const best = () => {
    const heads = [...tables[0].tHead.rows[0].cells].map((head) => head.textContent.trim());
    const rows = [...tables[0].tBodies[0].rows].filter((row) => row.cells[heads.indexOf("ave.")].querySelector("strong"));
    return new Set(rows.map((row) => row.cells[0].textContent.trim()));
  };
  const update = () => filter(tables, any(words(part("filter"))), part("bold")?.checked ? best() : null, part("count"));
  part("filter").addEventListener("input", update);
  part("bold")?.addEventListener("change", update); // there where something is in bold
  const runs = part("runs-filter");
  runs.addEventListener("input", () => filter([part("runs")], all(words(runs)), null, part("runs-count")));
}

// A link to a row's details opens them.
const open = () => {
  const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", open);
open();

// On paper everything is shown, and afterwards only what was open before.
const opened = [];
addEventListener("beforeprint", () => {
  opened.push(...document.querySelectorAll("details:not([open])"));
  opened.forEach((one) => (one.open = true));
});
addEventListener("afterprint", () => opened.splice(0).forEach((one) => (one.open = false)));

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 2000);
  });
}
