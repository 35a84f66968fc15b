// Keeps a page alive. An event says only that something changed; the page then asks for those of its parts that depend
// on it (data-on) and puts the answer in their place. First paint, update and reconnect are the same templates.
"use strict";
(() => {
  const MIN_GAP_MS = 300; // between two fetches of one page, however fast events come
  const OPEN_MS = 8000; // a stream that is not open by then is given up and asked for again
  const SILENCE_MS = 45000; // the server sends a keep-alive every 20 s: no word for longer means a dead connection
  const RETRY_MS = 2000;
  const page = document.querySelector("main[data-live]");
  const sign = document.getElementById("connection");
  const dirty = new Set();
  let fetching = false;
  let source = null;
  let lastWord = Date.now();
  let versions = {};

  function show(state) {
    if (sign.dataset.state === state) return;
    sign.dataset.state = state;
    sign.textContent = { live: "live", reconnecting: "reconnecting…" }[state];
  }

  // --- fetching parts ---

  function mark(reason, runs) {
    for (const part of page.querySelectorAll(`[data-on~="${reason}"]`)) {
      if (!runs || runs.includes(Number(part.dataset.run))) dirty.add(part.id);
    }
    fetchDirty();
  }

  async function fetchDirty() {
    if (fetching || !dirty.size) return;
    fetching = true;
    const names = dirty.has("grid") ? ["grid"] : [...dirty];
    dirty.clear();
    const query = names.map((name) => `part=${encodeURIComponent(name)}`).join("&");
    const failed = await htmx.ajax("GET", `${page.dataset.parts}?${query}`, { swap: "none" }).then(() => false, () => true);
    if (failed) names.forEach((name) => dirty.add(name));
    window.setTimeout(() => { fetching = false; fetchDirty(); }, failed ? RETRY_MS : MIN_GAP_MS);
  }

  // An unchanged part is left alone, so that text stays selected and nothing flickers.
  const shown = new Map();
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const fresh = event.detail.fragment.firstElementChild;
    if (!fresh || !fresh.id) return;
    const html = fresh.outerHTML;
    if (shown.get(fresh.id) === html) event.detail.shouldSwap = false;
    else keepOpen(event.detail.target, fresh);
    shown.set(fresh.id, html);
  });

  function keepOpen(old, fresh) {
    for (const detail of old.querySelectorAll("details[id]")) {
      const same = fresh.querySelector(`#${CSS.escape(detail.id)}`);
      if (same) same.open = detail.open;
    }
    const log = old.querySelector("[data-follow]");
    if (log) followed = atEnd(log) ? null : log.scrollTop;
  }

  // --- the log follows its end, unless somebody scrolled up to read ---

  let followed = null;
  const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  function follow() {
    const log = document.querySelector("[data-follow]");
    if (log) log.scrollTop = followed === null ? log.scrollHeight : followed;
  }
  document.body.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target && event.detail.target.id === "log") follow();
    else if (!event.detail.target) follow();
  });

  // --- the event stream ---

  function connect() {
    if (source) source.close();
    lastWord = Date.now();
    const opening = new EventSource(`/events/?channel=${encodeURIComponent(page.dataset.live)}`);
    source = opening;
    window.setTimeout(() => {
      if (source === opening && opening.readyState === EventSource.CONNECTING) { show("reconnecting"); connect(); }
    }, OPEN_MS);
    source.onopen = () => {
      lastWord = Date.now();
      versions = {};
      show("live");
      everything();
    };
    source.onerror = () => {
      show("reconnecting");
      if (source.readyState === EventSource.CLOSED) window.setTimeout(connect, RETRY_MS);
    };
    source.addEventListener("keep-alive", () => { lastWord = Date.now(); });
    source.addEventListener("stream-reset", everything);
    source.addEventListener("stream-error", () => { show("reconnecting"); source.close(); window.setTimeout(connect, RETRY_MS); });
    source.addEventListener("run", (event) => heard(event, (data) => {
      if (!page.dataset.host || page.dataset.host === data.host) mark("run");
    }));
    source.addEventListener("live", (event) => heard(event, (data) => {
      if (data.runs !== undefined) mark("progress", data.runs);
      for (const kind of ["log", "progress", "sensor"]) {
        if (data[kind] === undefined || data[kind] === versions[kind]) continue;
        versions[kind] = data[kind];
        mark(kind);
        document.dispatchEvent(new CustomEvent(`vetting:${kind}`));
      }
    }));
  }

  function heard(event, act) {
    lastWord = Date.now();
    act(JSON.parse(event.data));
  }

  function everything() {
    ["run", "progress", "log"].forEach((reason) => mark(reason));
    document.dispatchEvent(new CustomEvent("vetting:sensor"));
  }

  // --- running clocks ---

  function spell(seconds) {
    const two = (n) => String(n).padStart(2, "0");
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s}\u00a0s`;
    if (s < 3600) return `${Math.floor(s / 60)}\u00a0min ${two(s % 60)}\u00a0s`;
    if (s < 86400) return `${Math.floor(s / 3600)}\u00a0h ${two(Math.floor((s % 3600) / 60))}\u00a0min`;
    return `${Math.floor(s / 86400)}\u00a0d ${Math.floor((s % 86400) / 3600)}\u00a0h`;
  }

  function tick() {
    for (const clock of document.querySelectorAll("[data-elapsed]")) {
      const text = spell((Date.now() - Date.parse(clock.dataset.elapsed)) / 1000);
      if (clock.textContent !== text) clock.textContent = text;
    }
    if (source && Date.now() - lastWord > SILENCE_MS) { show("reconnecting"); connect(); }
  }

  // --- confirmations open in a dialog; without this script they are pages of their own ---

  const dialog = document.getElementById("dialog");
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== dialog) return;
    event.detail.shouldSwap = true; // a 409 says why, in the same place
    event.detail.isError = false;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === dialog && !dialog.open) dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) { event.preventDefault(); dialog.close(); }
  });

  window.setInterval(tick, 1000);
  if (page) {
    follow();
    connect();
    window.addEventListener("pagehide", () => source && source.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  }
})();
