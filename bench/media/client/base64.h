#ifndef BASE64_H
#define BASE64_H
#include <stddef.h>
#include <stdint.h>

enum { FRAME_B64 = 216 }; /* 160 bytes of audio in base64 */

void base64_init(void);
size_t base64_encode(char *out, const uint8_t *in, size_t n);
/* Decodes up to the first byte that is not base64; returns the bytes written. */
size_t base64_decode(uint8_t *out, const char *in, size_t n);
#endif
