// The console, coloured by level, with what server and bench did between its lines.

function drawRows(data) {
  const { failure } = data;
  const panics = new Map(data.panics.map((panic) => [panic.last === null ? panic.row : panic.last, panic]));
  const box = el("div", { class: "rows", tabindex: 0, role: "region", "aria-label": "Console of the device" });
  const nodes = [];
  let line = 0;
  data.rows.forEach((text, at) => {
    const kind = text[0] === "!" ? "gap" : text[0] === "-" ? "plain" : text[0];
    if (data.steps[at]) line += data.steps[at];
    const cause = data.causes[at];
    const wrong = failure !== null && failure.row === at;
    const node = el("div", { class: `r ${kind}${wrong ? " wrong" : ""}`, id: `${data.id}-row-${at}` },
      el("span", { class: "n" }, data.steps[at] ? String(line) : { s: "server", b: "bench" }[kind] || ""),
      el("span", { class: "t" }, text.slice(1), cause ? el("span", { class: "code" }, cause) : null));
    nodes.push(node);
    box.append(node);
    if (wrong) box.append(el("div", { class: "note" }, `It diverged here. ${wantedWords(failure)}`));
    if (panics.has(at)) box.append(panicNote(panics.get(at)));
  });
  if (failure && failure.row === null && failure.wanted.length) box.append(el("div", { class: "note" }, `It never came. ${wantedWords(failure)}`));
  if (!data.rows.length) box.append(el("div", { class: "r" }, el("span", {}), el("span", { class: "t" }, "The device said nothing.")));
  return { box, nodes };
}

function wantedWords(failure) {
  const here = failure.wanted.find((step) => step[0] === "here") || failure.wanted.find((step) => step[0] === "never");
  return here ? `Wanted: ${here[1]}` : failure.instead;
}

function panicNote(panic) {
  return el("div", { class: "note" }, panic.lines.length ? `${panic.reason}, decoded:\n${panic.lines.join("\n")}` : `${panic.reason}: ${panic.why_not}`);
}

function showRow(listing, at) {
  const node = listing.nodes[at];
  if (!node) return;
  listing.box.classList.remove("loud", "device");
  listing.box.parentNode.querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = false; });
  listing.nodes.forEach((other) => other.classList.remove("at"));
  node.classList.add("at");
  listing.box.scrollTop = node.offsetTop - listing.box.offsetTop - listing.box.clientHeight / 3;
}
