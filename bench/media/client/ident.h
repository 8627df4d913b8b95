/* The identity every 20 ms of scripted audio carries in its first mu-law bytes, so that a frame
 * that was lost, repeated or should no longer be heard can be told from its bytes alone:
 *
 *   4 bytes magic | 3 digits utterance | 2 digits frame index | 2 digits frames in the utterance
 *
 * A digit is 6 bits, written as 0x80|d: bytes that survive mu-law -> PCM -> mu-law unchanged.
 * The scripted speech services write the same pattern (offhook_bench_vendors/identity.py). */
#ifndef IDENT_H
#define IDENT_H
#include <stdint.h>
#include <string.h>

enum { FRAME = 160, IDENT_BYTES = 11 };
#define IDENT_MAGIC "\x13\x8b\x27\x95"

typedef struct {
    uint32_t utterance, index, total;
} ident;

static inline uint32_t ident_digits(const uint8_t *p, int n)
{
    uint32_t value = 0;
    while (n--)
        value = value << 6 | (*p++ & 0x3f);
    return value;
}

static inline void ident_put(uint8_t *p, uint32_t value, int n)
{
    while (n--) {
        p[n] = 0x80 | (value & 0x3f);
        value >>= 6;
    }
}

static inline int ident_read(const uint8_t *frame, ident *id)
{
    if (memcmp(frame, IDENT_MAGIC, 4))
        return 0;
    id->utterance = ident_digits(frame + 4, 3);
    id->index = ident_digits(frame + 7, 2);
    id->total = ident_digits(frame + 9, 2);
    return 1;
}

static inline void ident_write(uint8_t *frame, ident id)
{
    memcpy(frame, IDENT_MAGIC, 4);
    ident_put(frame + 4, id.utterance, 3);
    ident_put(frame + 7, id.index & 0xfff, 2);
    ident_put(frame + 9, id.total, 2);
}
#endif
