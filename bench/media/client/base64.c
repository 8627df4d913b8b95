#include "base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static int8_t value_of[256];

void base64_init(void)
{
    memset(value_of, -1, sizeof value_of);
    for (int i = 0; i < 64; i++)
        value_of[(uint8_t)alphabet[i]] = (int8_t)i;
}

size_t base64_encode(char *out, const uint8_t *in, size_t n)
{
    char *o = out;
    for (; n >= 3; n -= 3, in += 3) {
        uint32_t w = (uint32_t)in[0] << 16 | in[1] << 8 | in[2];
        *o++ = alphabet[w >> 18];
        *o++ = alphabet[w >> 12 & 63];
        *o++ = alphabet[w >> 6 & 63];
        *o++ = alphabet[w & 63];
    }
    if (n) {
        uint32_t w = (uint32_t)in[0] << 16 | (n == 2 ? in[1] << 8 : 0);
        *o++ = alphabet[w >> 18];
        *o++ = alphabet[w >> 12 & 63];
        *o++ = n == 2 ? alphabet[w >> 6 & 63] : '=';
        *o++ = '=';
    }
    return (size_t)(o - out);
}

size_t base64_decode(uint8_t *out, const char *in, size_t n)
{
    uint8_t *o = out;
    uint32_t word = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        int v = value_of[(uint8_t)in[i]];
        if (v < 0)
            break;
        word = word << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *o++ = (uint8_t)(word >> bits);
        }
    }
    return (size_t)(o - out);
}
