"use strict";
// Runs a network of plain steps, as mnistkit.export.steps describes them, on one image at a time.

// The weights lie in one block of bytes, whole numbers with a scale for each row, or as they are.
function unpack(bytes, { kind, at, length, scales }) {
  const types = { int8: Int8Array, int16: Int16Array, int32: Int32Array, float32: Float32Array };
  const numbers = new types[kind](bytes, at, length);
  if (!scales) return numbers;
  const factors = unpack(bytes, scales);
  const columns = length / factors.length;
  return Float32Array.from(numbers, (number, i) => number * factors[Math.floor(i / columns)]);
}

// From Abramowitz and Stegun, formula 7.1.26: right to 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const clamp = (x, low, high) => Math.min(Math.max(x, low ?? -Infinity), high ?? Infinity);
const softplus = (x, beta, threshold) => (x * beta > threshold ? x : Math.log1p(Math.exp(x * beta)) / beta);

const FUNCTIONS = {
  relu: () => (x) => (x > 0 ? x : 0),
  relu6: () => (x) => clamp(x, 0, 6),
  hardtanh: ({ min_val, max_val }) => (x) => clamp(x, min_val, max_val),
  clamp: ({ min, max }) => (x) => clamp(x, min, max),
  leaky_relu: ({ negative_slope }) => (x) => (x > 0 ? x : negative_slope * x),
  elu: ({ alpha }) => (x) => (x > 0 ? x : alpha * Math.expm1(x)),
  gelu: ({ approximate }) =>
    approximate === "tanh"
      ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  silu: () => (x) => x * sigmoid(x),
  mish: () => (x) => x * Math.tanh(softplus(x, 1, 20)),
  sigmoid: () => sigmoid,
  hardsigmoid: () => (x) => clamp(x / 6 + 0.5, 0, 1),
  hardswish: () => (x) => x * clamp(x / 6 + 0.5, 0, 1),
  tanh: () => Math.tanh,
  softplus: ({ beta, threshold }) => (x) => softplus(x, beta, threshold),
  abs: () => Math.abs,
  neg: () => (x) => -x,
};

const PAIRS = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
};

// Rows of one matrix times rows of another, from given places on: out[i * columns + j] = left[i] . right[j] + bias[i].
function multiply(left, leftAt, rows, right, columns, depth, bias, biasAt, out, outAt) {
  // Four rows with four at a time, so that each number is loaded once for four products. At the end the last row counts
  // several times, and what it makes is written several times.
  for (let i = 0; i < rows; i += 4) {
    const i1 = Math.min(i + 1, rows - 1), i2 = Math.min(i + 2, rows - 1), i3 = Math.min(i + 3, rows - 1);
    const b0 = bias[biasAt + i], b1 = bias[biasAt + i1], b2 = bias[biasAt + i2], b3 = bias[biasAt + i3];
    for (let j = 0; j < columns; j += 4) {
      const j1 = Math.min(j + 1, columns - 1), j2 = Math.min(j + 2, columns - 1), j3 = Math.min(j + 3, columns - 1);
      let p = leftAt + i * depth, p1 = leftAt + i1 * depth, p2 = leftAt + i2 * depth, p3 = leftAt + i3 * depth;
      let q = j * depth, q1 = j1 * depth, q2 = j2 * depth, q3 = j3 * depth;
      let s00 = b0, s01 = b0, s02 = b0, s03 = b0, s10 = b1, s11 = b1, s12 = b1, s13 = b1;
      let s20 = b2, s21 = b2, s22 = b2, s23 = b2, s30 = b3, s31 = b3, s32 = b3, s33 = b3;
      for (let k = 0; k < depth; k++) {
        const l0 = left[p++], l1 = left[p1++], l2 = left[p2++], l3 = left[p3++];
        const r0 = right[q++], r1 = right[q1++], r2 = right[q2++], r3 = right[q3++];
        s00 += l0 * r0; s01 += l0 * r1; s02 += l0 * r2; s03 += l0 * r3;
        s10 += l1 * r0; s11 += l1 * r1; s12 += l1 * r2; s13 += l1 * r3;
        s20 += l2 * r0; s21 += l2 * r1; s22 += l2 * r2; s23 += l2 * r3;
        s30 += l3 * r0; s31 += l3 * r1; s32 += l3 * r2; s33 += l3 * r3;
      }
      let at = outAt + i * columns;
      out[at + j] = s00; out[at + j1] = s01; out[at + j2] = s02; out[at + j3] = s03;
      at = outAt + i1 * columns;
      out[at + j] = s10; out[at + j1] = s11; out[at + j2] = s12; out[at + j3] = s13;
      at = outAt + i2 * columns;
      out[at + j] = s20; out[at + j1] = s21; out[at + j2] = s22; out[at + j3] = s23;
      at = outAt + i3 * columns;
      out[at + j] = s30; out[at + j1] = s31; out[at + j2] = s32; out[at + j3] = s33;
    }
  }
}

// For each place of a window that moves over an image, where in a channel its numbers are; `outside` for those beyond the edge.
function windows({ size, output, kernel, stride, padding, dilation }, outside) {
  const places = new Int32Array(output[0] * output[1] * kernel[0] * kernel[1]);
  let at = 0;
  for (let row = 0; row < output[0]; row++)
    for (let column = 0; column < output[1]; column++)
      for (let i = 0; i < kernel[0]; i++)
        for (let j = 0; j < kernel[1]; j++) {
          const y = row * stride[0] - padding[0] + i * dilation[0];
          const x = column * stride[1] - padding[1] + j * dilation[1];
          places[at++] = y < 0 || x < 0 || y >= size[0] || x >= size[1] ? outside : y * size[1] + x;
        }
  return places;
}

// Each makes a function that computes the output from the inputs, both of which stay the same arrays.
const OPERATIONS = {
  constant: (settings, { values }, inputs, out) => () => out.set(values),
  move: (settings, { index }, inputs, out) => {
    const all = inputs.length === 1 ? inputs[0] : new Float32Array(inputs.reduce((sum, input) => sum + input.length, 0));
    return () => {
      if (inputs.length > 1) inputs.reduce((at, input) => (all.set(input, at), at + input.length), 0);
      if (!index) out.set(all);
      else for (let i = 0; i < out.length; i++) out[i] = index[i] < 0 ? 0 : all[index[i]];
    };
  },
  function: (settings, weights, [input], out) => {
    const compute = FUNCTIONS[settings.name](settings);
    return () => {
      for (let i = 0; i < out.length; i++) out[i] = compute(input[i]);
    };
  },
  pair: ({ name, inner }, weights, [first, second], out) => {
    const compute = PAIRS[name];
    return () => {
      for (let i = 0; i < out.length; i++)
        out[i] = compute(
          first[Math.floor(i / inner[0]) % first.length],
          second[Math.floor(i / inner[1]) % second.length],
        );
    };
  },
  affine: ({ inner }, { scale, shift }, [input], out) => () => {
    for (let i = 0, at = 0; i < out.length; at = (at + 1) % scale.length)
      for (let j = 0; j < inner; j++, i++) out[i] = input[i] * scale[at] + shift[at];
  },
  linear: (settings, { matrix, bias }, [input], out) => {
    const depth = matrix.length / bias.length;
    return () => {
      for (let row = 0; row < input.length / depth; row++)
        multiply(matrix, 0, bias.length, input.subarray(row * depth), 1, depth, bias, 0, out, row * bias.length);
    };
  },
  conv: (settings, { matrix, bias }, [input], out) => {
    const { channels, size, pixels, kernel, groups } = settings;
    const area = size[0] * size[1], window = kernel[0] * kernel[1];
    const inputs = channels / groups, rows = bias.length / groups, depth = inputs * window;
    const places = windows(settings, area);
    const channel = new Float32Array(area + 1); // with a 0 at its end for all that is outside
    const patches = new Float32Array(pixels * depth);
    return () => {
      for (let group = 0; group < groups; group++) {
        for (let c = 0; c < inputs; c++) {
          const start = (group * inputs + c) * area;
          channel.set(input.subarray(start, start + area));
          for (let p = 0, i = 0; p < pixels; p++)
            for (let k = 0, at = p * depth + c * window; k < window; k++) patches[at++] = channel[places[i++]];
        }
        const row = group * rows;
        multiply(matrix, row * depth, rows, patches, pixels, depth, bias, row, out, row * pixels);
      }
    };
  },
  pool: (settings, weights, [input], out) => {
    const { name, channels, size, pixels, kernel, outside } = settings;
    const area = size[0] * size[1], window = kernel[0] * kernel[1];
    const places = windows(settings, -1);
    return () => {
      for (let c = 0; c < channels; c++)
        for (let p = 0; p < pixels; p++) {
          let sum = 0, most = -Infinity, count = 0;
          for (let k = p * window; k < (p + 1) * window; k++) {
            if (places[k] < 0) continue;
            const value = input[c * area + places[k]];
            sum += value;
            if (value > most) most = value;
            count++;
          }
          out[c * pixels + p] = name === "max" ? most : sum / (outside ? window : count);
        }
    };
  },
  reduce: ({ name, length }, weights, [input], out) => () => {
    for (let i = 0; i < out.length; i++) {
      const row = input.subarray(i * length, (i + 1) * length);
      const sum = row.reduce((total, value) => total + value, 0);
      out[i] = name === "max" ? row.reduce((most, value) => Math.max(most, value)) : name === "sum" ? sum : sum / length;
    }
  },
  standardize: ({ length, eps }, weights, [input], out) => () => {
    for (let start = 0; start < out.length; start += length) {
      const row = input.subarray(start, start + length);
      const mean = row.reduce((total, value) => total + value, 0) / length;
      const variance = row.reduce((total, value) => total + (value - mean) ** 2, 0) / length;
      out.set(row.map((value) => (value - mean) / Math.sqrt(variance + eps)), start);
    }
  },
  softmax: ({ length }, weights, [input], out) => () => softmax(input, out, length, Math.exp),
  log_softmax: ({ length }, weights, [input], out) => () => softmax(input, out, length, (share) => share),
};

// A function of the logarithm of each number's share in its row.
function softmax(input, out, length, what) {
  for (let start = 0; start < out.length; start += length) {
    const row = Array.from(input.subarray(start, start + length));
    const most = Math.max(...row);
    const total = most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
    out.set(row.map((value) => what(value - total)), start);
  }
}

// From a prepared image to logits.
function makeNetwork({ sizes, output, steps }, bytes) {
  const values = sizes.map((size) => new Float32Array(size));
  const runs = steps.map((step) => {
    const weights = Object.fromEntries(Object.entries(step.weights).map(([name, array]) => [name, unpack(bytes, array)]));
    const inputs = step.inputs.map((number) => values[number]);
    return OPERATIONS[step.operation](step.settings, weights, inputs, values[step.output]);
  });
  return (image) => {
    values[0].set(image);
    for (const run of runs) run();
    return values[output].slice();
  };
}
