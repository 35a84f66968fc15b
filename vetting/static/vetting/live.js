// Keeps a page alive. A run's page (data-version) is sent the parts that changed; any other is told that something
// changed, and asks for those of its parts that depend on it (data-on). Each part of a run's page has a tag, a digest of
// its content: the server says which tags are right, and the page asks for what it lacks. First paint, update and
// reconnect are the same templates.
"use strict";
(() => {
  const MIN_GAP_MS = 300; // the shortest time between two fetches of one page
  const OPEN_MS = 8000; // a stream that is not open by then is closed and opened again
  const SILENCE_MS = 45000; // the server sends a keep-alive every 20 s, so a longer silence means a dead connection
  const RETRY_MS = 2000;
  const LIVENESS_MS = 5000; // how often a visible page checks the web process and the worker
  const LIVENESS_LIMIT_MS = 4000;
  const UNSEEN_MS = 20000; // a tab in the background closes its stream: a browser has only six for each address
  const GLANCE_MS = 60000; // how often it updates the title of its tab
  const JUST_NOW_MS = 3000;
  const OVERDUE_MS = 4000; // fragments come within a second after an event; after this time the page fetches them
  const page = document.querySelector("main[data-live]");
  const sign = document.getElementById("connection");
  const dirty = new Set();
  let fetching = false;
  let asleep = false;
  let glancedAt = 0;
  let source = null;
  let lastWord = Date.now();
  let versions = {};
  const isSentParts = page && page.dataset.version !== undefined;
  let isFirst = true;
  let overdue = null;

  function show(state) {
    if (sign.dataset.state === state) return;
    sign.dataset.state = state;
    sign.textContent = { live: "live", reconnecting: "reconnecting…" }[state];
  }

  // --- fetching parts ---

  function mark(reason, runs) {
    if (isSentParts) return reason === "run" || reason === "progress" ? expectParts() : undefined;
    for (const run of runs || []) movedAt.set(run, Date.now());
    for (const part of page.querySelectorAll(`[data-on~="${reason}"]`)) {
      if (!runs || runs.includes(Number(part.dataset.run))) dirty.add(part.id);
    }
    fetchDirty();
  }

  async function fetchDirty() {
    if (fetching || !dirty.size || (document.hidden && !glancing())) return;
    fetching = true;
    const names = dirty.has("grid") ? ["grid"] : [...dirty];
    dirty.clear();
    const query = names.map((name) => `part=${encodeURIComponent(name)}`).join("&");
    const joint = page.dataset.parts.includes("?") ? "&" : "?";
    const asked = { swap: "none", headers: { "If-None-Match": tags(names) } };
    const failed = await htmx.ajax("GET", page.dataset.parts + joint + query, asked).then(() => false, () => true);
    if (failed) names.forEach((name) => dirty.add(name));
    window.setTimeout(() => { fetching = false; fetchDirty(); }, failed ? RETRY_MS : MIN_GAP_MS);
  }

  const tagged = () => [...page.querySelectorAll("[data-tag]")];
  const tags = (names) => tagged().filter((part) => names.includes(part.id)).map((part) => `"${part.dataset.tag}"`).join(", ") || '"none"';

  function sent(data) {
    window.clearTimeout(overdue);
    overdue = null;
    if (data.html) htmx.swap(document.body, data.html, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
    for (const part of tagged()) if (data.tags[part.id] && data.tags[part.id] !== part.dataset.tag) dirty.add(part.id);
    fetchDirty();
  }

  function expectParts() {
    overdue ??= window.setTimeout(() => { overdue = null; refresh(); }, OVERDUE_MS);
  }

  function refresh() {
    tagged().forEach((part) => dirty.add(part.id));
    fetchDirty();
  }

  // A part in which nothing but a clock moved is left alone, so that text stays selected and nothing flickers. One that
  // is put in place keeps what was unfolded and where the keyboard was.
  const shown = new Map();
  let refocus = null;
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const fresh = event.detail.fragment.firstElementChild;
    if (!fresh || !fresh.id) return;
    const isOld = Number(fresh.dataset.version) < Number(event.detail.target.dataset.version);
    if (fresh.dataset.title && !isOld) document.title = fresh.dataset.title.trim();
    if (isOld || isShown(event.detail.target, fresh)) event.detail.shouldSwap = false;
    else { fillIn(fresh); keepOpen(event.detail.target, fresh); keepFocus(event.detail.target, fresh.id); }
  });
  document.body.addEventListener("htmx:oobAfterSwap", (event) => {
    if (refocus) refocus();
    refocus = null;
    if (event.detail.target.id === "grid" && event.detail.shouldSwap) askForTilesThatMoved();
  });

  // The grid may have been rendered a second ago, for others: a tile in it may be older than the one that was here.
  const movedAt = new Map();
  function askForTilesThatMoved() {
    for (const tile of page.querySelectorAll("[data-run]")) {
      if (Date.now() - movedAt.get(Number(tile.dataset.run)) < JUST_NOW_MS) dirty.add(tile.id);
    }
  }

  function isShown(old, fresh) {
    if (fresh.dataset.tag) return fresh.dataset.tag === old.dataset.tag;
    const content = withoutClocks(fresh);
    const before = shown.get(fresh.id);
    shown.set(fresh.id, content);
    return before === content;
  }

  // A part that was rendered for everybody has no token in its forms: it is that of the form that logs out.
  function fillIn(part) {
    const token = document.querySelector(".logout [name=csrfmiddlewaretoken]");
    for (const field of part.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token.value;
  }

  function withoutClocks(part) {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("[data-elapsed]").forEach((clock) => { clock.textContent = ""; });
    copy.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((token) => token.remove());
    return copy.outerHTML;
  }

  const focusable = (part) => [...part.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
  function keepFocus(old, id) {
    const active = document.activeElement;
    if (!old.contains(active)) return;
    const place = focusable(old).indexOf(active);
    const address = active.getAttribute("href");
    refocus = () => {
      const now = focusable(document.getElementById(id));
      const same = address ? now.find((item) => item.getAttribute("href") === address) : now[place];
      if (same) same.focus({ preventScroll: true });
    };
  }

  function keepOpen(old, fresh) {
    for (const detail of old.querySelectorAll("details[id]")) {
      const same = fresh.querySelector(`#${CSS.escape(detail.id)}`);
      if (same) same.open = detail.open;
    }
  }

  // --- the event stream ---

  function connect() {
    if (source) source.close();
    asleep = false;
    lastWord = Date.now();
    const parts = isSentParts ? "&with=parts" : "";
    const opening = new EventSource(`/events/?channel=${encodeURIComponent(page.dataset.live)}${parts}`);
    source = opening;
    window.setTimeout(() => {
      if (source === opening && opening.readyState === EventSource.CONNECTING) { show("reconnecting"); connect(); }
    }, OPEN_MS);
    source.onopen = () => {
      lastWord = Date.now();
      versions = {};
      show("live");
      if (!isSentParts) everything();
    };
    source.addEventListener("stream-open", (event) => { if (isSentParts) opened(JSON.parse(event.data || "{}").version); });
    source.addEventListener("parts", (event) => heard(event, sent));
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

  // The page as it was loaded may be of this version. After a break it asks for everything that differs; the server's
  // versions may then have begun anew.
  function opened(version) {
    const isFresh = isFirst && Number(page.dataset.version) === version;
    isFirst = false;
    tagged().forEach((part) => { delete part.dataset.version; });
    if (!isFresh) refresh();
    for (const kind of ["log", "sensor"]) document.dispatchEvent(new CustomEvent(`vetting:${kind}`));
  }

  function everything() {
    ["run", "progress"].forEach((reason) => mark(reason));
    for (const kind of ["log", "sensor"]) document.dispatchEvent(new CustomEvent(`vetting:${kind}`));
  }

  // --- check the network, the web process and the worker: nothing else would show that one is dead ---

  async function checkLiveness() {
    if (document.hidden || asleep) return;
    const sign = document.getElementById("worker-warning");
    try {
      const answer = await fetch("/worker-warning/", { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(LIVENESS_LIMIT_MS) });
      if (answer.status === 204) window.location.reload(); // logged out meanwhile
      const holder = document.createElement("template");
      holder.innerHTML = answer.ok ? await answer.text() : "";
      const fresh = holder.content.firstElementChild;
      if (fresh && sign && !sign.isEqualNode(fresh)) sign.replaceWith(fresh);
    } catch (error) {
      lost();
    }
  }

  function lost() {
    show("reconnecting");
    if (source && source.readyState === EventSource.OPEN) window.setTimeout(connect, RETRY_MS);
  }

  // --- a tab in the background ---

  const glancing = () => Date.now() - glancedAt < MIN_GAP_MS * 10;

  function glance() {
    glancedAt = Date.now();
    for (const part of page.querySelectorAll("[data-title]")) dirty.add(part.id);
    fetchDirty();
  }

  function sleep() {
    asleep = true;
    if (source) source.close();
    source = null;
    glancedAt = Date.now();
  }

  let unseen = null;
  function looked() {
    window.clearTimeout(unseen);
    if (document.hidden) unseen = window.setTimeout(sleep, UNSEEN_MS);
    else if (asleep) connect();
    else { fetchDirty(); document.dispatchEvent(new CustomEvent("vetting:seen")); }
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
    if (asleep && document.hidden && Date.now() - glancedAt > GLANCE_MS) glance();
  }

  // --- confirmations open in a dialog; without this script they are pages of their own ---

  const dialog = document.getElementById("dialog");
  let opener = null;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== dialog) return;
    event.detail.shouldSwap = true; // a 409 says why, in the same place
    event.detail.isError = false;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== dialog || dialog.open) return;
    opener = document.activeElement.getAttribute("href");
    dialog.showModal();
  });
  // The link that opened it may have been put in place anew meanwhile.
  dialog.addEventListener("close", () => {
    const same = opener && document.querySelector(`main a[href="${CSS.escape(opener)}"]`);
    if (same && document.activeElement === document.body) same.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) { event.preventDefault(); dialog.close(); }
  });

  // --- copying a command ---

  for (const text of document.querySelectorAll("[data-copy]")) offerToCopy(text);
  document.body.addEventListener("htmx:oobAfterSwap", () => document.querySelectorAll("[data-copy]").forEach(offerToCopy));
  function offerToCopy(text) {
    if (text.parentElement.matches(".copyable")) return;
    const frame = document.createElement("div");
    frame.className = "copyable";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      button.textContent = await isCopied(text) ? "Copied" : "Selected: press Ctrl+C";
      window.setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    text.replaceWith(frame);
    frame.append(text, button);
  }
  // Over plain HTTP a browser has no clipboard of its own; then the text is selected and copied as by hand. If that is
  // refused, too, it stays selected.
  async function isCopied(text) {
    if (navigator.clipboard && await navigator.clipboard.writeText(text.textContent).then(() => true, () => false)) return true;
    const selection = window.getSelection();
    selection.selectAllChildren(text);
    const copied = document.execCommand("copy");
    if (copied) selection.removeAllRanges();
    return copied;
  }

  window.setInterval(tick, 1000);
  if (page) {
    connect();
    window.setInterval(checkLiveness, LIVENESS_MS);
    window.addEventListener("offline", lost);
    window.addEventListener("online", connect);
    document.addEventListener("visibilitychange", looked);
    window.addEventListener("pagehide", () => source && source.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
    if (document.hidden) looked();
  }
})();
