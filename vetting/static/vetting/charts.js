// The run page's charts: fetched when measurements came, at most every five seconds, drawn by uPlot.
"use strict";
(() => {
  const MIN_GAP_MS = 5000;
  const LIGHT = ["#2461c8", "#c2410c", "#15803d", "#9333ea", "#b91c1c", "#0e7490", "#a16207", "#be185d", "#4d7c0f", "#4338ca", "#0f766e", "#57534e"];
  const DARK = ["#7aaeff", "#fb9a5a", "#63cf8b", "#c79bff", "#ff8089", "#55c8dd", "#edb656", "#f48fc0", "#a5d35a", "#a3a5ff", "#5dd3c0", "#b8b2aa"];
  const section = document.getElementById("charts");
  if (!section) return;
  const board = section.querySelector(".charts");
  const plots = new Map();
  let windowS = "";
  let busy = false;
  let again = false;
  let drawnAt = 0;

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  async function load() {
    if (busy) { again = true; return; }
    busy = true;
    const wait = Math.max(0, drawnAt + MIN_GAP_MS - Date.now());
    if (wait) await new Promise((done) => window.setTimeout(done, wait));
    again = false;
    try {
      const response = await fetch(`${section.dataset.series}${windowS ? `?window=${windowS}` : ""}`);
      if (response.ok && !response.redirected) draw(await response.json());
    } catch (error) { /* not reachable: the event stream says so, and its reopening loads again */ }
    drawnAt = Date.now();
    busy = false;
    if (again) load();
  }

  function draw(data) {
    section.hidden = data.charts.length === 0;
    const wanted = new Set(data.charts.map((chart) => chart.name));
    for (const [name, plot] of plots) if (!wanted.has(name)) { plot.figure.remove(); plot.chart.destroy(); plots.delete(name); }
    for (const chart of data.charts) drawOne(chart, data);
  }

  function drawOne(chart, data) {
    const values = [chart.times, ...chart.lines.map((line) => line.values)];
    const key = chart.lines.map((line) => line.component).join("\n");
    const known = plots.get(chart.name);
    if (known && known.key === key) {
      known.stages = data.stages;
      known.chart.setData(values);
      return;
    }
    const figure = known ? known.figure : document.createElement("figure");
    if (known) known.chart.destroy(); else board.append(figure);
    figure.replaceChildren(caption(chart));
    const plot = { figure, key, stages: data.stages };
    plots.set(chart.name, plot);
    plot.chart = new uPlot(options(chart, plot, figure.clientWidth || 440), values, figure);
  }

  function caption(chart) {
    const line = document.createElement("figcaption");
    const title = document.createElement("span");
    title.textContent = `${chart.title} in ${chart.unit || "units"}`;
    line.append(title);
    if (chart.hidden) {
      const more = document.createElement("span");
      more.className = "dim";
      more.textContent = `${chart.lines.length} highest of ${chart.lines.length + chart.hidden}`;
      line.append(more);
    }
    return line;
  }

  function options(chart, plot, width) {
    const colours = dark.matches ? DARK : LIGHT;
    const axis = { stroke: style("--dim"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const value = (u, v) => (v === null || v === undefined ? "–" : `${v.toFixed(Math.abs(v) < 100 ? 1 : 0)} ${chart.unit}`);
    return {
      width, height: 190,
      cursor: { points: { size: 6 }, sync: { key: "vetting" } },
      legend: { live: true },
      scales: { x: { time: true }, y: { range: (u, low, high) => bounds(chart.name, low, high) } },
      axes: [{ ...axis, space: 70, size: 26, values: clock }, { ...axis, size: 46 }],
      series: [{ label: "Time", value: (u, v) => (v === null ? "–" : new Date(v * 1000).toLocaleTimeString([], { hour12: false })) },
        ...chart.lines.map((line, n) => ({ label: line.component, stroke: colours[n % colours.length], width: 1.5, spanGaps: true, points: { show: line.values.filter((v) => v !== null).length < 3 }, value }))],
      hooks: { draw: [(u) => boundaries(u, plot.stages)], ready: [latest], setData: [latest], setCursor: [(u) => u.cursor.idx === null && latest(u)] },
    };
  }

  // Without the cursor on the chart, the legend gives the newest value of each line.
  function latest(u) {
    const idxs = u.data.map((values) => { let n = values.length - 1; while (n > 0 && values[n] === null) n -= 1; return n; });
    u.setLegend({ idxs }, false);
  }

  function bounds(name, low, high) {
    if (low === null || high === null) return [0, 1];
    if (name === "temp") return [Math.min(20, Math.floor(low / 10) * 10), Math.max(60, Math.ceil((high + 2) / 10) * 10)];
    return [0, high > 0 ? high * 1.1 : 1];
  }

  function clock(u, splits) {
    const long = splits.length > 1 && splits[splits.length - 1] - splits[0] > 86400;
    return splits.map((at) => new Date(at * 1000).toLocaleString([], long ? { weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false } : { hour: "2-digit", minute: "2-digit", hour12: false, ...(splits[1] - splits[0] < 60 ? { second: "2-digit" } : {}) }));
  }

  // A thin line where each stage began, with its name; a name that does not fit before the next line is left out.
  function boundaries(u, stages) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = style("--dim");
    ctx.globalAlpha = 0.65;
    ctx.setLineDash([3, 3]);
    ctx.textAlign = "left";
    ctx.font = `${10 * devicePixelRatio}px system-ui`;
    const right = bbox.left + bbox.width;
    const at = stages.map((stage) => u.valToPos(stage.at, "x", true));
    stages.forEach((stage, n) => {
      const x = at[n];
      if (x < bbox.left || x > right) return;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const room = (at[n + 1] === undefined ? right : Math.min(at[n + 1], right)) - x;
      if (ctx.measureText(stage.title).width + 6 * devicePixelRatio < room) ctx.fillText(stage.title, x + 3 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
    });
    ctx.restore();
  }

  function redraw() {
    for (const plot of plots.values()) plot.chart.destroy();
    plots.clear();
    board.replaceChildren();
    drawnAt = 0;
    load();
  }

  section.addEventListener("click", (event) => {
    const button = event.target.closest("[data-window]");
    if (!button) return;
    section.querySelectorAll("[data-window]").forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    windowS = button.dataset.window;
    drawnAt = 0;
    load();
  });
  dark.addEventListener("change", redraw);
  new ResizeObserver(() => {
    for (const plot of plots.values()) {
      const width = plot.figure.clientWidth;
      if (width && Math.abs(width - plot.chart.width) > 2) plot.chart.setSize({ width, height: 190 });
    }
  }).observe(board);
  document.addEventListener("vetting:sensor", load);
  load();
})();
