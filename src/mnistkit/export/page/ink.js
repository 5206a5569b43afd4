"use strict";
// The ink of a clean picture, and which pieces of ink are one digit.

// How much each pixel of a picture with even paper differs from it, in the direction in which ink does, from 0 to 255; null
// for another picture. `channels` are red, green and blue.
function findInk(channels) {
  const papers = channels.map(flatPaper);
  if (papers.includes(null)) return null;
  const small = channels.map((channel) => shrunk(channel, 96));
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
