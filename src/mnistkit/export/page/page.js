"use strict";
// The page itself: what is drawn, what is read of it, and in which language that is said.

const TEXTS = {
  en: {
    title: "Draw a digit",
    paper: "Drawing area: draw digits with a mouse, a pen or a finger",
    undo: "Undo",
    clear: "Clear",
    open: "Open a picture",
    other: "中文",
    start: "Draw one digit, or several beside each other. A picture can be dropped here, too.",
    seen: "What the network saw, and how probable each answer is.",
    none: "perhaps none of these",
    blank: "There is no ink in this picture.",
    photo: "This page reads clean pictures: drawings, and scans of even paper. Photographs are for the library.",
    broken: "This file is not a picture that the browser can show.",
    footer: "All of this runs in the page itself: nothing that you draw or open leaves your device.",
  },
  zh: {
    title: "写一个数字",
    paper: "书写区：用鼠标、手写笔或手指写数字",
    undo: "撤销",
    clear: "清除",
    open: "打开图片",
    other: "English",
    start: "写一个数字，或并排写几个。也可以把图片拖到这里。",
    seen: "网络看到的图像，以及每个答案的概率。",
    none: "可能都不是",
    blank: "这张图片里没有笔迹。",
    photo: "本页面只识别干净的图片：画出来的数字，或纸面均匀的扫描件。照片请用程序库识别。",
    broken: "浏览器无法把这个文件显示为图片。",
    footer: "一切都在本页面内运行：您写的和打开的内容都不会离开您的设备。",
  },
};

const MODEL = JSON.parse(document.getElementById("model").textContent);
const NETWORK = makeNetwork(MODEL.program, Uint8Array.from(atob(MODEL.weights), (c) => c.charCodeAt(0)).buffer);
const WHOLE = MODEL.preprocessing.framing === "resize";
// The paper in units of its own, one of which is a pixel of what is read.
const WIDTH = 480, HEIGHT = WHOLE ? 480 : 360, PEN = 16;
const MOST_BARS = 10, MOST_DIGITS = 60;

const element = (id) => document.getElementById(id);
const paper = element("paper");
const strokes = []; // of points [x, y]
const drawing = new Map(); // by pointer
let language = /^zh/i.test(new URLSearchParams(location.search).get("lang") ?? navigator.language) ? "zh" : "en";
let picture = null; // what was opened: its image and what was read of it
let message = "start"; // the name of the text below the answer
let known = new Map(); // what was said of groups of strokes that are as they were

// From a frame, one byte for each pixel and channel, to what is said of it.
function classify(frame) {
  const logits = NETWORK(prepare(frame, MODEL.preprocessing));
  return { frame, logits, ...answer(logits, MODEL.calibration) };
}

// The calibrated probabilities of the classes, given that it is one of them, and the probability that it is.
function answer(logits, { temperature, background }) {
  const scaled = Array.from(logits, (value) => value / temperature);
  const largest = Math.max(...scaled);
  const total = largest + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  const probabilities = scaled.map((value) => Math.exp(value - total));
  const label = probabilities.indexOf(Math.max(...probabilities));
  return { probabilities, label, membership: background ? 1 / (1 + Math.exp(-total)) : 1 };
}

// These strokes, white on black, as the red channel of a canvas of the paper's size.
const work = new OffscreenCanvas(WIDTH, HEIGHT).getContext("2d", { willReadFrequently: true });
function inkOf(some) {
  work.fillStyle = "#000";
  work.fillRect(0, 0, WIDTH, HEIGHT);
  work.strokeStyle = "#fff";
  draw(work, some);
  return channelOf(work.getImageData(0, 0, WIDTH, HEIGHT), 0);
}

function draw(context, some) {
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  for (const points of some) {
    context.beginPath();
    context.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) context.lineTo(...point);
    context.stroke();
  }
}

function channelOf({ width, height, data }, number) {
  const channel = blank(width, height);
  for (let i = 0; i < channel.data.length; i++) channel.data[i] = data[4 * i + number];
  return channel;
}

function boxOf(points) {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y), half = PEN / 2;
  return {
    left: Math.min(...xs) - half,
    right: Math.max(...xs) + half,
    top: Math.min(...ys) - half,
    bottom: Math.max(...ys) + half,
  };
}

// Lines of what is said of each digit that is drawn.
function readStrokes() {
  if (WHOLE) return strokes.length ? [[classify(frameWhole([inkOf(strokes)], MODEL.preprocessing.size))]] : [];
  const before = known;
  known = new Map();
  return groupBoxes(strokes.map(boxOf)).map((line) =>
    line.flatMap((members) => {
      const some = members.map((number) => strokes[number]);
      const key = JSON.stringify(some);
      if (before.has(key)) known.set(key, before.get(key));
      else {
        const frame = frameInk(inkOf(some), MODEL.preprocessing.size);
        if (frame) known.set(key, classify(frame));
      }
      return known.has(key) ? [known.get(key)] : [];
    }),
  );
}

// The same of a picture; a name of a text where it cannot be read.
function readPicture(channels) {
  const { size, mean } = MODEL.preprocessing;
  if (WHOLE) return [[classify(frameWhole(mean.length === 1 ? [greyInk(channels)] : channels, size))]];
  const ink = findInk(channels);
  if (!ink) return "photo";
  const { labels, pieces } = findPieces(ink);
  const tallest = Math.max(...pieces.map((piece) => piece.bottom - piece.top));
  const written = pieces
    .map((piece, i) => ({ ...piece, number: i + 1 }))
    .filter(({ left, right, top, bottom }) => Math.max(bottom - top, right - left) > 0.15 * tallest); // no dust
  if (!written.length) return "blank";
  return groupBoxes(written.slice(0, MOST_DIGITS)).map((line) =>
    line.flatMap((members) => {
      const numbers = new Set([0, ...members.map((member) => written[member].number)]);
      const frame = frameInk({ ...ink, data: ink.data.map((value, i) => (numbers.has(labels[i]) ? value : 0)) }, size);
      return frame ? [classify(frame)] : [];
    }),
  );
}

// What is bright, or what is dark on a bright ground.
function greyInk([red, green, blue]) {
  const { width, height } = red;
  const data = red.data.map((value, i) => (value * 19595 + green.data[i] * 38470 + blue.data[i] * 7471 + 0x8000) >> 16);
  const edge = data.filter((_, i) => i < width || i >= width * (height - 1) || i % width === 0 || i % width === width - 1).sort();
  return { width, height, data: edge[edge.length >> 1] > 127 ? data.map((value) => 255 - value) : data };
}

async function openPicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    picture = null;
    return show("broken");
  }
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const channels = [0, 1, 2].map((number) => shrunk(channelOf(pixels, number), WIDTH));
  const lines = readPicture(channels);
  strokes.length = 0;
  picture = { bitmap, lines: Array.isArray(lines) ? lines : [] };
  return show(Array.isArray(lines) ? "seen" : lines);
}

function make(name, parent, { text = "", ...properties } = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.textContent = text;
  parent.append(made);
  return made;
}

// What the network saw, as a picture.
function showFrame(frame, canvas) {
  const [height, width] = MODEL.preprocessing.size;
  const pixels = new ImageData(width, height), area = width * height;
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 4; c++) pixels.data[4 * i + c] = c === 3 ? 255 : frame[frame.length > area ? c * area + i : i];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

const nameOf = (label) => MODEL.classes[label] ?? String(label);
const percent = (share) => `${(100 * share).toFixed(share >= 0.9995 || share < 0.0005 ? 0 : 1)} %`;

function showDigit({ frame, probabilities, label, membership }, parent) {
  const card = make("div", parent, { className: "digit" });
  const [height, width] = MODEL.preprocessing.size;
  showFrame(frame, make("canvas", card, { width, height }));
  const title = make("div", card);
  make("b", title, { text: nameOf(label) });
  make("span", title, { text: ` ${percent(probabilities[label])}` });
  if (membership < 0.5) make("div", card, { className: "none", text: TEXTS[language].none });
  const bars = make("ul", card, { className: "bars" });
  let labels = probabilities.map((_, number) => number);
  if (labels.length > MOST_BARS)
    labels = labels.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST_BARS);
  for (const number of labels) {
    const bar = make("li", bars, { className: number === label ? "best" : "" });
    make("span", bar, { text: nameOf(number) });
    make("i", make("div", bar)).style.width = `${100 * probabilities[number]}%`;
    make("span", bar, { text: percent(probabilities[number]) });
  }
}

// Everything that depends on what there is, what it was read as, and the language.
function show(now = message) {
  message = now;
  const lines = picture ? picture.lines : readStrokes();
  if (!picture && message !== "broken") message = strokes.length ? "seen" : "start";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const part of document.querySelectorAll("[data-text]")) part.textContent = TEXTS[language][part.dataset.text];
  element("language").textContent = TEXTS[language].other;
  paper.setAttribute("aria-label", TEXTS[language].paper);
  element("hint").textContent = TEXTS[language][message];
  const names = (line) => line.map(({ label, membership }) => (membership < 0.5 ? "?" : nameOf(label)));
  const apart = MODEL.classes.some((name) => [...name].length > 1) ? " " : "";
  element("reading").textContent = lines.map((line) => names(line).join(apart)).join("\n");
  element("digits").replaceChildren();
  for (const digit of lines.flat()) showDigit(digit, element("digits"));
  element("undo").disabled = element("clear").disabled = !picture && !strokes.length;
  showPaper();
}

// In the pixels of the screen, so that lines are sharp.
function showPaper() {
  const scale = (paper.clientWidth / WIDTH) * devicePixelRatio;
  paper.width = Math.round(WIDTH * scale);
  paper.height = Math.round(HEIGHT * scale);
  const context = paper.getContext("2d");
  if (picture) {
    const fit = Math.min(paper.width / picture.bitmap.width, paper.height / picture.bitmap.height);
    const width = picture.bitmap.width * fit, height = picture.bitmap.height * fit;
    context.drawImage(picture.bitmap, (paper.width - width) / 2, (paper.height - height) / 2, width, height);
  }
  context.scale(scale, scale);
  context.strokeStyle = getComputedStyle(paper).getPropertyValue("--ink");
  draw(context, strokes);
}

let asked = false;
function showSoon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    show();
  });
}

function place(event) {
  const box = paper.getBoundingClientRect(), rim = paper.clientLeft;
  return [event.clientX - box.left, event.clientY - box.top].map((way) => ((way - rim) * WIDTH) / paper.clientWidth);
}

function undo() {
  if (picture) picture = null;
  else strokes.pop();
  show("start");
}

function clear() {
  picture = null;
  strokes.length = 0;
  show("start");
}

paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  paper.setPointerCapture(event.pointerId);
  picture = null;
  const points = [place(event)];
  strokes.push(points);
  drawing.set(event.pointerId, points);
  show("seen");
});
paper.addEventListener("pointermove", (event) => {
  const points = drawing.get(event.pointerId);
  if (!points) return;
  for (const part of event.getCoalescedEvents?.() ?? []) points.push(place(part));
  points.push(place(event));
  showSoon();
});
for (const end of ["pointerup", "pointercancel"])
  paper.addEventListener(end, (event) => drawing.delete(event.pointerId));
document.addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
  else if (event.key === "Escape") clear();
  else return;
  event.preventDefault();
});
element("undo").addEventListener("click", undo);
element("clear").addEventListener("click", clear);
element("open").addEventListener("click", () => element("file").click());
element("file").addEventListener("change", ({ target }) => {
  if (target.files.length) openPicture(target.files[0]);
  target.value = "";
});
element("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  show();
});
for (const kind of ["dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    paper.classList.toggle("target", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) openPicture(event.dataTransfer.files[0]);
  });
addEventListener("resize", showPaper);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showPaper);
paper.style.aspectRatio = `${WIDTH} / ${HEIGHT}`;
show();
