// Small helpers: elements, numbers, and how a method looks.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text, never markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

const number = (value, decimals = 4, signed = false) =>
  value === null || value === undefined
    ? "–"
    : (signed && value >= 0 ? "+" : "") + value.toFixed(decimals).replace("-", "−");
const interval = (low, high, decimals = 4, signed = false) =>
  `[${number(low, decimals, signed)}, ${number(high, decimals, signed)}]`;
const vector = (point) =>
  point.preference === null ? "" : point.preference.map((v) => String(Number(v.toPrecision(3)))).join(" ");

// Okabe and Ito's palette; on dark ground lighter tones of the same hues.
const COLOURS = {
  light: ["#0072B2", "#D55E00", "#009E73", "#B4579A", "#3D9BD1", "#C98600", "#222222"],
  dark: ["#4FA8E8", "#FF8B4A", "#2FCB9B", "#E79CCB", "#9AD4FA", "#F5BC4B", "#EDEDED"],
};
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "pentagon", "hexagram"];
const PATHS = {
  circle: "M8 2.5a5.5 5.5 0 1 0 .01 0z",
  square: "M3 3h10v10H3z",
  "triangle-up": "M8 2l6.2 11H1.8z",
  diamond: "M8 1.5L14.5 8 8 14.5 1.5 8z",
  "triangle-down": "M8 14L1.8 3h12.4z",
  pentagon: "M8 1.8l6 4.4-2.3 7.2H4.3L2 6.2z",
  hexagram: "M8 1l2 3.5h4L12 8l2 3.5h-4L8 15l-2-3.5H2L4 8 2 4.5h4z",
};

const isDark = () => {
  const theme = document.documentElement.dataset.theme;
  return theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
};
const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// One order for all task sets, so that a method looks the same in each.
const ORDER = [...new Set(data.sets.flatMap((set) => set.methods.map((method) => method.name)))].sort();

/** Colour and symbol of a method: together they name it, within a colour the symbols differ. */
function look(method) {
  const place = ORDER.indexOf(method);
  const turn = Math.floor(place / COLOURS.light.length);
  return {
    colour: COLOURS[isDark() ? "dark" : "light"][place % COLOURS.light.length],
    symbol: SYMBOLS[(place + turn) % SYMBOLS.length],
  };
}

function symbolPicture(method) {
  const { colour, symbol } = look(method);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[symbol]);
  path.setAttribute("fill", colour);
  svg.append(path);
  return svg;
}
