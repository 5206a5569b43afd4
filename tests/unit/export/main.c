/* Reads images from standard input, and writes the logits and the probabilities of each. */
#include <stdio.h>
#include "net.h"

int main(void) {
    uint8_t image[MNISTKIT_PIXELS];
    float values[MNISTKIT_CLASSES];

    while (fread(image, 1, MNISTKIT_PIXELS, stdin) == MNISTKIT_PIXELS) {
        predict_logits(image, values);
        fwrite(values, sizeof(float), MNISTKIT_CLASSES, stdout);
        predict(image, values);
        fwrite(values, sizeof(float), MNISTKIT_CLASSES, stdout);
    }
    return 0;
}
