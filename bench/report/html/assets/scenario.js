// One scenario, opened: why it did not pass, the picture, the console, and the rest of its evidence.

const FATES = { came: "came", here: "due here", "left out": "left out", awaited: "not reached", never: "must not come" };

function drawScenario(data, facts) {
  const inside = el("div", { class: "inside", role: "region", "aria-label": `Scenario ${facts.name} on ${facts.board}` });
  const listing = drawRows(data);
  inside.append(el("p", { class: "promise" }, facts.badge, data.promise || "This scenario tells no promise."));
  for (const text of data.damage) inside.append(el("p", { class: "damage", role: "note" }, `Evidence: ${text}.`));
  if (data.failure) inside.append(drawFailure(data, listing, facts.outcome));
  if (data.picture.marks.length) inside.append(drawView(data, listing));
  else if (facts.outcome !== "skipped") inside.append(el("p", { class: "damage" }, "There is no picture: the timeline holds nothing that could be drawn."));
  if (facts.outcome !== "skipped") inside.append(drawConsole(data, listing));
  inside.append(drawRest(data));
  return { inside, ready: () => settle(data, listing) };
}

function settle(data, listing) {
  const { failure } = data;
  if (!failure) return;
  const error = listing.nodes.findIndex((node) => node.classList.contains("E"));
  const goal = failure.row !== null ? failure.row : failure.wanted.length ? listing.nodes.length - 1 : error;
  if (goal >= 0 && listing.nodes[goal]) listing.box.scrollTo({ top: listing.nodes[goal].offsetTop - listing.box.offsetTop - listing.box.clientHeight / 2, behavior: "instant" });
}

function drawFailure(data, listing, outcome) {
  const { failure } = data;
  const jump = (row) => (row === null ? null : el("button", { type: "button", onclick: () => showRow(listing, row) }, "show"));
  const list = el("dl", {});
  const add = (name, ...content) => list.append(el("dt", {}, name), el("dd", {}, ...content));
  if (failure.wanted.length) {
    add("Wanted", el("ol", { class: "steps" }, failure.wanted.map(([fate, text, row, times]) => el("li", { class: fate.replace(" ", "-") },
      el("span", { class: "fate" }, FATES[fate] || fate), `${text}${times > 1 ? ` (${times} times)` : ""} `, jump(row)))));
    add("Seen instead", failure.instead, " ", jump(failure.row));
    add("Diverged", failure.at === null ? "nowhere: what was due never came" : `at ${seconds(failure.at)}`);
  } else add("Cause", data.cause || "none is told");
  if (data.device) add("Device said", data.device);
  for (const panic of data.panics) add("Panic", panic.reason, " ", jump(panic.row), el("br"), panic.lines.length ? el("span", { class: "mono" }, panic.lines.slice(0, 12).flatMap((line) => [line, el("br")])) : panic.why_not);
  const heading = { failed: "The firmware did not keep its promise", error: "The bench broke down; the firmware was not judged" }[outcome] || "This scenario has no verdict";
  return el("section", { class: `failure ${outcome === "failed" ? "" : "bench"}` }, el("h3", {}, heading), list,
    failure.text ? el("details", {}, el("summary", {}, "The whole message"), el("pre", { tabindex: 0 }, failure.text)) : null);
}

function drawView(data, listing) {
  const behind = el("output", { class: "behind", "aria-live": "polite" }, "Point at a mark, or move to it with the arrow keys: the line behind it is shown here. Click or Enter shows it in the console.");
  const scroll = el("div", { class: "scroll" });
  const view = { toScale: false, zoom: 1 };
  const onMark = (mark) => {
    const [at, lane, kind, label, row] = mark;
    const cause = row !== null ? data.causes[row] : null;
    behind.replaceChildren(el("b", {}, `${seconds(at)} · ${lane} · ${NAMES[kind] || kind}: `), label, el("br"),
      el("span", { class: "mono" }, row !== null ? data.rows[row].slice(1) : ""), cause ? el("span", { class: "why" }, ` ↳ ${cause}`) : null);
  };
  const onPick = (mark) => { if (mark[4] !== null) showRow(listing, mark[4]); };
  const draw = () => {
    const room = Math.max(640, (scroll.clientWidth || 1100) - 2) * view.zoom;
    scroll.replaceChildren(drawPicture(data, { id: data.id, width: Math.round(room), toScale: view.toScale, onMark, onPick }));
  };
  view.draw = draw;
  const scale = el("button", { type: "button", "aria-pressed": "false", onclick: () => {
    view.toScale = !view.toScale;
    scale.setAttribute("aria-pressed", view.toScale);
    draw();
  } }, "Time to scale");
  const zoom = (factor) => () => { view.zoom = Math.max(1, Math.min(16, view.zoom * factor)); draw(); };
  data.redraw = draw;
  const left = data.picture.left ? el("span", {}, `${data.picture.left} marks in the middle are left out`) : null;
  return el("section", {}, el("h3", {}, "Picture of the update"), el("div", { class: "tools" }, scale,
    el("button", { type: "button", onclick: zoom(2) }, "Wider"), el("button", { type: "button", onclick: zoom(0.5) }, "Narrower"), left), scroll, behind, legend(data.id));
}

function drawConsole(data, listing) {
  const choice = (words, name) => el("label", {}, el("input", { type: "checkbox", onchange: (event) => listing.box.classList.toggle(name, event.target.checked) }), ` ${words}`);
  return el("section", {}, el("h3", {}, "Console"), el("div", { class: "tools" }, choice("Only warnings and errors", "loud"), choice("Only the device", "device")), listing.box);
}

function drawRest(data) {
  const links = data.files.flatMap(([name, link]) => [link ? el("a", { href: link }, name) : name, " "]);
  const images = data.images.length ? el("table", {}, el("thead", {}, el("tr", {}, ["Role", "Image", "Bytes", "SHA-256"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, data.images.map((image) => el("tr", {}, image.map((text, at) => el("td", { class: at === 3 ? "mono" : null }, text)))))) : null;
  return el("details", {}, el("summary", {}, "Build, images and files of evidence"),
    el("dl", { class: "facts" }, data.facts.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
      data.scenario ? el("div", {}, el("dt", {}, "run again"), el("dd", {}, el("code", {}, `pytest "${data.scenario}"`))) : null), images, el("p", {}, links));
}
