// The chart: a trace per method, and a ring around the selected point.

function views(set) {
  const found = Object.keys(set.points[0].metrics).map((name) => ({
    key: name,
    label: `${name} on ${set.split}`,
    better: "larger is better",
    of: (point) => point.metrics[name],
    random: set.random[name],
  }));
  found.sort((a, b) => (b.key === set.metric) - (a.key === set.metric));
  const single = (values) => values && values.map((value) => [value, null, null]);
  if (set.split !== "validation")
    found.push({ key: "validation", label: `${set.metric} on validation`, better: "larger is better", of: (p) => single(p.validation), random: null });
  found.push({ key: "losses", label: "training loss", better: "smaller is better", of: (p) => single(p.losses), random: null });
  return found;
}

function hoverText(set, point, view) {
  const values = view.of(point);
  const lines = set.tasks.map((task, k) => {
    const [value, low, high] = values[k];
    return `${task}  <b>${number(value)}</b>${low === null ? "" : ` ${interval(low, high)}`}`;
  });
  if (point.delta_m)
    lines.push(`Δm %  <b>${number(point.delta_m.value, 2, true)}</b> ${interval(point.delta_m.low, point.delta_m.high, 2, true)}`);
  lines.push(`on the front in ${number(100 * point.probability_optimal, 0)} % of the resamples`);
  const at = vector(point);
  return `<b>${point.method}</b>${at ? ` at ${at}` : ""}<br>${view.label}<br>${lines.join("<br>")}`;
}

function errorBars(points, view, axis, colour, shown) {
  const cells = points.map((point) => view.of(point)[axis]);
  return {
    type: "data",
    symmetric: false,
    array: cells.map(([value, , high]) => (high === null ? 0 : high - value)),
    arrayminus: cells.map(([value, low]) => (low === null ? 0 : value - low)),
    visible: shown && cells.some(([, low]) => low !== null),
    thickness: 1,
    width: 0,
    color: colour,
  };
}

function traces(state) {
  const { set, view, x, y } = state;
  const known = (point) => { const values = view.of(point); return values && values[x][0] !== null && values[y][0] !== null; };
  const found = set.methods.flatMap((method) => {
    if (!state.shown.has(method.name)) return [];
    const points = method.points.map((i) => set.points[i]).filter(known);
    points.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
    const { colour, symbol } = look(method.name);
    const line = points.length > 1 && points.every((point) => point.position !== null);
    return [{
      name: method.name,
      mode: line ? "lines+markers" : "markers",
      x: points.map((point) => view.of(point)[x][0]),
      y: points.map((point) => view.of(point)[y][0]),
      error_x: errorBars(points, view, x, colour, state.intervals),
      error_y: errorBars(points, view, y, colour, state.intervals),
      customdata: points.map((point) => point.id),
      text: points.map((point) => hoverText(set, point, view)),
      marker: { symbol, size: 11, color: colour, line: { width: 1, color: cssColour("--card") } },
      line: { color: colour, width: 1.6 },
    }];
  });
  if (state.landmarks) {
    const stars = set.points.filter((point) => point.baseline && known(point));
    found.push({
      name: "single-task baselines",
      mode: "markers",
      x: stars.map((point) => view.of(point)[x][0]),
      y: stars.map((point) => view.of(point)[y][0]),
      customdata: stars.map((point) => point.id),
      text: stars.map((point) => hoverText(set, point, view)),
      marker: { symbol: "star-open", size: 15, color: cssColour("--text"), line: { width: 1.6 } },
    });
    if (view.random)
      found.push({
        name: "random order",
        mode: "markers",
        x: [view.random[x]],
        y: [view.random[y]],
        customdata: [null],
        text: [`<b>random order</b><br>${set.tasks.map((t, k) => `${t}  <b>${number(view.random[k])}</b>`).join("<br>")}`],
        marker: { symbol: "cross-thin", size: 12, line: { width: 2, color: cssColour("--muted") } },
      });
  }
  const ring = state.selected === null ? null : set.points[state.selected];
  if (ring && known(ring))
    found.push({
      name: "selected",
      mode: "markers",
      x: [view.of(ring)[x][0]],
      y: [view.of(ring)[y][0]],
      hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 24, color: cssColour("--text"), line: { width: 2.2 } },
    });
  return found.map((trace) => ({ type: "scatter", hovertemplate: "%{text}<extra></extra>", showlegend: false, ...trace }));
}

/** Lets one method stand out, while the pointer or the focus is on its name. */
function emphasise(name) {
  const chart = byId("chart");
  if (!chart.data) return;
  const names = chart.data.map((trace) => trace.name);
  const all = name === null || !names.includes(name);
  const opacity = names.map((one) => (all || one === name || one === "selected" ? 1 : 0.12));
  Plotly.restyle(chart, { opacity: opacity });
}

function layout(state) {
  const { set, view } = state;
  const axis = (task) => ({
    title: { text: `${view.label}: ${set.tasks[task]} (${view.better})`, font: { size: 13 } },
    gridcolor: cssColour("--grid"),
    linecolor: cssColour("--muted"),
    zeroline: false,
    showline: true,
    ticks: "outside",
    tickcolor: cssColour("--muted"),
    automargin: true,
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: cssColour("--text"), family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 13 },
    margin: { l: 64, r: 16, t: 16, b: 56 },
    hovermode: "closest",
    hoverlabel: { bgcolor: cssColour("--card"), bordercolor: cssColour("--muted"), align: "left", font: { color: cssColour("--text"), size: 13 } },
    dragmode: "zoom",
    modebar: { bgcolor: "rgba(0,0,0,0)", color: cssColour("--muted"), activecolor: cssColour("--accent") },
    uirevision: `${set.name} ${view.key} ${state.x} ${state.y}`,
    xaxis: axis(state.x),
    yaxis: axis(state.y),
  };
}

function draw(state) {
  Plotly.react(byId("chart"), traces(state), layout(state), {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  });
}
