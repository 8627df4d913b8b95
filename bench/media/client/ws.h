/* The client half of RFC 6455 on a non-blocking socket: no extensions, text frames only. */
#ifndef WS_H
#define WS_H
#include <stddef.h>
#include <stdint.h>

enum { WS_TEXT = 1, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

typedef struct {
    int fd;
    char *out; /* bytes the kernel would not take yet */
    size_t out_len, out_cap;
    char *in;
    size_t in_len, in_cap;
    uint64_t stalls; /* sends that found the socket full */
} ws;

/* Starts a non-blocking connect to 127.0.0.1:port. Returns 0, or -1 with errno. */
int ws_connect(ws *w, int port);
/* Queues the upgrade request; header is one more header line without its end, or empty. */
int ws_upgrade(ws *w, int port, const char *path, const char *header);
/* Sends one masked frame; what does not fit is kept and sent by ws_flush. */
int ws_send(ws *w, int opcode, const char *data, size_t len);
int ws_flush(ws *w);
/* Reads what is there. Returns bytes read, 0 at end of stream, -1 when nothing is there or on error
 * (errno tells). */
long ws_fill(ws *w);
/* Consumes an HTTP response head: 1 upgraded, 0 not complete yet, -1 refused. */
int ws_upgraded(ws *w);
/* Next whole frame at *pos in the input: 1 found, 0 none. Advances *pos past it. */
int ws_next(ws *w, size_t *pos, int *opcode, char **data, size_t *len);
/* Drops the first pos bytes of the input. */
void ws_consume(ws *w, size_t pos);
void ws_close(ws *w);
#endif
