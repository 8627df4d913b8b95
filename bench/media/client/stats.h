/* Growing sample arrays and their percentiles. */
#ifndef STATS_H
#define STATS_H
#include <stddef.h>
#include <stdio.h>

typedef struct {
    float *v;
    size_t n, cap;
} samples;

void samples_add(samples *s, double ms);
/* Prints {"n":..,"p50":..,"p99":..,"max":..} in milliseconds; sorts in place. */
void samples_json(FILE *out, const char *name, samples *s);
#endif
