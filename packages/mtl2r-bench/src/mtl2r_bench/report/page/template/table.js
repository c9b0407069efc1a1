// Tables that sort by a click on a heading, from the report's own tables.

const sortValue = (cell) => (typeof cell === "object" ? cell.value : cell.toLowerCase());

function cellElement(cell) {
  if (typeof cell !== "object") return element("td", {}, cell);
  return element(
    "td",
    { class: "number" },
    cell.text,
    cell.interval ? element("span", { class: "interval" }, ` ${cell.interval}`) : null,
    cell.spread ? element("span", { class: "spread" }, ` ${cell.spread}`) : null,
  );
}

/**
 * A sortable table.
 * @param table header and rows of cells
 * @param rowOf called with a row's element, its cells and its place; may change the element
 */
function sortable(table, rowOf = () => {}) {
  const body = element("tbody");
  const rows = table.rows.map((cells, place) => {
    const made = element("tr", {}, cells.map(cellElement));
    rowOf(made, cells, place);
    return { cells, made };
  });
  const isNumber = (column) => table.rows.some((row) => typeof row[column] === "object");
  const headings = table.header.map((name, column) =>
    element(
      "th",
      { scope: "col", class: isNumber(column) ? "number" : null },
      element("button", { type: "button", onclick: () => sortBy(column) }, name),
    ),
  );
  function sortBy(column) {
    const down = headings[column].getAttribute("aria-sort") === "ascending";
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const empty = (row) => row.cells[column] === "";
    rows.sort((a, b) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b);  // what is empty stays at the end
      const [x, y] = [sortValue(a.cells[column]), sortValue(b.cells[column])];
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    body.append(...rows.map((row) => row.made));
  }
  body.append(...rows.map((row) => row.made));
  return element(
    "div",
    { class: "table-wrap" },
    element("table", { "data-name": table.name }, element("thead", {}, element("tr", {}, headings)), body),
  );
}

function tableCard(table, { open, rowOf }) {
  return element(
    "details",
    { class: "card", open },
    element("summary", {}, table.title),
    sortable(table, rowOf),
    table.note ? element("p", { class: "note" }, table.note) : null,
  );
}
