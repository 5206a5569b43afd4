"use strict";
// From ink to a frame of MNIST's kind: what mnistkit.imaging does with a drawing, step by step (canonical.py, digit.py, ink.py).

// An image of one channel: `data` row by row, Float32Array.
const blank = (width, height) => ({ width, height, data: new Float32Array(width * height) });
const most = (values) => values.reduce((largest, value) => Math.max(largest, value), 0);

// As Python and NumPy do: halves to the even neighbour.
function round(x) {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down % 2 === 0 ? 0 : 1) : Math.round(x);
}

// Where what a test says yes to lies; null if there is nothing.
function boundingBox(whole, inside) {
  let left = whole.width, right = -1, top = whole.height, bottom = -1;
  for (let y = 0, i = 0; y < whole.height; y++)
    for (let x = 0; x < whole.width; x++, i++)
      if (inside(whole.data[i])) {
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = y;
      }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function crop(whole, { left, top, width, height }) {
  const part = blank(width, height);
  for (let y = 0; y < height; y++) {
    const start = (y + top) * whole.width + left;
    part.data.set(whole.data.subarray(start, start + width), y * width);
  }
  return part;
}

// For each pixel after a change of size along one side, the pixels before that it is made of: [first, weights].
const AREA = (before, after) => {
  const scale = before / after;
  return Array.from({ length: after }, (_, i) => {
    const start = i * scale, end = Math.min((i + 1) * scale, before), first = Math.floor(start + 1e-6);
    const weights = [];
    for (let at = first; at < end - 1e-6; at++) weights.push((Math.min(at + 1, end) - Math.max(at, start)) / (end - start));
    return [first, weights];
  });
};
const sampled = (reach, weights) => (before, after) =>
  Array.from({ length: after }, (_, i) => {
    const place = ((i + 0.5) * before) / after - 0.5;
    return [Math.floor(place) - reach + 1, weights(place - Math.floor(place))];
  });
const LINEAR = sampled(1, (t) => [1 - t, t]);
// Keys' cubic with a = -0.75, which is OpenCV's.
const CUBIC = sampled(2, (t) => {
  const a = -0.75;
  const near = (x) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
});

// Straight lines between neighbours, and as many more of these as the image shrinks.
const SMOOTH = (before, after) => {
  const scale = before / after, reach = Math.max(scale, 1);
  return Array.from({ length: after }, (_, i) => {
    const middle = (i + 0.5) * scale;
    const first = Math.max(Math.floor(middle - reach - 0.5), 0), end = Math.min(Math.ceil(middle + reach + 0.5), before);
    const shares = Array.from({ length: end - first }, (_, k) => Math.max(1 - Math.abs(first + k + 0.5 - middle) / reach, 0));
    const sum = shares.reduce((total, share) => total + share, 0);
    return [first, shares.map((share) => share / sum)];
  });
};

function resize(before, width, height, kind) {
  const columns = kind(before.width, width), rows = kind(before.height, height);
  const narrow = blank(width, before.height), after = blank(width, height);
  const clipped = (place, length) => Math.min(Math.max(place, 0), length - 1); // edges go on as they are
  columns.forEach(([first, weights], x) => {
    for (let y = 0; y < before.height; y++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++)
        sum += weights[k] * before.data[y * before.width + clipped(first + k, before.width)];
      narrow.data[y * width + x] = sum;
    }
  });
  rows.forEach(([first, weights], y) => {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow.data[clipped(first + k, before.height) * width + x];
      after.data[y * width + x] = sum;
    }
  });
  return after;
}

// Scaled so that the longer side has so many pixels.
function scaled(before, side, up) {
  const scale = side / Math.max(before.width, before.height);
  const length = (pixels) => Math.max(1, round(pixels * scale));
  return resize(before, length(before.width), length(before.height), scale < 1 ? AREA : up);
}

// Values from which on a pixel is ink, by Otsu's threshold of those that are not paper.
function otsu(counts) {
  let total = 0, sum = 0;
  counts.forEach((count, value) => {
    total += count;
    sum += count * value;
  });
  let best = 0, threshold = 0, below = 0, sumBelow = 0;
  counts.forEach((count, value) => {
    below += count;
    sumBelow += count * value;
    if (below === 0 || below === total) return;
    const distance = sumBelow / below - (sum - sumBelow) / (total - below);
    const variance = below * (total - below) * distance * distance;
    if (variance > best) [best, threshold] = [variance, value];
  });
  return best === 0 ? 0.5 * counts.findIndex((count) => count > 0) : threshold;
}

// The least value that is ink and not the paper of a drawing; Infinity for a blank one.
function inkThreshold(ink) {
  const counts = new Array(256).fill(0);
  for (const value of ink.data) counts[value]++;
  const strongest = counts.findLastIndex((count) => count > 0);
  if (strongest < 16) return Infinity;
  const typical = Math.max(otsu(counts.map((count, value) => (value > 4 ? count : 0))), 0.15 * strongest);
  return Math.max(0.12 * typical, 4);
}

// The part of an image where its mask is set, at full strength: pencil becomes as white as a marker.
function level(ink, mask) {
  const { width, height } = ink;
  const strengths = ink.data.filter((_, i) => mask.data[i]).sort();
  const place = 0.8 * (strengths.length - 1), low = Math.floor(place);
  const typical = strengths[low] + (place - low) * ((strengths[low + 1] ?? strengths[low]) - strengths[low]);
  const near = morph(mask, [[-1, -1, 1], [0, -1, 1], [1, -1, 1]], Math.max);
  const leveled = blank(width, height);
  for (let i = 0; i < ink.data.length; i++)
    if (near.data[i]) leveled.data[i] = Math.min(ink.data[i] * (255 / typical), 255);
  return leveled;
}

// The largest or the smallest of what a shape covers; the shape in rows: [dy, from dx, to dx].
function morph(before, shape, choose) {
  const { width, height } = before;
  const after = blank(width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let value = before.data[y * width + x];
      for (const [dy, from, to] of shape) {
        if (y + dy < 0 || y + dy >= height) continue;
        const start = (y + dy) * width, end = start + Math.min(x + to, width - 1);
        for (let at = start + Math.max(x + from, 0); at <= end; at++) value = choose(value, before.data[at]);
      }
      after.data[y * width + x] = value;
    }
  return after;
}

function disk(diameter) {
  const reach = (Math.max(1, round(diameter)) | 1) >> 1;
  return Array.from({ length: 2 * reach + 1 }, (_, i) => {
    const half = reach ? round(reach * Math.sqrt((reach * reach - (i - reach) ** 2) / (reach * reach))) : 0;
    return [i - reach, -half, half];
  });
}

// How far each pixel is from the nearest one that is not ink, by steps of a chess king and a knight (Borgefors 1986).
function distances(ink) {
  const { width, height } = ink;
  const far = Array.from(ink.data, (value) => (value > 127 ? Infinity : 0));
  const STEPS = [[0, -1, 1], [-1, 0, 1], [-1, -1, 1.4], [-1, 1, 1.4], [-1, -2, 2.1969], [-1, 2, 2.1969], [-2, -1, 2.1969], [-2, 1, 2.1969]];
  const pass = (sign) => {
    for (let n = 0; n < far.length; n++) {
      const i = sign > 0 ? n : far.length - 1 - n;
      if (far[i] === 0) continue;
      const y = Math.floor(i / width), x = i % width;
      for (const [dy, dx, length] of STEPS) {
        const row = y + sign * dy, column = x + sign * dx;
        if (row >= 0 && row < height && column >= 0 && column < width)
          far[i] = Math.min(far[i], far[row * width + column] + length);
      }
    }
  };
  pass(1);
  pass(-1);
  return far;
}

// Hairlines thickened and markers thinned to what MNIST has; anything between is left as it is.
function adjustStrokes(ink) {
  const large = padded(scaled(ink, 100, LINEAR), 12);
  const inside = distances(large).filter((distance) => distance > 0);
  // In a stripe the distances to the edge run from 0 to half its width: their mean is a quarter of it.
  const width = inside.length ? (4 * inside.reduce((sum, distance) => sum + distance, 0)) / inside.length : 1;
  if (width >= 10 && width <= 22) return ink;
  const changed = width < 10 ? morph(large, disk(12 - width), Math.max) : morph(large, disk(width - 19), Math.min);
  const box = boundingBox(changed, (value) => value > 64);
  return box ? crop(changed, box) : ink;
}

function padded(inner, margin) {
  const outer = blank(inner.width + 2 * margin, inner.height + 2 * margin);
  for (let y = 0; y < inner.height; y++)
    outer.data.set(inner.data.subarray(y * inner.width, (y + 1) * inner.width), (y + margin) * outer.width + margin);
  return outer;
}

// The ink fitted into MNIST's box and centred by its mass, as far as it stays inside.
function center(strokes, [height, width]) {
  const mass = strokes.data.reduce((sum, value) => sum + value, 0);
  let x = 0, y = 0;
  strokes.data.forEach((value, i) => {
    x += value * (i % strokes.width);
    y += value * Math.floor(i / strokes.width);
  });
  const place = (side, middle, length) => Math.min(Math.max(round(side / 2 - middle / mass), 0), side - length);
  const left = place(width, x, strokes.width), top = place(height, y, strokes.height);
  const frame = new Uint8Array(width * height);
  strokes.data.forEach((value, i) => {
    frame[(top + Math.floor(i / strokes.width)) * width + left + (i % strokes.width)] = round(value);
  });
  return frame;
}

// A drawing's frame, Uint8Array of `size`, white ink on black: of all ink in the image; null for a blank one.
function frameInk(ink, size) {
  const box = round((Math.min(...size) * 20) / 28);
  const everything = boundingBox(ink, (value) => value > 0);
  // In the right size already: a frame of MNIST's own, and nothing to gain.
  if (everything && Math.max(everything.width, everything.height) === box && most(ink.data) >= 250)
    return center(crop(ink, everything), size);
  const threshold = inkThreshold(ink);
  const mask = { ...ink, data: ink.data.map((value) => (value > threshold ? 1 : 0)) };
  const digit = boundingBox(mask, (set) => set);
  if (!digit) return null;
  const strokes = scaled(adjustStrokes(level(crop(ink, digit), crop(mask, digit))), box, CUBIC);
  const gain = Math.max(255 / Math.max(most(strokes.data), 1), 1);
  strokes.data.forEach((value, i) => {
    strokes.data[i] = Math.min(Math.max(value * gain, 0), 255);
  });
  return center(strokes, size);
}

// A whole image as a frame, for networks that were trained on such: in each channel.
function frameWhole(channels, [height, width]) {
  const frame = new Uint8Array(channels.length * height * width);
  channels.forEach((channel, c) => frame.set(resize(channel, width, height, AREA).data.map(round), c * height * width));
  return frame;
}

// What the network takes, from a frame of one channel or of as many as it has: cropped, resized, normalised.
function prepare(frame, { size, mean, std, geometry }) {
  const area = size[0] * size[1];
  return Float32Array.from(
    mean.flatMap((_, c) => {
      const start = frame.length > area ? c * area : 0;
      let channel = { width: size[1], height: size[0], data: Float32Array.from(frame.subarray(start, start + area)) };
      for (const [kind, side] of geometry) {
        if (kind === "crop") {
          const middle = (length) => Math.floor((length - side) / 2);
          channel = crop(channel, { left: middle(channel.width), top: middle(channel.height), width: side, height: side });
        } else {
          channel = resize(channel, side, side, SMOOTH);
          channel.data = channel.data.map(round);
        }
      }
      return Array.from(channel.data, (value) => value / (255 * std[c]) - mean[c] / std[c]);
    }),
  );
}

// How much each pixel of a picture with even paper differs from it, in the direction in which ink does, from 0 to 255; null
// for another picture. `channels` are red, green and blue.
function findInk(channels) {
  const papers = channels.map(flatPaper);
  if (papers.includes(null)) return null;
  const small = channels.map((channel) => (Math.max(channel.width, channel.height) > 96 ? rounded(scaled(channel, 96, LINEAR)) : channel));
  const energies = small.map(({ data }, c) => {
    const squares = (sign) => data.reduce((sum, value) => sum + Math.max(sign * (value - papers[c]), 0) ** 2, 0);
    return { dark: squares(-1), light: squares(1) };
  });
  const isDark = energies.reduce((sum, { dark, light }) => sum + dark - light, 0) > 0;
  const ink = blank(channels[0].width, channels[0].height);
  channels.forEach(({ data }, c) => {
    if (energies[c].dark > energies[c].light !== isDark) return; // a rim of the opposite
    const level = isDark ? papers[c] : 255 - papers[c];
    data.forEach((value, i) => {
      const difference = Math.max(level - (isDark ? value : 255 - value), 0);
      ink.data[i] = Math.max(ink.data[i], Math.min(round((difference * 255) / Math.max(level, 64)), 255));
    });
  });
  return ink;
}

// The value of most pixels, if most of the others are nearer to ink than to it.
function flatPaper({ data }) {
  const counts = new Array(256).fill(0);
  for (const value of data) counts[value]++;
  const paper = counts.indexOf(Math.max(...counts));
  if (counts[paper] <= data.length / 2) return null;
  const apart = new Array(256).fill(0);
  counts.forEach((count, value) => (apart[Math.abs(value - paper)] += count));
  const half = Math.max(apart.findLastIndex((count) => count > 0) >> 1, 3);
  const total = (from, to) => apart.slice(from, to).reduce((sum, count) => sum + count, 0);
  return total(4, half + 1) > total(half + 1) ? null : paper;
}

const rounded = (before) => ({ ...before, data: before.data.map(round) });

// The connected pieces of ink, each with its box and its number in `labels`, which has 0 for paper.
function findPieces(ink) {
  const threshold = inkThreshold(ink), { width, height } = ink;
  const labels = new Int32Array(ink.data.length), pieces = [];
  for (let start = 0; start < labels.length; start++) {
    if (labels[start] || ink.data[start] <= threshold) continue;
    const number = pieces.length + 1, waiting = [start], box = { left: width, top: height, right: 0, bottom: 0, area: 0 };
    labels[start] = number;
    while (waiting.length) {
      const i = waiting.pop(), x = i % width, y = Math.floor(i / width);
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
      box.area++;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++)
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const other = row * width + column;
          if (labels[other] || ink.data[other] <= threshold) continue;
          labels[other] = number;
          waiting.push(other);
        }
    }
    pieces.push(box);
  }
  return { labels, pieces };
}

// Which boxes are one digit: those that touch, or of which one stands mostly over the other, as the roof of a 5. Lists of their
// numbers, in the order in which one reads.
function groupBoxes(boxes) {
  let groups = boxes.map((box, number) => ({ ...box, members: [number] }));
  const together = (a, b) => {
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    const narrower = Math.min(a.right - a.left, b.right - b.left), taller = Math.max(a.bottom - a.top, b.bottom - b.top);
    return across >= 0.3 * narrower && down > -0.35 * taller;
  };
  for (let merged = true; merged; ) {
    merged = false;
    for (const [i, a] of groups.entries()) {
      const b = groups.slice(i + 1).find((other) => together(a, other));
      if (!b) continue;
      const joined = {
        left: Math.min(a.left, b.left),
        right: Math.max(a.right, b.right),
        top: Math.min(a.top, b.top),
        bottom: Math.max(a.bottom, b.bottom),
        members: [...a.members, ...b.members],
      };
      groups = [...groups.filter((group) => group !== a && group !== b), joined];
      merged = true;
      break;
    }
  }
  const lines = [];
  for (const group of groups.sort((a, b) => a.top - b.top)) {
    const line = lines.find((other) => group.top < (other[0].top + other[0].bottom) / 2);
    if (line) line.push(group);
    else lines.push([group]);
  }
  return lines.map((line) => line.sort((a, b) => a.left - b.left).map(({ members }) => members));
}
