// The panel of the selected point: numbers, certificates, runs, commands, settings.

function command(text) {
  const button = element("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousSibling);  // where the clipboard is refused
    }
  });
  return element("div", { class: "command" }, element("pre", {}, text), button);
}

const facts = (pairs) =>
  element(
    "dl",
    { class: "facts" },
    pairs.filter(([, value]) => value !== null).map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );

function metricRows(set, point) {
  return sortable({
    name: "metrics",
    header: [set.split, ...set.tasks],
    rows: Object.entries(point.metrics).map(([name, values]) => [
      name,
      ...values.map(([value, low, high]) => ({ value, text: number(value), interval: interval(low, high) })),
    ]),
  });
}

function certificateFacts(run) {
  const found = run.certificate;
  if (!found) return null;
  const list = (values, decimals, signed) =>
    Object.entries(values).map(([task, value]) => `${task} ${number(value, decimals, signed)}`).join(", ");
  return [element("h3", {}, "Certificates, on training lists without dropout"), facts([
    ["KKT residual", found.kkt_relative === null ? null : number(found.kkt_relative, 4)],
    ["weights α", found.alpha ? list(found.alpha, 3) : null],
    ["ray error", found.ray_error === null ? null : number(found.ray_error, 4)],
    ["constraint slack", found.constraint_slack ? list(found.constraint_slack, 4, true) : null],
    ["losses", found.losses ? list(found.losses, 4) : null],
    ["training lists", String(found.lists)],
  ])];
}

function runBlock(run, several) {
  const written = (value) =>
    typeof value === "object" && value !== null
      ? Object.entries(value).map(([name, one]) => `${name} ${written(one)}`).join(", ")
      : typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
  const options = Object.entries(run.options).map(([name, value]) => `${name}: ${written(value)}`);
  return [
    several ? element("h3", {}, `Run ${run.name}`) : element("h3", {}, "Run"),
    facts([
      ["folder", run.name],
      ["seed", String(run.seed)],
      ["fold", run.fold === null ? null : String(run.fold)],
      [run.trees ? "trees used" : "chosen epoch", `${run.epoch} of ${run.trees ? "at most " : ""}${run.epochs}`],
      ["time", `${run.seconds.toFixed(0)} s`],
      ["parameters", run.parameters.toLocaleString("en")],
      ["options", options.length ? options.join("; ") : null],
    ]),
    element("h3", {}, run.trees ? "Its trees, for lightgbm.Booster" : "Score a file with its ranker"),
    command(run.trees ?? run.predict),
    certificateFacts(run),
  ];
}

function showDetail(set, point) {
  const panel = byId("detail");
  panel.replaceChildren();
  if (!point) {
    panel.append(
      element("h2", {}, "No point selected"),
      element("p", { class: "empty" }, set.tasks.length > 1
        ? "Select a point in the chart, or by its name in the table of points, to see its numbers, its certificates, and how to use its ranker."
        : "Select a point by its name in the table, to see its numbers and how to use its ranker."),
    );
    return;
  }
  const method = set.methods.find((one) => one.name === point.method);
  const delta = point.delta_m;
  panel.append(
    element("h2", {}, point.method, " ", element("span", { class: "vector" }, vector(point) && `at ${vector(point)}`)),
    element("p", { class: "summary" }, method ? method.summary : "Trained on one task alone."),
    metricRows(set, point),
    element("h3", {}, "As a trade-off"),
    facts([
      ["Δm %", delta && `${number(delta.value, 2, true)} ${interval(delta.low, delta.high, 2, true)}`],
      ["on the front", `${point.optimal ? "yes" : "no"}; in ${number(100 * point.probability_optimal, 0)} % of the resamples`],
      ["validation", point.validation && set.tasks.map((t, k) => `${t} ${number(point.validation[k])}`).join(", ")],
      ["spread over seeds", point.seed_spread && set.tasks.map((t, k) => `${t} ± ${number(point.seed_spread[k])}`).join(", ")],
      ["training losses", set.tasks.map((t, k) => (point.losses[k] === null ? null : `${t} ${number(point.losses[k])}`)).filter(Boolean).join(", ") || null],
    ]),
    point.select
      ? element("div", {}, element("h3", {}, "Choose it by what it keeps on validation"), command(point.select))
      : element("p", { class: "note" }, point.baseline ? "" : "No bounds on validation choose it alone: take its folder."),
    ...point.runs.flatMap((run) => runBlock(run, point.runs.length > 1)).flat().filter(Boolean),
  );
}
