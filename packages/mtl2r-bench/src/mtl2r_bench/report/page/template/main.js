// What is shown, and what changes it.

const state = { set: data.sets[0], view: null, x: 0, y: 1, shown: new Set(), selected: null, intervals: true, landmarks: true };
const rowsOfPoints = new Map();

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
}

function chips() {
  const buttons = state.set.methods.map((method) =>
    element(
      "button",
      {
        type: "button",
        class: "chip",
        "data-method": method.name,
        "aria-pressed": String(state.shown.has(method.name)),
        title: method.summary,
        onclick: () => {
          if (!state.shown.delete(method.name)) state.shown.add(method.name);
          refresh();
        },
        onmouseenter: () => emphasise(method.name),
        onmouseleave: () => emphasise(null),
        onfocus: () => emphasise(method.name),
        onblur: () => emphasise(null),
      },
      symbolPicture(method.name),
      method.name,
    ),
  );
  const focused = document.activeElement?.dataset?.method;
  byId("chips").replaceChildren(...buttons);
  buttons.find((button) => focused && button.dataset.method === focused)?.focus();
}

function filterRows() {
  for (const [id, row] of rowsOfPoints) {
    const point = state.set.points[id];
    row.hidden = !point.baseline && !state.shown.has(point.method);
    row.classList.toggle("selected", id === state.selected);
  }
}

function refresh() {
  chips();
  filterRows();
  if (state.set.tasks.length > 1) draw(state);
}

function select(id) {
  state.selected = id;
  showDetail(state.set, id === null ? null : state.set.points[id]);
  refresh();
}

/** Rows of the table of points: the method's name selects the point. */
function pointRow(table) {
  const ids = new Map();
  state.set.points.forEach((point) => ids.set(`${point.method}|${vector(point)}`, point.id));
  return (made, cells) => {
    const id = ids.get(`${cells[0]}|${cells[1]}`);
    if (id === undefined) return;
    rowsOfPoints.set(id, made);
    made.firstChild.replaceChildren(element("button", { type: "button", class: "link", onclick: () => select(id) }, cells[0]));
  };
}

function showTables() {
  rowsOfPoints.clear();
  const cards = state.set.tables.map((table) =>
    tableCard(table, {
      open: ["methods", "points", "differences"].includes(table.name),
      rowOf: table.name === "points" ? pointRow(table) : undefined,
    }),
  );
  if (data.paper && data.sets.length > 1) cards.unshift(tableCard(data.paper, { open: true }));
  const notes = state.set.methods.length ? [element("p", { class: "note" }, state.set.box_text)] : [];
  if (state.set.left_out.length)
    notes.push(element("p", { class: "note" }, `Left out, since not measured on all lists: ${state.set.left_out.join("; ")}.`));
  byId("tables").replaceChildren(...cards, ...notes);
}

function openSet(place) {
  const set = data.sets[place];
  Object.assign(state, { set, x: 0, y: Math.min(1, set.tasks.length - 1), selected: null });
  state.shown = new Set(set.methods.map((method) => method.name));
  const found = views(set);
  const kept = found.find((view) => view.key === state.view?.key) ?? found[0];
  state.view = kept;
  options(byId("view"), found.map((view) => [view.key, view.label]), kept.key);
  const tasks = set.tasks.map((task, k) => [String(k), task]);
  options(byId("x"), tasks, "0");
  options(byId("y"), tasks, String(state.y));
  document.querySelectorAll(".axis").forEach((label) => { label.hidden = set.tasks.length < 3; });
  document.body.classList.toggle("flat", set.tasks.length < 2);  // one task has no front
  showTables();
  select(null);
}

/** The shown points from left to right, as the arrow keys visit them. */
function visited() {
  return state.set.points
    .filter((point) => (point.baseline ? state.landmarks : state.shown.has(point.method)))
    .filter((point) => { const v = state.view.of(point); return v && v[state.x][0] !== null && v[state.y][0] !== null; })
    .sort((a, b) => state.view.of(a)[state.x][0] - state.view.of(b)[state.x][0])
    .map((point) => point.id);
}

function onKey(event) {
  if (event.key === "Escape") return select(null);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const ids = visited();
  if (!step || !ids.length) return undefined;
  event.preventDefault();
  const at = ids.indexOf(state.selected);
  return select(ids[at < 0 ? (step > 0 ? 0 : ids.length - 1) : (at + step + ids.length) % ids.length]);
}

function showStudy() {
  byId("sentences").append(
    ...data.sentences.map((text) =>
      element("p", { class: /no test split|not finished|One seed/.test(text) ? "warn" : null }, text),
    ),
  );
  const failed = data.unfinished.length
    ? [element("h2", {}, "Not finished"), sortable({ name: "unfinished", header: ["run", "why"], rows: data.unfinished.map((run) => [run.name, run.reason]) })]
    : [];
  byId("study").append(
    ...failed,
    element("details", {}, element("summary", {}, "Settings of the study"), facts(data.settings)),
    element("p", { class: "note" }, `Folder: ${data.folder}. ${data.made_with}`),
  );
}

function onTheme() {
  const themes = ["auto", "light", "dark"];
  const root = document.documentElement;
  root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
  byId("theme").textContent = `Theme: ${root.dataset.theme}`;
  refresh();
}

function listen() {
  byId("set").addEventListener("change", (event) => openSet(Number(event.target.value)));
  byId("view").addEventListener("change", (event) => {
    state.view = views(state.set).find((view) => view.key === event.target.value);
    refresh();
  });
  for (const axis of ["x", "y"])
    byId(axis).addEventListener("change", (event) => { state[axis] = Number(event.target.value); refresh(); });
  for (const what of ["intervals", "landmarks"])
    byId(what).addEventListener("change", (event) => { state[what] = event.target.checked; refresh(); });
  const show = (methods) => { state.shown = new Set(methods.map((method) => method.name)); refresh(); };
  byId("all").addEventListener("click", () => show(state.set.methods));
  byId("none").addEventListener("click", () => show([]));
  byId("fronts").addEventListener("click", () => show(state.set.methods.filter((method) => method.points.length > 1)));
  byId("theme").addEventListener("click", onTheme);
  byId("chart").addEventListener("keydown", onKey);
  // Plotly itself follows the window alone, not the card.
  new ResizeObserver(() => { if (byId("chart").data && byId("chart").offsetParent) Plotly.Plots.resize(byId("chart")); }).observe(byId("chart"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  byId("chart").on?.("plotly_click", (event) => {
    const id = event.points[0].customdata;
    if (id !== null && id !== undefined) select(id);
  });
}

options(byId("set"), data.sets.map((set, place) => [String(place), set.name]), "0");
byId("set-control").hidden = data.sets.length < 2;
showStudy();
openSet(0);
listen();
