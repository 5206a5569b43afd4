"use strict";
// From ink to a frame of MNIST's kind: what mnistkit.imaging does with a drawing, step by step (canonical.py, digit.py, ink.py).

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

// The ink above a threshold, and what is next to that, at full strength: pencil becomes as white as a marker.
function level(ink, threshold) {
  const { width, height } = ink, leveled = blank(width, height);
  const counts = new Int32Array(256);
  let total = 0;
  for (let i = 0; i < ink.data.length; i++)
    if (ink.data[i] > threshold) {
      counts[ink.data[i]]++;
      total++;
    }
  // Of all in order, the value at this place, and what there is of the next one.
  const place = 0.8 * (total - 1), low = ranked(counts, Math.floor(place)), high = ranked(counts, Math.ceil(place));
  const typical = low + (place % 1) * (high - low);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if (ink.data[y * width + x] <= threshold) continue;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++)
        for (let i = row * width + Math.max(x - 1, 0); i <= row * width + Math.min(x + 1, width - 1); i++)
          leveled.data[i] = Math.min(ink.data[i] * (255 / typical), 255);
    }
  return leveled;
}

function ranked(counts, place) {
  let value = 0;
  for (let below = counts[0]; below <= place; below += counts[value]) value++;
  return value;
}

// Hairlines thickened and markers thinned to what MNIST has; anything between is left as it is.
function adjustStrokes(ink) {
  const large = padded(scaled(ink, 100, LINEAR), 12);
  const inside = distances(large).filter((distance) => distance > 0);
  // In a stripe the distances to the edge run from 0 to half its width: their mean is a quarter of it.
  const width = inside.length ? (4 * inside.reduce((sum, distance) => sum + distance, 0)) / inside.length : 1;
  if (width >= 10 && width <= 22) return ink;
  const changed = width < 10 ? morph(large, disk(12 - width), 1) : morph(large, disk(width - 19), -1);
  const box = boundingBox(changed, 64);
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
function frameInk(paper, size) {
  const box = round((Math.min(...size) * 20) / 28), everything = boundingBox(paper, 0);
  if (!everything) return null;
  const ink = crop(paper, everything);
  // In the right size already: a frame of MNIST's own, and nothing to gain.
  if (Math.max(ink.width, ink.height) === box && most(ink.data) >= 250) return center(ink, size);
  const threshold = inkThreshold(ink), digit = boundingBox(ink, threshold);
  if (!digit) return null;
  const strokes = scaled(adjustStrokes(level(crop(ink, digit), threshold)), box, CUBIC);
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
