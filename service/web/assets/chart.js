// Plots, drawn here: a line of what was measured lately, and bars of what there was on each day.

import * as clock from "./clock.js";
import { h, svg } from "./dom.js";

const WIDTH = 640;
const HEIGHT = 190;
const LEFT = 56;
const BOTTOM = 28;
const TOP = 16;

export function lineChart(points, { name, figure }) {
  const top = niceTop(Math.max(...points.map((each) => each.value), 0));
  const first = points[0]?.at ?? 0;
  const span = Math.max(1, (points.at(-1)?.at ?? 1) - first);
  const x = (each) => LEFT + ((WIDTH - LEFT - 8) * (each.at - first)) / span;
  const path = points.map((each, at) => `${at ? "L" : "M"}${x(each).toFixed(1)} ${y(each.value, top).toFixed(1)}`).join("");
  const last = points.at(-1);
  const drawn = points.length > 1 ? [svg("path", { class: "chart-line", d: path })] : [];
  if (last) drawn.push(svg("circle", { class: "chart-point", cx: x(last), cy: y(last.value, top), r: 3.5 }));
  const ticks = [
    [LEFT, "start", clock.clock(first)],
    [WIDTH - 8, "end", "now"],
  ].map(([x, anchor, words]) => svg("text", { class: "chart-tick", x, y: HEIGHT - 6, "text-anchor": anchor }, words));
  return frame(name, figure, top, points.length ? [...drawn, ...ticks] : drawn);
}

export function barChart(bars, { name, unit }) {
  const top = niceTop(Math.max(...bars.map((each) => each.value), 0));
  const room = (WIDTH - LEFT - 8) / Math.max(1, bars.length);
  const every = Math.ceil(bars.length / 7);
  const drawn = bars.flatMap((bar, at) => {
    const from = y(bar.value, top);
    const rect = svg("rect", {
      class: "chart-bar",
      x: (LEFT + room * at + room * 0.12).toFixed(1),
      y: from.toFixed(1),
      width: (room * 0.76).toFixed(1),
      height: Math.max(0, HEIGHT - BOTTOM - from).toFixed(1),
      rx: 2,
    });
    rect.append(svg("title", {}, `${bar.label}: ${number(bar.value)} ${unit}`));
    const place = { class: "chart-tick", x: LEFT + room * (at + 0.5), y: HEIGHT - 6, "text-anchor": "middle" };
    return at % every ? [rect] : [rect, svg("text", place, bar.label)];
  });
  const all = bars.reduce((sum, each) => sum + each.value, 0);
  return frame(name, `${number(all)} ${unit} in ${bars.length} days`, top, drawn);
}

function frame(name, figure, top, drawn) {
  const lines = [0, 0.5, 1].flatMap((part) => [
    svg("line", { class: "chart-grid", x1: LEFT, x2: WIDTH - 8, y1: y(part * top, top), y2: y(part * top, top) }),
    svg("text", { class: "chart-tick", x: LEFT - 8, y: y(part * top, top) + 4, "text-anchor": "end" }, number(part * top)),
  ]);
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${name}: ${figure}` },
    ...lines,
    ...drawn,
  );
  return h("figure", { class: "chart" }, h("figcaption", {}, h("span", {}, name), h("strong", {}, figure)), picture);
}

function y(value, top) {
  return TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / top);
}

// The next figure above that reads well: 1, 2 or 5, and noughts.
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value);
}

export function number(value) {
  if (value === 0) return "0";
  if (Math.abs(value) >= 10_000) return Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 }).format(value);
  return Intl.NumberFormat(undefined, { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 }).format(value);
}
