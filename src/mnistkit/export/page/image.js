"use strict";
// Images of one channel: cut, resized, thickened and thinned as OpenCV does it, which mnistkit.imaging uses.

// An image of one channel: `data` row by row, Float32Array.
const blank = (width, height) => ({ width, height, data: new Float32Array(width * height) });
const most = (values) => values.reduce((largest, value) => Math.max(largest, value), 0);

// As Python and NumPy do: halves to the even neighbour.
function round(x) {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down % 2 === 0 ? 0 : 1) : Math.round(x);
}

// Where what is above a threshold lies; null if there is nothing.
function boundingBox(whole, threshold) {
  let left = whole.width, right = -1, top = whole.height, bottom = -1;
  for (let y = 0, i = 0; y < whole.height; y++)
    for (let x = 0; x < whole.width; x++, i++)
      if (whole.data[i] > threshold) {
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

// The same for all, without lists of lists: as many places and weights for each pixel. Edges go on as they are.
function table(kind, before, after) {
  const rows = kind(before, after), taps = Math.max(...rows.map(([, weights]) => weights.length));
  const places = new Int32Array(after * taps), weights = new Float64Array(after * taps);
  rows.forEach(([first, own], i) =>
    own.forEach((weight, k) => {
      places[i * taps + k] = Math.min(Math.max(first + k, 0), before - 1);
      weights[i * taps + k] = weight;
    }),
  );
  return { taps, places, weights };
}

function resize(before, width, height, kind) {
  const columns = table(kind, before.width, width), rows = table(kind, before.height, height);
  const narrow = new Float32Array(width * before.height), after = blank(width, height);
  for (let y = 0; y < before.height; y++)
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = x * columns.taps; k < (x + 1) * columns.taps; k++)
        sum += columns.weights[k] * before.data[y * before.width + columns.places[k]];
      narrow[y * width + x] = sum;
    }
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = y * rows.taps; k < (y + 1) * rows.taps; k++) sum += rows.weights[k] * narrow[rows.places[k] * width + x];
      after.data[y * width + x] = sum;
    }
  return after;
}

// Scaled so that the longer side has so many pixels.
function scaled(before, side, up) {
  const scale = side / Math.max(before.width, before.height);
  const length = (pixels) => Math.max(1, round(pixels * scale));
  return resize(before, length(before.width), length(before.height), scale < 1 ? AREA : up);
}

// Scaled down until no side is longer than so many pixels, in whole numbers again.
function shrunk(channel, side) {
  if (Math.max(channel.width, channel.height) <= side) return channel;
  const small = scaled(channel, side, LINEAR);
  return { ...small, data: small.data.map(round) };
}

// The largest (`sign` 1) or the smallest (-1) of what a shape covers; the shape in rows: [dy, from dx, to dx].
function morph(before, shape, sign) {
  const { width, height, data } = before;
  const after = blank(width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let value = data[y * width + x];
      for (const [dy, from, to] of shape) {
        if (y + dy < 0 || y + dy >= height) continue;
        const start = (y + dy) * width, end = start + Math.min(x + to, width - 1);
        for (let at = start + Math.max(x + from, 0); at <= end; at++) if ((data[at] - value) * sign > 0) value = data[at];
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
  const steps = [
    [0, -1, 1], [-1, 0, 1], [-1, -1, 1.4], [-1, 1, 1.4],
    [-1, -2, 2.1969], [-1, 2, 2.1969], [-2, -1, 2.1969], [-2, 1, 2.1969],
  ];
  const pass = (sign) => {
    for (let n = 0; n < far.length; n++) {
      const i = sign > 0 ? n : far.length - 1 - n;
      if (far[i] === 0) continue;
      const y = Math.floor(i / width), x = i % width;
      for (const [dy, dx, length] of steps) {
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
