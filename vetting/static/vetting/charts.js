// The run page's charts: fetched when measurements came and somebody looks, drawn by uPlot. At most every five seconds,
// and less often where the answer takes long: no more than a twentieth of the server's time goes into one page's charts.
"use strict";
(() => {
  const MIN_GAP_MS = 5000;
  const GAP_PER_MS = 20;
  const HEIGHT = 170;
  const LONGEST_JOIN_S = 60; // a line goes on over so long without a value; beyond, it has a gap
  const LIGHT = ["#2461c8", "#c2410c", "#15803d", "#9333ea", "#b91c1c", "#0e7490", "#a16207", "#be185d", "#4d7c0f", "#4338ca", "#0f766e", "#57534e"];
  const DARK = ["#7aaeff", "#fb9a5a", "#63cf8b", "#c79bff", "#ff8089", "#55c8dd", "#edb656", "#f48fc0", "#a5d35a", "#a3a5ff", "#5dd3c0", "#b8b2aa"];
  const section = document.getElementById("charts");
  if (!section) return;
  const board = section.querySelector(".charts");
  const none = section.querySelector("[data-charts-none]");
  const windows = section.querySelector(".windows");
  const plots = new Map();
  let windowS = section.querySelector("[aria-pressed=true]").dataset.window; // of a long run only its end, until asked
  let known = null; // what is drawn
  let zoomed = null; // [from, to] that somebody drew a box around, in every chart until a double click or another stretch
  let busy = false;
  let again = false;
  let drawnAt = 0;
  let gapMs = MIN_GAP_MS;

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const timeZone = document.documentElement.dataset.zone; // all times of the page are in one zone, the server's
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  async function load() {
    if (busy || document.hidden) { again = busy; return; }
    busy = true;
    const wait = Math.max(0, drawnAt + gapMs - Date.now());
    if (wait) await new Promise((done) => window.setTimeout(done, wait));
    again = false;
    const [asked, askedAt] = [windowS, Date.now()];
    try {
      const fresh = await ask(known ? { since: newest(known), last_id: known.last_id } : {});
      const all = fresh.whole ? fresh : (known && joined(known, fresh)) || (await ask({}));
      if (asked === windowS) draw((known = all), asked); // else another stretch was chosen meanwhile: `again`
      gapMs = Math.max(MIN_GAP_MS, (Date.now() - askedAt) * GAP_PER_MS);
    } catch (error) { /* not reachable: the event stream says so, and its reopening loads again */ }
    drawnAt = Date.now();
    busy = false;
    if (again) load();
  }

  async function ask(from) {
    const query = new URLSearchParams({ ...(windowS && { window: windowS }), ...from });
    const response = await fetch(`${section.dataset.series}?${query}`, { headers: { "HX-Request": "true" } });
    if (response.status !== 200) throw new Error(`${response.status}`);
    return response.json();
  }

  const newest = (data) => Math.max(0, ...data.charts.map((chart) => chart.times[chart.times.length - 1]));

  // What is known with what came since; nothing where that does not fit and all has to be asked for anew.
  function joined(old, fresh) {
    if (fresh.step_s !== old.step_s) return null;
    const charts = new Map(fresh.charts.map((chart) => [chart.key, chart]));
    if (fresh.charts.some((chart) => !old.charts.some((known) => fits(known, chart)))) return null;
    return { ...fresh, charts: old.charts.map((chart) => extended(chart, charts.get(chart.key), fresh.start)) };
  }

  const fits = (known, chart) => known.key === chart.key
    && (known.hidden > 0 || chart.lines.every((line) => known.lines.some((one) => one.component === line.component)));

  function extended(chart, more, start) {
    const from = chart.times.findIndex((at) => at >= start);
    if (!more || from < 0) return chart;
    const cut = chart.times.findIndex((at) => at >= more.times[0]);
    const to = cut < 0 ? chart.times.length : cut;
    const lines = chart.lines.map((line) => {
      const values = more.lines.find((one) => one.component === line.component)?.values ?? more.times.map(() => null);
      return { ...line, values: [...line.values.slice(from, to), ...values] };
    });
    return { ...chart, times: [...chart.times.slice(from, to), ...more.times], lines };
  }

  function draw(data, asked) {
    none.hidden = data.charts.length > 0;
    none.textContent = "over" in section.dataset ? "Nothing was measured." : "No measurement yet.";
    windows.hidden = !data.charts.length && asked === "";
    Object.assign(section.dataset, { state: data.charts.length ? "drawn" : "none", stretch: asked });
    const wanted = new Set(data.charts.map((chart) => chart.key));
    for (const [name, plot] of plots) if (!wanted.has(name)) { plot.figure.remove(); plot.chart.destroy(); plots.delete(name); }
    for (const chart of data.charts) drawOne(chart, data);
  }

  function drawOne(chart, data) {
    const values = [chart.times, ...chart.lines.map((line) => line.values)];
    const lines = chart.lines.map((line) => line.component).join("\n");
    const drawn = plots.get(chart.key);
    if (drawn && drawn.lines === lines) {
      Object.assign(drawn, { stages: data.stages, stepS: data.step_s });
      drawn.chart.setData(values);
      toStretch(drawn.chart);
      describe(drawn.chart, chart);
      return;
    }
    const figure = drawn ? drawn.figure : document.createElement("figure");
    if (drawn) drawn.chart.destroy(); else board.append(figure);
    figure.replaceChildren(caption(chart));
    const plot = { figure, lines, stages: data.stages, stepS: data.step_s };
    plots.set(chart.key, plot);
    plot.chart = new uPlot(options(chart, plot, figure.clientWidth || 440), values, figure);
    toStretch(plot.chart);
    describe(plot.chart, chart);
  }

  // All charts of a run have one time axis: of the stretch that is asked for, whatever each of them has values for. (A
  // host whose clock is ahead of ours measures in our future.)
  const stretch = () => zoomed || [known.start, Math.max(known.end, newest(known))];

  function toStretch(u) {
    const [min, max] = stretch();
    u.setScale("x", { min, max });
  }

  function zoom(to) {
    zoomed = to;
    for (const plot of plots.values()) toStretch(plot.chart);
  }

  function boxed(u) {
    const { left, width } = u.select;
    u.setSelect({ left: 0, width: 0 }, false);
    if (width > 0) zoom([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
  }

  // What the time axis shows, for whoever reads the page and not the picture.
  function tellStretch(u, key) {
    if (key === "x") Object.assign(u.root.dataset, { from: Math.round(u.scales.x.min), to: Math.round(u.scales.x.max) });
  }

  // What the curves show, for who can't see them.
  function describe(u, chart) {
    const lines = chart.lines.map((line) => {
      const values = line.values.filter((v) => v !== null);
      return `${line.component} now ${spell(values[values.length - 1], chart.unit)}, at most ${spell(Math.max(...values), chart.unit)}`;
    });
    const canvas = u.root.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", [chart.title, ...lines, ...chart.limits.map((limit) => `limit: ${limit.words}`)].join("; "));
  }

  // As the pages write numbers: thousands apart by a space.
  const figure = (v, digits) => v.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, "\u00a0");
  const decimals = (ticks) => Math.max(...ticks.map((v) => (String(+v.toFixed(6)).split(".")[1] || "").length));
  const spell = (v, unit) => (v === null || v === undefined ? "–" : `${figure(v, Math.abs(v) < 100 ? 1 : 0)} ${unit}`);

  function caption(chart) {
    const line = document.createElement("figcaption");
    const title = document.createElement("span");
    title.textContent = chart.unit ? `${chart.title} in ${chart.unit}` : chart.title;
    line.append(title);
    for (const limit of chart.limits) {
      const words = document.createElement("span");
      words.className = `limit ${limit.severity}`;
      words.textContent = limit.words;
      line.append(words);
    }
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
    const value = (u, v) => spell(v, chart.unit);
    return {
      width, height: HEIGHT,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), timeZone),
      cursor: { points: { size: 6 }, sync: { key: "vetting" }, drag: { setScale: false }, bind: { dblclick: () => () => zoom(null) } },
      legend: { live: true },
      scales: { x: { time: true, auto: false }, y: { range: (u, low, high) => bounds(chart, low, high) } },
      axes: [{ ...axis, space: 70, size: 26, values: clock }, { ...axis, size: 46, values: (u, ticks) => ticks.map((v) => figure(v, decimals(ticks))) }],
      series: [{ label: "Time", value: (u, v) => (v === null ? "–" : new Date(v * 1000).toLocaleTimeString([], { hour12: false, timeZone })) },
        ...chart.lines.map((line, n) => ({ label: line.component, stroke: colours[n % colours.length], width: 1.5, gaps: (u, n, from, to) => silences(u, n, from, to, plot.stepS), points: { size: 5, fill: colours[n % colours.length], filter: (u, n) => alone(u, n, plot.stepS) }, value }))],
      hooks: { draw: [(u) => boundaries(u, plot.stages), (u) => bars(u, chart.limits)], ready: [latest], setData: [latest], setSelect: [boxed], setScale: [tellStretch], setCursor: [(u) => u.cursor.idx === null && latest(u)] },
    };
  }

  // Without the cursor on the chart, the legend gives the newest value of each line.
  function latest(u) {
    const idxs = u.data.map((values) => { let n = values.length - 1; while (n > 0 && values[n] === null) n -= 1; return n; });
    u.setLegend({ idxs }, false);
  }

  // A limit is inside the picture once a line comes within a third of it; far away it would flatten all curves.
  function bounds(chart, low, high) {
    if (low === null || high === null) return [0, 1];
    if (low < 0) return [low * 1.1, Math.max(high * 1.1, 0)];
    const near = chart.limits.map((limit) => limit.value).filter((value) => value <= high * 1.5 && value >= low / 1.5);
    const top = Math.max(high, ...near);
    if (chart.name === "temp") return [Math.min(20, Math.floor(low / 10) * 10), Math.max(60, Math.ceil((top + 2) / 10) * 10)];
    return [0, top > 0 ? top * 1.25 : 1]; // the stages' names stand above the lines
  }

  // Stretches without a value, as pixels: sensors are read at different paces, so a short one is none.
  function silences(u, n, from, to, stepS) {
    const [times, values] = [u.data[0], u.data[n]];
    const found = [];
    let last = null;
    for (let i = from; i <= to; i += 1) {
      if (values[i] === null || values[i] === undefined) continue;
      if (last !== null && times[i] - times[last] > longestJoin(stepS)) found.push([u.valToPos(times[last], "x", true), u.valToPos(times[i], "x", true)]);
      last = i;
    }
    return found;
  }

  const longestJoin = (stepS) => Math.max(LONGEST_JOIN_S, 4 * stepS);

  // The values that no line goes through, to be drawn as dots: with silence before and after.
  function alone(u, n, stepS) {
    const times = u.data[0];
    const there = times.map((at, i) => i).filter((i) => u.data[n][i] !== null && u.data[n][i] !== undefined);
    const near = (i, j) => j !== undefined && Math.abs(times[i] - times[j]) <= longestJoin(stepS);
    return there.filter((i, place) => !near(i, there[place - 1]) && !near(i, there[place + 1]));
  }

  // A dashed line across at each limit; what it is stands above the chart.
  function bars(u, limits) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const limit of limits) {
      const y = u.valToPos(limit.value, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = style(limit.severity === "critical" ? "--red" : "--amber");
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  function clock(u, splits) {
    const long = splits.length > 1 && splits[splits.length - 1] - splits[0] > 86400;
    return splits.map((at) => new Date(at * 1000).toLocaleString([], { timeZone, ...(long ? { weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false } : { hour: "2-digit", minute: "2-digit", hour12: false, ...(splits[1] - splits[0] < 60 ? { second: "2-digit" } : {}) }) }));
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
    known = null;
    load();
  }

  section.addEventListener("click", (event) => {
    const button = event.target.closest("[data-window]");
    if (!button) return;
    section.querySelectorAll("[data-window]").forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    windowS = button.dataset.window;
    zoomed = null;
    drawnAt = 0;
    known = null;
    load();
  });
  dark.addEventListener("change", redraw);
  new ResizeObserver(() => {
    for (const plot of plots.values()) {
      const width = plot.figure.clientWidth;
      if (width && Math.abs(width - plot.chart.width) > 2) plot.chart.setSize({ width, height: HEIGHT });
    }
  }).observe(board);
  document.addEventListener("vetting:sensor", load);
  document.addEventListener("vetting:seen", load);
  load();
})();
