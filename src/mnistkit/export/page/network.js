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

// For each number of a window, where in a channel it is while the window moves over the image; -1 beyond the edge.
function windows({ size, output, kernel, stride, padding, dilation }) {
  const places = [];
  for (let i = 0; i < kernel[0]; i++)
    for (let j = 0; j < kernel[1]; j++)
      for (let row = 0; row < output[0]; row++)
        for (let column = 0; column < output[1]; column++) {
          const y = row * stride[0] - padding[0] + i * dilation[0];
          const x = column * stride[1] - padding[1] + j * dilation[1];
          places.push(y < 0 || x < 0 || y >= size[0] || x >= size[1] ? -1 : y * size[1] + x);
        }
  return Int32Array.from(places);
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
    const rows = bias.length, depth = matrix.length / rows, columns = input.length / depth;
    const { left, right, out: made, stride, run } = makeProduct(rows, depth + 1, columns);
    withBias(left, matrix, bias, 0, rows);
    right.fill(1, depth * stride);
    return () => {
      for (let i = 0; i < input.length; i++) right[(i % depth) * stride + Math.floor(i / depth)] = input[i];
      run();
      for (let i = 0; i < out.length; i++) out[i] = made[(i % rows) * stride + Math.floor(i / rows)];
    };
  },
  conv: (settings, { matrix, bias }, [input], out) => {
    const { channels, size, pixels, kernel, groups } = settings;
    const area = size[0] * size[1], window = kernel[0] * kernel[1];
    const inputs = channels / groups, rows = bias.length / groups, depth = inputs * window;
    const places = windows(settings);
    const products = Array.from({ length: groups }, (_, group) => {
      const product = makeProduct(rows, depth + 1, pixels);
      withBias(product.left, matrix, bias, group * rows, rows);
      product.right.fill(1, depth * product.stride);
      return product;
    });
    return () => {
      products.forEach(({ right, out: made, stride, run }, group) => {
        for (let c = 0; c < inputs; c++) {
          const start = (group * inputs + c) * area;
          for (let k = 0, i = 0; k < window; k++)
            for (let p = 0, at = (c * window + k) * stride; p < pixels; p++, i++)
              right[at++] = places[i] < 0 ? 0 : input[start + places[i]];
        }
        run();
        for (let row = 0; row < rows; row++)
          out.set(made.subarray(row * stride, row * stride + pixels), (group * rows + row) * pixels);
      });
    };
  },
  pool: (settings, weights, [input], out) => {
    const { name, channels, size, pixels, kernel, outside } = settings;
    const area = size[0] * size[1], window = kernel[0] * kernel[1];
    const places = windows(settings);
    return () => {
      for (let c = 0; c < channels; c++)
        for (let p = 0; p < pixels; p++) {
          let sum = 0, most = -Infinity, count = 0;
          for (let i = p; i < places.length; i += pixels) {
            if (places[i] < 0) continue;
            const value = input[c * area + places[i]];
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
