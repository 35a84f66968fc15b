// The rows of a run's history. The page is told how many events there are; the rows that came since are fetched while
// they are unfolded, and put before those there are.
"use strict";
(() => {
  let rows = document.querySelector("[data-history]");
  if (!rows) return;
  const details = rows.closest("details");
  let busy = false;
  let again = false;

  async function catchUp() {
    if (!details.open || document.hidden) return; // caught up when it is looked at
    if (document.getElementById("history").dataset.digest === rows.dataset.digest) return;
    if (busy) { again = true; return; }
    busy = true;
    again = false;
    try {
      const known = { "HX-Request": "true", "If-None-Match": `"${rows.dataset.digest}"` };
      const response = await fetch(`${rows.dataset.history}?after=${rows.dataset.newest}`, { headers: known });
      if (response.status === 200) put(await response.text());
    } catch (error) { /* not reachable: the page says so, and the next event or a look at it tries again */ }
    busy = false;
    if (again) catchUp();
  }

  function put(html) {
    const holder = document.createElement("template");
    holder.innerHTML = `<table>${html}</table>`;
    const fresh = holder.content.querySelector("tbody");
    if (!("continues" in fresh.dataset)) { rows.replaceWith(fresh); rows = fresh; return; }
    rows.dataset.newest = fresh.dataset.newest;
    rows.dataset.digest = fresh.dataset.digest;
    rows.prepend(...fresh.childNodes);
    while (rows.rows.length > Number(fresh.dataset.continues)) rows.rows[rows.rows.length - 1].remove();
  }

  details.addEventListener("toggle", catchUp);
  document.addEventListener("visibilitychange", catchUp);
  document.body.addEventListener("htmx:oobAfterSwap", (event) => { if (event.detail.target.id === "history") catchUp(); });
})();
