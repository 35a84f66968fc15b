// The log's viewer: lines that came since are put behind those there are, earlier ones before them. It follows its end
// until somebody scrolls up to read; a pause leaves it as it is. However long the log, the page holds a few thousand lines.
"use strict";
(() => {
  const MOST = 2000; // lines kept while it follows
  const MOST_READING = 6000; // lines kept while somebody reads further up; beyond, it pauses by itself
  const box = document.querySelector("[data-log]");
  if (!box) return;
  const form = box.parentElement.querySelector("form.filter");
  const pause = form.querySelector("[data-log-pause]");
  const earlier = box.querySelector("[data-log-earlier]");
  const none = box.querySelector(".none");
  const state = box.parentElement.querySelector("[data-log-state]");
  const toEnd = box.parentElement.querySelector("[data-log-end]");
  let rows = box.querySelector("[data-start]");
  let start = Number(box.dataset.start);
  let end = Number(box.dataset.end);
  let paused = !("follow" in box.dataset);
  let busy = false;
  let again = false;
  let unseen = false;
  let turn = 0; // of several filters in a row the last one counts

  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const scrollToEnd = () => { box.scrollTop = box.scrollHeight; };

  async function fetchLines(query) {
    const asked = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(query)) asked.set(name, value);
    const response = await fetch(`${box.dataset.log}?${asked}`, { headers: { "HX-Request": "true", "If-None-Match": '"none"' } });
    if (!response.ok || response.status === 204) throw new Error(`${response.status}`);
    const holder = document.createElement("template");
    holder.innerHTML = await response.text();
    return holder.content.firstElementChild;
  }

  async function catchUp() {
    if (document.hidden) return; // caught up when it is looked at
    if (paused) { unseen = true; tell(); return; }
    if (busy) { again = true; return; }
    busy = true;
    again = false;
    const shown = rows;
    try {
      const fresh = await fetchLines({ after: end });
      const following = atEnd(); // now, not when it was asked: somebody may have scrolled up since
      const gap = Number(fresh.dataset.start) > end;
      if (shown !== rows) again = true; // replaced meanwhile: these lines may be there already
      else if (gap && following) replace(fresh);
      else if (gap) { setPaused(true); unseen = true; }
      else append(fresh, following);
    } catch (error) { /* not reachable: the page says so, and the stream's reopening tells again */ }
    busy = false;
    tell();
    if (again) catchUp();
  }

  function append(fresh, following) {
    end = Number(fresh.dataset.end);
    if (!fresh.firstElementChild) return;
    rows.append(...fresh.childNodes);
    none.hidden = true;
    if (following) { trim(); scrollToEnd(); } else {
      unseen = true;
      if (rows.childElementCount > MOST_READING) setPaused(true);
    }
  }

  function trim() {
    let surplus = rows.childElementCount - MOST;
    if (surplus <= 0) return;
    while (surplus > 0) { if (rows.firstChild.nodeType === Node.ELEMENT_NODE) surplus -= 1; rows.firstChild.remove(); }
    start = Number(rows.firstElementChild.dataset.at);
  }

  function replace(fresh) {
    rows.replaceWith(fresh);
    rows = fresh;
    start = Number(fresh.dataset.start);
    end = Number(fresh.dataset.end);
    none.hidden = fresh.childElementCount > 0;
    none.textContent = "No such line in what was looked through.";
    unseen = false;
    scrollToEnd();
  }

  async function reload() {
    const asked = ++turn;
    const fresh = await fetchLines({}).catch(() => null);
    if (fresh && asked === turn) replace(fresh);
    tell();
  }

  async function lookBack() {
    if (busy) return;
    busy = true;
    const shown = rows;
    try {
      const older = await fetchLines({ before: start });
      if (shown !== rows) throw new Error("replaced meanwhile");
      const height = box.scrollHeight;
      start = Number(older.dataset.start);
      if (older.childElementCount) none.hidden = true;
      rows.prepend(...older.childNodes);
      box.scrollTop += box.scrollHeight - height;
      if (rows.childElementCount > MOST_READING) setPaused(true);
    } catch (error) { /* as above */ }
    busy = false;
    tell();
  }

  function setPaused(on) {
    paused = on;
    pause.setAttribute("aria-pressed", String(on));
    pause.textContent = on ? "Go on" : "Pause";
  }

  function tell() {
    earlier.parentElement.hidden = start === 0;
    if (atEnd() && !paused) unseen = false;
    toEnd.hidden = !unseen && atEnd();
    state.textContent = paused ? (unseen ? "Paused: new lines came since." : "Paused.") : unseen ? "New lines below." : "";
  }

  pause.hidden = !("follow" in box.dataset) || "over" in box.dataset;
  pause.addEventListener("click", () => { setPaused(!paused); if (!paused) { scrollToEnd(); catchUp(); } tell(); });
  earlier.addEventListener("click", (event) => { event.preventDefault(); lookBack(); });
  toEnd.addEventListener("click", () => {
    if (paused || rows.childElementCount > MOST) { setPaused(false); reload(); } else scrollToEnd();
    tell();
  });
  box.addEventListener("scroll", tell, { passive: true });
  form.addEventListener("submit", (event) => { event.preventDefault(); setPaused(false); reload(); });
  form.querySelector("select").addEventListener("change", () => form.requestSubmit());
  document.addEventListener("vetting:log", catchUp);
  document.addEventListener("vetting:seen", catchUp);
  setPaused(paused);
  scrollToEnd();
  tell();
})();
