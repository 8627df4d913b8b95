#define _GNU_SOURCE
#include "ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_CAP = 1 << 16 };

int ws_connect(ws *w, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return -1;
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    w->in_cap = IN_CAP;
    w->in = malloc(w->in_cap);
    w->in_len = w->out_len = 0;
    if (connect(w->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        return -1;
    return 0;
}

static int send_or_keep(ws *w, const char *data, size_t len)
{
    if (!w->out_len) {
        ssize_t sent = send(w->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return -1;
        if (sent > 0) {
            data += sent;
            len -= (size_t)sent;
        }
        if (!len)
            return 0;
        w->stalls++;
    }
    if (w->out_len + len > w->out_cap) {
        w->out_cap = (w->out_len + len) * 2;
        w->out = realloc(w->out, w->out_cap);
        if (!w->out)
            abort();
    }
    memcpy(w->out + w->out_len, data, len);
    w->out_len += len;
    return 0;
}

int ws_flush(ws *w)
{
    while (w->out_len) {
        ssize_t sent = send(w->fd, w->out, w->out_len, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        w->out_len -= (size_t)sent;
        memmove(w->out, w->out + sent, w->out_len);
    }
    return 0;
}

int ws_upgrade(ws *w, int port, const char *path, const char *header)
{
    char head[2048];
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: b2ZmaG9vay1jYXJyaWVyLQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\nUser-Agent: offhook-bench\r\n%s%s\r\n",
                     path, port, header, *header ? "\r\n" : "");
    return n < (int)sizeof head ? send_or_keep(w, head, (size_t)n) : -1;
}

int ws_send(ws *w, int opcode, const char *data, size_t len)
{
    static uint32_t seed = 0x9e3779b9;
    char frame[4096];
    size_t at = 2;
    uint8_t mask[4];

    if (len + 8 > sizeof frame)
        return -1;
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    memcpy(mask, &seed, 4);
    frame[0] = (char)(0x80 | opcode);
    if (len < 126) {
        frame[1] = (char)(0x80 | len);
    } else {
        frame[1] = (char)(0x80 | 126);
        frame[2] = (char)(len >> 8);
        frame[3] = (char)len;
        at = 4;
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++)
        frame[at + i] = (char)(data[i] ^ mask[i & 3]);
    return send_or_keep(w, frame, at + len);
}

long ws_fill(ws *w)
{
    if (w->in_len == w->in_cap) {
        w->in_cap *= 2;
        w->in = realloc(w->in, w->in_cap);
        if (!w->in)
            abort();
    }
    ssize_t got = recv(w->fd, w->in + w->in_len, w->in_cap - w->in_len, 0);
    if (got > 0)
        w->in_len += (size_t)got;
    return got;
}

int ws_upgraded(ws *w)
{
    char *end = memmem(w->in, w->in_len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    int ok = w->in_len > 12 && !memcmp(w->in + 9, "101", 3);
    ws_consume(w, (size_t)(end + 4 - w->in));
    return ok ? 1 : -1;
}

int ws_next(ws *w, size_t *pos, int *opcode, char **data, size_t *len)
{
    const uint8_t *p = (const uint8_t *)w->in + *pos;
    size_t left = w->in_len - *pos, head = 2;
    uint64_t size;

    if (left < 2)
        return 0;
    size = p[1] & 0x7f;
    if (size == 126) {
        if (left < 4)
            return 0;
        size = (uint64_t)p[2] << 8 | p[3];
        head = 4;
    } else if (size == 127) {
        if (left < 10)
            return 0;
        size = 0;
        for (int i = 2; i < 10; i++)
            size = size << 8 | p[i];
        head = 10;
    }
    if (left - head < size)
        return 0;
    *opcode = p[0] & 0x0f;
    *data = w->in + *pos + head;
    *len = size;
    *pos += head + size;
    return 1;
}

void ws_consume(ws *w, size_t pos)
{
    w->in_len -= pos;
    if (w->in_len)
        memmove(w->in, w->in + pos, w->in_len);
}

void ws_close(ws *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    free(w->in);
    w->in = NULL;
    w->in_len = w->in_cap = 0;
}
