// The picture of an update: one time axis, and on it what bench, server and device did and what the slots held.

const GUTTER = 92;
const LANES = { bench: ["Bench", 58], server: ["Server", 70], bytes: ["Downloaded", 54], device: ["Device", 92] };
const BAND = 30;

const SHAPES = {
  start: "M-4-6 6 0-4 6z", reset: "M0-6A6 6 0 1 1-6 0H-3A3 3 0 1 0 0-3z", "power-off": "M-6-6H6V6H-6z", "power-on": "M0-7 6 5H-6z",
  flash: "M-5-6H5V2L0 7-5 2z", finding: "M-3-7H6L3-3 6 1H-1V7H-3z", boot_loop: "M-7 0 0-7 7 0 0 7z", release: "M0-6 6 0 0 6-6 0z",
  tls: "M-5-1H-3V-4A3 3 0 0 1 3-4V-1H5V6H-5z", fault: "M2-8-6 2H-1L-3 8 6-2H1z", event: "M0-5A5 5 0 1 1 0 5 5 5 0 1 1 0-5z",
  panic: "M-7-4-4-7 0-3 4-7 7-4 3 0 7 4 4 7 0 3-4 7-7 4-3 0z", error: "M-4-6H4L0 6z", warning: "M0-6 5 5H-5z",
  boot: "M-5 6V-6H5V6z", request: "M-4-5H4V5H-4z", other: "M-3-3H3V3H-3z",
};
const NAMES = {
  start: "update started", reset: "reset", "power-off": "power off", "power-on": "power on", flash: "flash written", finding: "finding",
  boot_loop: "boot loop", release: "release", tls: "TLS", fault: "fault", event: "OTA event", panic: "panic", error: "error",
  warning: "warning", boot: "boot", request: "request", other: "other",
};
const HATCHES = { "pending verify": "slant", new: "dots", aborted: "cross", invalid: "cross" };

function drawPicture(data, options) {
  const { picture, failure } = data;
  const { id, width, toScale, onMark, onPick } = options;
  const slots = Object.keys(picture.slots);
  const bandEdges = Object.values(picture.slots).flat().flatMap((band) => [band[0], band[1]]);
  const times = [...picture.marks.flatMap((mark) => [mark[0], mark[5]]), ...bandEdges, ...picture.bytes.sent.flatMap((line) => line.map((point) => point[0]))].filter((time) => typeof time === "number");
  const axis = makeAxis(times, picture.end, GUTTER + 14, width - GUTTER - 44, toScale);
  const tops = {};
  let y = 50;
  for (const [lane, [, height]] of Object.entries(LANES)) { tops[lane] = y; y += height; }
  const slotTop = y;
  const height = y + slots.length * BAND + 8;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label":
    `Picture of the update: ${picture.marks.length} marks. Left and right arrow keys move between them, Enter shows the line in the console.` });
  root.append(patterns(id));
  for (const [begin, end] of picture.off) {
    root.append(svg("rect", { class: "off", x: axis.x(begin), y: tops.device, width: Math.max(2, axis.x(end) - axis.x(begin)), height: height - tops.device - 4 },
      svg("title", {}, `no power from ${seconds(begin)} to ${seconds(end)}`)));
  }
  drawAxis(root, axis, picture.end, toScale, height, width);
  for (const [lane, [name]] of Object.entries(LANES)) drawLane(root, name, tops[lane], width);
  drawBytes(root, picture.bytes, axis, tops.bytes, LANES.bytes[1]);
  slots.forEach((slot, at) => drawSlot(root, slot, picture.slots[slot], axis, slotTop + at * BAND, width, id));
  if (failure && (failure.wanted.length || failure.at !== null)) drawDivergence(root, axis.x(failure.at === null ? picture.end : failure.at), height, failure.at === null, width);
  const nodes = drawMarks(root, picture.marks, axis, tops, width, onMark, onPick);
  rove(root, nodes);
  return root;
}

function patterns(id) {
  const pattern = (name, ...content) => svg("pattern", { id: `${id}-${name}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, ...content);
  return svg("defs", {}, pattern("slant", svg("path", { d: "M-2 10 10-2M-2 2 2-2M6 10 10 6" })),
    pattern("cross", svg("path", { d: "M0 0 8 8M8 0 0 8" })), pattern("dots", svg("circle", { cx: 4, cy: 4, r: 1 })));
}

function drawLane(root, name, top, width) {
  root.append(svg("line", { class: "rule", x1: 0, x2: width, y1: top, y2: top }), svg("text", { class: "lane", x: 8, y: top + 18 }, name));
}

function drawAxis(root, axis, end, toScale, height, width) {
  for (const [time, x] of axisTicks(axis, end, toScale, 78)) {
    root.append(svg("line", { class: "grid", x1: x, x2: x, y1: 18, y2: height - 4 }), x < width - 48 ? svg("text", { class: "tick", x: x + 2, y: 12 }, seconds(time)) : "");
  }
  for (const gap of axis.breaks) {
    root.append(svg("g", {}, svg("title", {}, `${seconds(gap.to - gap.from)} in which nothing happened are drawn shorter`),
      svg("path", { class: "gap", d: `M${gap.x - 3} 17l3 3-3 3 3 3M${gap.x + 2} 17l3 3-3 3 3 3` }),
      gap.room > 62 ? svg("text", { class: "tick", x: gap.x + 8, y: 25 }, seconds(gap.to - gap.from)) : null));
  }
}

function drawBytes(root, bytes, axis, top, height) {
  const number = (count) => count.toLocaleString("en");
  const size = Math.max(bytes.size, ...bytes.sent.map((line) => line[line.length - 1][1]), 1);
  const level = (count) => top + height - 6 - ((height - 16) * count) / size;
  const words = bytes.sent.map((line) => `${number(line[0][1])} to ${number(line[line.length - 1][1])} from ${seconds(line[0][0])} to ${seconds(line[line.length - 1][0])}`);
  const group = svg("g", { role: "img", "aria-label": `Bytes downloaded over time, of ${number(bytes.size)}: ${words.slice(0, 20).join("; ") || "none"}` });
  bytes.sent.forEach((line, at) => {
    const first = axis.x(line[0][0]), points = line.map(([time, count], index) => `L${Math.max(axis.x(time), index ? first + 2 : first)} ${level(count)}`);
    group.append(svg("path", { class: "wave", d: `M${first} ${level(0)}${points.join("")}V${level(0)}z` }, svg("title", {}, `bytes ${words[at]}`)));
  });
  if (bytes.written.length > 1) {
    const line = bytes.written.map(([at, count], index) => `${index && count >= bytes.written[index - 1][1] ? "L" : "M"}${axis.x(at)} ${level(count)}`).join("");
    group.append(svg("path", { class: "written", d: line }, svg("title", {}, "bytes written to flash")));
  }
  if (bytes.size) group.append(svg("text", { class: "tick", x: 8, y: top + 34 }, `of ${(bytes.size / 1024).toFixed(0)} KiB`));
  root.append(group);
}

function drawSlot(root, slot, bands, axis, top, width, id) {
  drawLane(root, slot, top, width);
  const told = bands.map(([from, to, state, version, running, read]) =>
    `${seconds(from)} to ${seconds(to)}: ${bandWords(state, version, running)}${read ? " (read from flash)" : ""}`);
  const group = svg("g", { role: "img", "aria-label": `Slot ${slot}: ${told.join("; ")}` });
  bands.forEach(([from, to, state, version, running], at) => {
    const x = axis.x(from), room = Math.max(1.5, axis.x(to) - x);
    const kind = `band ${state || version ? "known" : ""} ${running ? "runs" : ""} ${state.replace(" ", "-")}`;
    const box = { x, y: top + 4, width: room, height: BAND - 8 };
    const words = bandWords(state, version, running);
    const label = [words, `${version || ""} ${state}`.trim(), state].find((text) => text && wide(text) + 10 < room);
    group.append(svg("g", {}, svg("title", {}, told[at]), svg("rect", { class: kind, ...box }),
      HATCHES[state] ? svg("rect", { class: "hatch", ...box, fill: `url(#${id}-${HATCHES[state]})` }) : null,
      label ? svg("text", { x: x + 5, y: top + 19 }, label) : null));
  });
  root.append(group);
}

function bandWords(state, version, running) {
  if (!state && !version && !running) return "empty";
  return `${running ? "▶ " : ""}${version ? `version ${version}` : ""} ${state || ""} ${running ? "running" : ""}`.trim().replace(/ +/g, " ");
}

function drawDivergence(root, x, height, missing, width) {
  const end = x > width - 110;
  root.append(svg("line", { class: "diverged", x1: x, x2: x, y1: 30, y2: height }),
    svg("text", { class: "diverged-label", x: x + (end ? -5 : 5), y: 41, "text-anchor": end ? "end" : "start" }, missing ? "it never came" : "diverged here"));
}

function drawMarks(root, marks, axis, tops, width, onMark, onPick) {
  const taken = {};
  return marks.map((mark, number) => {
    const [at, lane, kind, label, row, until, bad] = mark;
    const x = axis.x(at), stretch = typeof until === "number" ? Math.max(0, axis.x(until) - x) : 0, y = tops[lane] + 18;
    const node = svg("g", { class: `mark ${lane} ${kind} ${bad ? "bad" : ""}`, tabindex: number ? -1 : 0, role: "button",
      "aria-label": `${seconds(at)}, ${lane}, ${NAMES[kind] || kind}: ${label}`, transform: `translate(${x} ${y})` });
    node.append(svg("rect", { class: "hit", x: -8, y: -10, width: 16 + stretch, height: 20, rx: 4 }));
    if (stretch > 4) node.append(svg("rect", { class: "shape", x: 0, y: -4, width: stretch, height: 8, rx: 2 }));
    node.append(svg("path", { class: "shape", d: SHAPES[kind] || SHAPES.other }));
    const place = labelPlace(taken, lane, kind, x, label, width);
    if (place !== null) {
      const down = 16 + place.line * 13;
      node.append(svg("line", { class: "leader", x1: 0, x2: 0, y1: 6, y2: down - 9 }),
        svg("text", { x: place.left ? 3 : -3, y: down + 2, "text-anchor": place.left ? "end" : "start" }, shorten(label)));
    }
    node.addEventListener("mouseenter", () => onMark(mark));
    node.addEventListener("focus", () => onMark(mark));
    node.addEventListener("click", () => onPick(mark));
    root.append(node);
    return node;
  });
}

// Pixels of a text, about: capitals are wider.
function wide(text) {
  return [...text].reduce((sum, letter) => sum + (/[A-Z_→▶m]/.test(letter) ? 7.3 : /[a-z0-9]/.test(letter) ? 6.2 : 4.4), 0);
}

function shorten(label) {
  return label.length > 34 ? `${label.slice(0, 33)}…` : label;
}

// Labels stand under their marks, to the right or to the left, in as many lines as the lane has room for; one that
// finds no room is left out.
function labelPlace(taken, lane, kind, x, label, width) {
  if (kind === "warning" || !label) return null;
  const room = wide(shorten(label)) + 7;
  taken[lane] = taken[lane] || Array.from({ length: { bench: 2, server: 3, device: 5 }[lane] }, () => []);
  for (const left of [false, true]) {
    const [from, to] = left ? [x - room, x + 4] : [x - 4, x + room];
    if (from < GUTTER || to > width) continue;
    for (let line = 0; line < taken[lane].length; line += 1) {
      if (taken[lane][line].every(([begin, end]) => to <= begin || end <= from)) {
        taken[lane][line].push([from, to]);
        return { line, left };
      }
    }
  }
  return null;
}

// One stop for the Tab key; the arrow keys walk from mark to mark.
function rove(root, nodes) {
  root.addEventListener("keydown", (event) => {
    const at = nodes.indexOf(event.target);
    if (at < 0) return;
    const goal = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: nodes.length - 1 }[event.key];
    if (goal !== undefined) {
      const next = nodes[Math.max(0, Math.min(nodes.length - 1, goal))];
      event.target.setAttribute("tabindex", -1);
      next.setAttribute("tabindex", 0);
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    } else return;
    event.preventDefault();
  });
}

function legend(id) {
  const shape = (kind, lane, bad) => svg("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" },
    svg("g", { class: `mark ${lane} ${bad || ""}` }, svg("path", { class: "shape", d: SHAPES[kind] })));
  const band = (state, running) => svg("svg", { width: 26, height: 16, "aria-hidden": "true" },
    svg("rect", { class: `band known ${running ? "runs" : ""} ${state.replace(" ", "-")}`, x: 1, y: 1, width: 24, height: 14 }),
    HATCHES[state] ? svg("rect", { class: "hatch", x: 1, y: 1, width: 24, height: 14, fill: `url(#${id}-${HATCHES[state]})` }) : null);
  const item = (drawn, words) => el("li", {}, drawn, words);
  return el("ul", { class: "legend", "aria-label": "Legend" }, item(shape("event", "device"), "OTA event"), item(shape("boot", "device"), "boot"),
    item(shape("panic", "device", "bad"), "panic"), item(shape("error", "device", "bad"), "error"), item(shape("fault", "server", "bad"), "fault fired"), item(shape("request", "server"), "request"),
    item(shape("power-off", "bench", "bad"), "power off"), item(band("valid", true), "running"), item(band("valid"), "valid"),
    item(band("new"), "new"), item(band("pending verify"), "pending verify"), item(band("aborted"), "aborted"));
}
