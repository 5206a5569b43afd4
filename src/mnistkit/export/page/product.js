"use strict";
// Products of matrices, for which nearly all of a network's time goes: by WebAssembly, four numbers at once.

// The bytes of a module with one function: four rows of a matrix by eight columns of another.
//   left, its row's bytes, right, its row's bytes, out, its row's bytes, how many products each number is the sum of
function kernelBytes() {
  const [LEFT, LEFT_ROW, RIGHT, RIGHT_ROW, OUT, OUT_ROW, COUNT] = [0, 1, 2, 3, 4, 5, 6];
  const rows = [LEFT, 7, 8, 9], sums = [[10, 11], [12, 13], [14, 15], [16, 17]], columns = [18, 19], one = 20;
  const get = (local) => [0x20, local], set = (local) => [0x21, local];
  const add = [0x6a], addTo = (local, code) => [...get(local), ...code, ...add, ...set(local)];
  const simd = (...code) => [0xfd, ...code];
  const place = (offset) => [2, offset]; // aligned to four bytes
  const body = [
    ...[1, 2, 3].flatMap((r) => [...get(rows[r - 1]), ...get(LEFT_ROW), ...add, ...set(rows[r])]),
    0x03, 0x40, // loop
    ...columns.flatMap((local, c) => [...get(RIGHT), ...simd(0x00, ...place(16 * c)), ...set(local)]),
    ...rows.flatMap((row, r) => [
      ...get(row), ...simd(0x09, ...place(0)), ...set(one), // the same number four times
      ...columns.flatMap((local, c) => [
        ...get(sums[r][c]), ...get(one), ...get(local), ...simd(0xe6, 0x01), ...simd(0xe4, 0x01), ...set(sums[r][c]),
      ]),
      ...addTo(row, [0x41, 4]),
    ]),
    ...addTo(RIGHT, get(RIGHT_ROW)),
    ...addTo(COUNT, [0x41, 0x7f]), // -1
    ...get(COUNT), 0x0d, 0, 0x0b, // again, or the end of the loop
    ...sums.flatMap((pair) => [
      ...pair.flatMap((local, c) => [...get(OUT), ...get(local), ...simd(0x0b, ...place(16 * c))]),
      ...addTo(OUT, get(OUT_ROW)),
    ]),
    0x0b,
  ];
  const length = (n) => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);
  const section = (number, ...content) => [number, ...length(content.length), ...content];
  const code = [2, 3, 0x7f, 11, 0x7b, ...body]; // with three more integers, and eleven vectors
  return Uint8Array.of(
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, 1, 0x60, 7, ...new Array(7).fill(0x7f), 0),
    ...section(2, 1, 1, 0x6d, 1, 0x6d, 2, 0, 1), // the memory "m" of "m"
    ...section(3, 1, 0),
    ...section(7, 1, 1, 0x66, 0, 0), // the function "f"
    ...section(10, 1, ...length(code.length), ...code),
  );
}

// The same where a browser has no WebAssembly, as in the lockdown mode of a phone.
const plainKernel = (numbers) => (left, leftRow, right, rightRow, out, outRow, count) => {
  for (let r = 0; r < 4; r++)
    for (let c = 0; c < 8; c++) {
      let sum = 0;
      for (let k = 0; k < count; k++)
        sum += numbers[(left + r * leftRow) / 4 + k] * numbers[(right + k * rightRow) / 4 + c];
      numbers[(out + r * outRow) / 4 + c] = sum;
    }
};

let kernel = null;
try {
  kernel = new WebAssembly.Module(kernelBytes());
} catch {
  kernel = null;
}

// Room for `left` (rows x depth) times `right` (depth x columns, `stride` apart), and `run`, which puts it into `out` (rows x
// columns, `stride` apart). Rows and columns are padded to whole blocks.
function makeProduct(rows, depth, columns) {
  const stride = Math.ceil(columns / 8) * 8, padded = Math.ceil(rows / 4) * 4;
  const sizes = [padded * depth, depth * stride, padded * stride];
  const bytes = 4 * sizes.reduce((sum, size) => sum + size, 0);
  const memory = kernel ? new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) }) : { buffer: new ArrayBuffer(bytes) };
  const rightAt = 4 * sizes[0], outAt = rightAt + 4 * sizes[1];
  const block = kernel
    ? new WebAssembly.Instance(kernel, { m: { m: memory } }).exports.f
    : plainKernel(new Float32Array(memory.buffer));
  return {
    left: new Float32Array(memory.buffer, 0, sizes[0]),
    right: new Float32Array(memory.buffer, rightAt, sizes[1]),
    out: new Float32Array(memory.buffer, outAt, sizes[2]),
    stride,
    run() {
      for (let i = 0; i < rows; i += 4)
        for (let j = 0; j < columns; j += 8)
          block(4 * i * depth, 4 * depth, rightAt + 4 * j, 4 * stride, outAt + 4 * (i * stride + j), 4 * stride, depth);
    },
  };
}

// A matrix with the bias as one more column, for which the other matrix has a row of ones.
function withBias(left, matrix, bias, firstRow, rows) {
  const depth = matrix.length / bias.length;
  for (let row = 0; row < rows; row++) {
    const at = (firstRow + row) * depth;
    left.set(matrix.subarray(at, at + depth), row * (depth + 1));
    left[row * (depth + 1) + depth] = bias[firstRow + row];
  }
}
