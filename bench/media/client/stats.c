#include "stats.h"

#include <stdlib.h>

void samples_add(samples *s, double ms)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 4096;
        s->v = realloc(s->v, s->cap * sizeof *s->v);
        if (!s->v)
            abort();
    }
    s->v[s->n++] = (float)ms;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(const samples *s, double p)
{
    if (!s->n)
        return 0;
    size_t i = (size_t)(p * (double)(s->n - 1) + 0.5);
    return s->v[i];
}

void samples_json(FILE *out, const char *name, samples *s)
{
    if (s->n)
        qsort(s->v, s->n, sizeof *s->v, ascending);
    fprintf(out, "\"%s\":{\"n\":%zu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, s->n,
            percentile(s, 0.5), percentile(s, 0.9), percentile(s, 0.99), percentile(s, 1.0));
}
