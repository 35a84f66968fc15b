// The expected spec's editor: line numbers, and what the server says of the text while one types.
"use strict";

function specEditor(root) {
  const text = root.querySelector("textarea");
  const numbers = root.querySelector(".spec-editor-numbers");
  const said = root.querySelector(".spec-editor-said");
  let timer = 0, asked = 0;

  function draw(wrong) {
    const lines = text.value.split("\n").length;
    numbers.replaceChildren(...Array.from({ length: lines }, (_, index) => {
      const number = document.createElement(wrong.has(index + 1) ? "b" : "span");
      number.textContent = `${index + 1}\n`;
      return number;
    }));
    numbers.scrollTop = text.scrollTop;
  }

  function item(words, tone, line) {
    const row = document.createElement("li");
    row.className = tone;
    if (line) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words;
      button.addEventListener("click", () => go(line));
      row.append(button);
    } else {
      row.textContent = words;
    }
    return row;
  }

  function go(line) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + lines[line - 1].length);
    text.scrollTop = (line - 5) * parseFloat(getComputedStyle(text).lineHeight);
  }

  function show(answer) {
    const rows = [], wrong = new Set();
    for (const problem of answer.problems) {
      const found = problem.match(/, line (\d+):/);
      if (found) wrong.add(Number(found[1]));
      rows.push(item(`✗ ${problem}`, "bad", found && Number(found[1])));
    }
    for (const notice of answer.notices || []) rows.push(item(`! ${notice}`, "bad"));
    if (!answer.problems.length) rows.push(item(text.value.trim() ? "✓ The spec can be read." : "No spec: no run can pass.", "good"));
    if (answer.run) {
      const count = answer.differences.length;
      rows.push(item(count ? `Run ${answer.run} found ${count} thing${count > 1 ? "s" : ""} otherwise:` : `Run ${answer.run} found all as it stands here.`, "good"));
      for (const row of answer.differences) rows.push(item(`${row.severity}: ${row.message}`, row.severity === "critical" ? "bad" : "good"));
    }
    const list = document.createElement("ul");
    list.append(...rows);
    said.replaceChildren(list);
    draw(wrong);
  }

  async function check() {
    const turn = ++asked;
    const body = new FormData();
    body.append("text", text.value);
    body.append("host", root.dataset.host);
    body.append("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    try {
      const response = await fetch(root.dataset.check, { method: "POST", body, credentials: "same-origin" });
      const answer = await response.json();
      if (turn === asked) show(answer);
    } catch {
      if (turn === asked) said.textContent = "It could not be checked just now; it is checked again when you save.";
    }
  }

  text.addEventListener("input", () => {
    draw(new Set());
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  });
  text.addEventListener("scroll", () => { numbers.scrollTop = text.scrollTop; });
  const take = root.querySelector(".spec-editor-take");
  if (take) {
    take.hidden = false;
    take.addEventListener("click", () => {
      text.value = root.querySelector(".spec-editor-found").textContent;
      text.dispatchEvent(new Event("input"));
      text.focus();
    });
  }
  draw(new Set());
  check();
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".spec-editor").forEach(specEditor));
