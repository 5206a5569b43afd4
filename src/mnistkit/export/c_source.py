"""The parts of the C99 header that are the same for every network."""

__all__ = ["HEADER", "KERNELS"]

#: The file, with places for what the network says.
HEADER = """\
/* A digit classifier, written by mnistkit. C99; link with -lm.
 *
 *   network     {name}
 *   classes     {classes}
 *   weights     {weights} bytes
 *   memory      {memory} bytes of the stack
 *
 * predict() gives the calibrated probability of each class for one image, predict_logits() what the network puts out. An image
 * is {channels} x {height} x {width} bytes, row by row, 0 for the background. Both may run in several threads at once.
 */
#ifndef MNISTKIT_CLASSIFIER_H
#define MNISTKIT_CLASSIFIER_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define MNISTKIT_PIXELS {pixels}
#define MNISTKIT_CLASSES {outputs}

static const char *const mnistkit_classes[MNISTKIT_CLASSES] = {{{names}}};

{arrays}
{kernels}
static void predict_logits(const uint8_t image[MNISTKIT_PIXELS], float logits[MNISTKIT_CLASSES]) {{
    static const float mean[] = {{{mean}}};
    static const float std[] = {{{std}}};
    float memory[{floats}];
    int i;

    for (i = 0; i < MNISTKIT_PIXELS; i++)
        memory[{start} + i] = ((float)image[i] / 255.0f - mean[i / {area}]) / std[i / {area}];
{calls}
    memcpy(logits, memory + {end}, sizeof(float) * MNISTKIT_CLASSES);
}}

static inline void predict(const uint8_t image[MNISTKIT_PIXELS], float probabilities[MNISTKIT_CLASSES]) {{
    float sum = 0.0f, most;
    int i;

    predict_logits(image, probabilities);
    most = probabilities[0];
    for (i = 1; i < MNISTKIT_CLASSES; i++)
        most = fmaxf(most, probabilities[i]);
    for (i = 0; i < MNISTKIT_CLASSES; i++) {{
        probabilities[i] = expf((probabilities[i] - most) / {temperature});
        sum += probabilities[i];
    }}
    for (i = 0; i < MNISTKIT_CLASSES; i++)
        probabilities[i] /= sum;
}}

#endif
"""

#: What computes one kind of step, by its operation; those of one line are written where they are used.
KERNELS = {
    "linear": """\
static void mnistkit_linear(const float *in, float *out, const float *matrix, const float *bias, int rows, int outputs,
                            int depth) {
    int row, o, k;

    for (row = 0; row < rows; row++)
        for (o = 0; o < outputs; o++) {
            float sum = bias[o];
            for (k = 0; k < depth; k++)
                sum += matrix[o * depth + k] * in[row * depth + k];
            out[row * outputs + o] = sum;
        }
}
""",
    "conv": """\
/* sizes: inputs of a group, outputs of a group, groups, height and width of the input, of the output, of the kernel, stride,
   padding, dilation. */
static void mnistkit_conv(const float *in, float *out, const float *matrix, const float *bias, const int *sizes) {
    const int inputs = sizes[0], outputs = sizes[1], groups = sizes[2], height = sizes[3], width = sizes[4];
    const int rows = sizes[5], columns = sizes[6], kernel_height = sizes[7], kernel_width = sizes[8];
    int o, c, i, j, y, x;

    for (o = 0; o < groups * outputs; o++) {
        float *const map = out + o * rows * columns;
        for (y = 0; y < rows * columns; y++)
            map[y] = bias[o];
        for (c = 0; c < inputs; c++) {
            const float *const channel = in + (o / outputs * inputs + c) * height * width;
            for (i = 0; i < kernel_height; i++)
                for (j = 0; j < kernel_width; j++) {
                    const float weight = *matrix++;
                    for (y = 0; y < rows; y++) {
                        const int line = y * sizes[9] - sizes[11] + i * sizes[13];
                        if (line < 0 || line >= height)
                            continue;
                        for (x = 0; x < columns; x++) {
                            const int place = x * sizes[10] - sizes[12] + j * sizes[14];
                            if (place >= 0 && place < width)
                                map[y * columns + x] += weight * channel[line * width + place];
                        }
                    }
                }
        }
    }
}
""",
    "pool": """\
/* sizes: channels, whether the largest, whether what is outside counts as 0, then as of a convolution from the height on. */
static void mnistkit_pool(const float *in, float *out, const int *sizes) {
    const int height = sizes[3], width = sizes[4], rows = sizes[5], columns = sizes[6];
    int c, i, j, y, x;

    for (c = 0; c < sizes[0]; c++)
        for (y = 0; y < rows; y++)
            for (x = 0; x < columns; x++) {
                float sum = 0.0f, most = -INFINITY;
                int count = 0;
                for (i = 0; i < sizes[7]; i++)
                    for (j = 0; j < sizes[8]; j++) {
                        const int line = y * sizes[9] - sizes[11] + i * sizes[13];
                        const int place = x * sizes[10] - sizes[12] + j * sizes[14];
                        if (line >= 0 && line < height && place >= 0 && place < width) {
                            const float value = in[(c * height + line) * width + place];
                            sum += value;
                            most = fmaxf(most, value);
                            count++;
                        }
                    }
                if (sizes[2])
                    count = sizes[7] * sizes[8];
                *out++ = sizes[1] ? most : sum / (float)count;
            }
}
""",
    "standardize": """\
static void mnistkit_standardize(const float *in, float *out, int size, int length, float eps) {
    int start, i;

    for (start = 0; start < size; start += length) {
        float mean = 0.0f, variance = 0.0f;
        for (i = start; i < start + length; i++)
            mean += in[i] / (float)length;
        for (i = start; i < start + length; i++)
            variance += (in[i] - mean) * (in[i] - mean) / (float)length;
        for (i = start; i < start + length; i++)
            out[i] = (in[i] - mean) / sqrtf(variance + eps);
    }
}
""",
    "softmax": """\
static void mnistkit_softmax(const float *in, float *out, int size, int length, int logarithm) {
    int start, i;

    for (start = 0; start < size; start += length) {
        float most = in[start], sum = 0.0f;
        for (i = start; i < start + length; i++)
            most = fmaxf(most, in[i]);
        for (i = start; i < start + length; i++)
            sum += expf(in[i] - most);
        for (i = start; i < start + length; i++)
            out[i] = logarithm ? in[i] - most - logf(sum) : expf(in[i] - most) / sum;
    }
}
""",
}
