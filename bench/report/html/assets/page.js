// The page: opening scenarios, filtering the table, and colours.

const rows = [...document.querySelectorAll("tr.scenario")];

function button(row) { return row.querySelector("button.open"); }

async function open(row) {
  const opener = button(row);
  if (opener.getAttribute("aria-expanded") === "true") return;
  opener.setAttribute("aria-expanded", "true");
  const cell = el("td", { colspan: 5 }, "Unpacking …");
  const opened = el("tr", { class: "opened", id: `${row.id}-opened` }, cell);
  opener.setAttribute("aria-controls", opened.id);
  row.after(opened);
  try {
    const data = await unpack(row.id.replace("row", "data"));
    data.id = row.id;
    const badge = row.querySelector(".badge");
    const scenario = drawScenario(data, { name: opener.textContent, board: row.dataset.board, outcome: row.dataset.outcome,
      badge: badge ? [badge.cloneNode(true), " "] : null });
    cell.replaceChildren(scenario.inside);
    if (data.redraw) data.redraw();
    scenario.ready();
  } catch (error) {
    cell.replaceChildren(el("p", { class: "damage" }, `This browser cannot open the scenario: ${error.message}. Its evidence lies beside this page.`));
  }
  row.dataset.ready = "yes";
}

function close(row) {
  button(row).setAttribute("aria-expanded", "false");
  const opened = document.getElementById(`${row.id}-opened`);
  if (opened) opened.remove();
  delete row.dataset.ready;
}

async function toggle(row) {
  if (button(row).getAttribute("aria-expanded") === "true") { close(row); return; }
  try { history.replaceState(null, "", `#${row.dataset.anchor}`); } catch { /* a page in a sandbox has no address */ }
  await open(row);
}

const filter = { words: "", cause: null, board: "", hidden: new Set() };

function apply() {
  const words = filter.words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const fits = !filter.hidden.has(row.dataset.outcome) && (!filter.board || row.dataset.board === filter.board)
      && (filter.cause === null || row.querySelector(".first").textContent === filter.cause) && words.every((word) => text.includes(word));
    row.hidden = !fits;
    const opened = document.getElementById(`${row.id}-opened`);
    if (opened) opened.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = shown === rows.length ? `${shown} shown` : `${shown} of ${rows.length} shown`;
}

function listen() {
  for (const row of rows) button(row).addEventListener("click", () => toggle(row));
  document.getElementById("find").addEventListener("input", (event) => { filter.words = event.target.value; apply(); });
  for (const choice of document.querySelectorAll("button[data-outcome]")) {
    choice.addEventListener("click", () => {
      const { outcome } = choice.dataset;
      if (!filter.hidden.delete(outcome)) filter.hidden.add(outcome);
      choice.setAttribute("aria-pressed", !filter.hidden.has(outcome));
      apply();
    });
  }
  const board = document.getElementById("board");
  if (board) board.addEventListener("change", () => { filter.board = board.value; apply(); });
  const causes = [...document.querySelectorAll("button.cause")];
  for (const cause of causes) {
    cause.setAttribute("aria-pressed", "false");
    cause.addEventListener("click", () => {
      filter.cause = filter.cause === cause.dataset.cause ? null : cause.dataset.cause;
      for (const other of causes) other.setAttribute("aria-pressed", filter.cause === other.dataset.cause);
      apply();
    });
  }
  addEventListener("hashchange", openAddressed);
}

function openAddressed() {
  const row = rows.find((candidate) => location.hash === `#${candidate.dataset.anchor}`);
  if (!row) return false;
  open(row).then(() => row.scrollIntoView());
  return true;
}

function colours() {
  const themes = ["", "dark", "light"], words = { "": "Colours: as the system", dark: "Colours: dark", light: "Colours: light" };
  const choice = document.getElementById("theme");
  const set = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
    choice.textContent = words[theme];
  };
  let now = "";
  try { now = localStorage.getItem("ota-bench-theme") || ""; } catch { /* a page in a sandbox keeps nothing */ }
  set(themes.includes(now) ? now : "");
  choice.hidden = false;
  choice.addEventListener("click", () => {
    now = themes[(themes.indexOf(document.documentElement.dataset.theme || "") + 1) % themes.length];
    try { localStorage.setItem("ota-bench-theme", now); } catch { /* as above */ }
    set(now);
  });
}

colours();
listen();
document.getElementById("filters").hidden = false;
apply();
const wrong = rows.filter((row) => !["passed", "skipped"].includes(row.dataset.outcome));
if (!openAddressed() && (wrong.length === 1 || (rows.length === 1 && !wrong.length))) open(wrong[0] || rows[0]);
document.documentElement.dataset.ready = "yes";
