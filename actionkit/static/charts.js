// Draws each chart from the table beside it, with uPlot. Without it the tables say the same.
"use strict";

(() => {
  const page = document.documentElement.lang || "en";
  const language = page === "en" ? "en-GB" : page;
  const number = new Intl.NumberFormat(language);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Told apart by those who see no colours, too: each has dashes of its own.
  const LINES = [
    ["#8f2d1f", []],
    ["#0b57d0", [8, 4]],
    ["#1c5a3a", [2, 4]],
    ["#7a4fa3", [12, 4, 2, 4]],
    ["#b06a00", [4, 4]],
    ["#241c15", [16, 6]],
  ];

  // What stands in a table: [x, y of the first column, y of the second …], and the columns' names.
  function read(table) {
    const rows = [...table.tBodies[0].rows];
    const x = rows.map((row) => {
      const text = row.cells[0].dataset.x;
      return text.includes("-") ? Date.parse(text) / 1000 : Number(text);
    });
    const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent.trim());
    const ys = names.map((_name, i) => rows.map((row) => {
      const text = row.cells[i + 1].dataset.y;
      return text === "" ? null : Number(text);
    }));
    return { data: [x, ...ys], names, title: table.tHead.rows[0].cells[0].textContent.trim() };
  }

  // Days are days of UTC; hours are shown in the reader's own zone, as the table shows them.
  function moments(kind) {
    const zone = kind === "day" ? { timeZone: "UTC" } : {};
    const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", ...zone });
    const hour = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const month = new Intl.DateTimeFormat(language, { month: "short", year: "numeric", ...zone });
    return (step, at) => {
      const date = new Date(at * 1000);
      if (step >= 27 * 86400) return month.format(date);
      return step < 86400 && date.getHours() + date.getMinutes() > 0 ? hour.format(date) : day.format(date);
    };
  }

  const DAYS = [1, 2, 3, 5, 7, 14, 28, 61, 91, 182, 365, 730].map((days) => days * 86400);

  function options(kind, names, title, isLines, width, step) {
    const isTime = kind !== "number";
    const say = moments(kind);
    const exact = new Intl.DateTimeFormat(language, {
      dateStyle: "medium",
      ...(kind === "hour" ? { timeStyle: "short" } : { timeZone: "UTC" }),
    });
    const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const bars = uPlot.paths.bars({ size: [0.85, 100], align: 1 });
    return {
      width,
      height: width < 500 ? 200 : 260,
      tzDate: (at) => (kind === "day" ? uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : new Date(at * 1000)),
      scales: {
        x: { time: isTime, range: (_u, low, high) => [low, isLines ? high : high + step] },
        y: { range: (_u, low, high) => [Math.min(low ?? 0, 0), Math.max(high ?? 0, 1) * 1.08] },
      },
      axes: [
        { ...axis, space: 70, ...(kind === "day" ? { incrs: DAYS } : {}), values: (_u, at, _i, _space, step) => at.map((x) => (isTime ? say(step, x) : number.format(x))) },
        { ...axis, size: 64, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7],
          values: (_u, at) => at.map((y) => number.format(y)) },
      ],
      cursor: { drag: { x: false, y: false }, points: { show: isLines } },
      series: [
        { label: title, value: (_u, x) => (x == null ? "–" : isTime ? exact.format(new Date(x * 1000)) : number.format(x)) },
        ...names.map((label, i) => ({
          label,
          stroke: LINES[i % LINES.length][0],
          value: (_u, y) => (y == null ? "–" : number.format(y)),
          points: { show: false },
          ...(isLines
            ? { width: 2, dash: LINES[i % LINES.length][1] }
            : { fill: LINES[0][0], width: 0, paths: bars }),
        })),
      ],
    };
  }

  for (const place of document.querySelectorAll("[data-plot]")) {
    const table = document.getElementById(place.dataset.plot);
    const { data, names, title } = read(table);
    if (data[0].length < 2) continue;
    const kind = place.dataset.kind;
    // At first in the width that the place has, then in that of any other: a telephone that is turned.
    place.classList.add("drawn");
    const made = options(kind, names, title, "lines" in place.dataset, place.clientWidth, data[0][1] - data[0][0]);
    const plot = new uPlot(made, data, place);
    new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: made.height })).observe(place);
  }
})();
