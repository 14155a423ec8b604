// From seconds to pixels. Updates hurry and wait: to scale, all that happens would stand on top of itself beside a
// minute of nothing. So pauses are shortened, and drawn as what they are; "to scale" shows the time as it was.

function makeAxis(times, end, left, width, toScale) {
  const knots = [...new Set([0, ...times.filter((time) => time >= 0 && time <= end), end])].sort((a, b) => a - b);
  if (knots.length < 2) knots.push(knots[0] + 0.001);
  const last = knots[knots.length - 1];
  const breaks = [];
  let position = [];
  if (toScale) {
    position = knots.map((time) => left + (width * time) / last);
  } else {
    const steps = knots.slice(1).map((time, at) => time - knots[at]);
    const ordered = [...steps].sort((a, b) => a - b);
    const cap = Math.max(6 * ordered[Math.floor(ordered.length / 2)], last / 1e4);
    const least = Math.min(9, (0.6 * width) / steps.length);
    const kept = steps.map((step) => Math.min(step, cap));
    const sum = kept.reduce((a, b) => a + b, 0) || 1;
    let x = left;
    position = [x];
    steps.forEach((step, at) => {
      x += least + ((width - least * steps.length) * kept[at]) / sum;
      position.push(x);
      if (step > 1.5 * cap) breaks.push({ from: knots[at], to: knots[at + 1], x: (position[at] + x) / 2, room: x - position[at] });
    });
  }
  const x = (time) => {
    if (time <= knots[0]) return position[0];
    let low = 0, high = knots.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (knots[middle] <= time) low = middle; else high = middle;
    }
    const share = Math.min(1, (time - knots[low]) / (knots[high] - knots[low]));
    return position[low] + share * (position[high] - position[low]);
  };
  return { x, breaks, knots, position };
}

// Where the axis is labelled: at moments something happens where pauses are shortened, at round ones to scale.
function axisTicks(axis, end, toScale, room) {
  const found = [];
  if (toScale) {
    const rough = end / 8 || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    for (let time = 0; time <= end + step / 1e6; time += step) found.push([time, axis.x(time)]);
    return found;
  }
  let free = -Infinity;
  axis.knots.forEach((time, at) => {
    if (axis.position[at] - free >= room) {
      found.push([time, axis.position[at]]);
      free = axis.position[at];
    }
  });
  return found;
}
