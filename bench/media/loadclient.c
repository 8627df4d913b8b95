/* A carrier's media side for N calls at once: see bench/README.md.
 *
 *   loadclient --port P --calls FILE [options]
 *
 * FILE has one call per line, tab-separated: path, callSid, custom parameters as a JSON object, and
 * one more header line for the handshake (its signature), the last two optional.
 * Prints STEADY when the measured window opens, DONE when it closes (the calls are still up for
 * half a second), then one line of JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "client/call.h"

enum { PERIOD_US = 20000, LINE = 4096 };

static struct {
    int port, ramp_ms, settle_ms, measure_ms;
    const char *calls, *speech;
    int speech_ms, level;
} options = {.ramp_ms = 2000, .settle_ms = 3000, .measure_ms = 10000, .speech_ms = 1200, .level = 8000};

static call *calls;
static int n_calls, poller;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- input ---- */

static void read_calls(const char *file)
{
    char line[LINE];
    FILE *in = fopen(file, "r");
    if (!in)
        fail(file);
    while (fgets(line, sizeof line, in)) {
        char *path = strtok(line, "\t\n"), *sid = strtok(NULL, "\t\n");
        char *more = strtok(NULL, "\t\n"), *header = strtok(NULL, "\t\n");
        if (!path)
            continue;
        calls = realloc(calls, (size_t)(n_calls + 1) * sizeof *calls);
        call *c = &calls[n_calls];
        memset(c, 0, sizeof *c);
        c->w.fd = -1;
        c->id = n_calls++;
        c->port = options.port;
        c->path = strdup(path);
        c->call_sid = strdup(sid ? sid : "CAbench");
        c->parameters = strdup(more ? more : "{}");
        c->header = strdup(header ? header : "");
        snprintf(c->stream_sid, sizeof c->stream_sid, "MZbench%025d", c->id);
    }
    fclose(in);
}

static uint8_t mulaw(int sample)
{
    int sign = sample < 0 ? 0x80 : 0, exponent = 7;
    sample = (sign ? -sample : sample) + 132;
    if (sample > 32767)
        sample = 32767;
    for (int mask = 0x4000; !(sample & mask) && exponent > 0; mask >>= 1)
        exponent--;
    return (uint8_t)~(sign | exponent << 4 | (sample >> (exponent + 3) & 0x0f));
}

/* The caller's speech: the given mu-law file, or noise at a level an energy detector hears. */
static void make_speech(void)
{
    int frames = options.speech_ms / 20;
    uint8_t audio[FRAME];
    FILE *in = options.speech ? fopen(options.speech, "rb") : NULL;

    if (options.speech && !in)
        fail(options.speech);
    scenario.speech = calloc((size_t)frames, sizeof *scenario.speech);
    srand(20);
    for (scenario.speech_frames = 0; scenario.speech_frames < frames; scenario.speech_frames++) {
        if (in && fread(audio, 1, FRAME, in) != FRAME)
            break;
        for (int i = 0; !in && i < FRAME; i++)
            audio[i] = mulaw(rand() % (2 * options.level + 1) - options.level);
        base64_encode(scenario.speech[scenario.speech_frames], audio, FRAME);
    }
    if (in)
        fclose(in);
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", 1, 0, 'p'},     {"calls", 1, 0, 'c'},   {"ramp-ms", 1, 0, 'r'},
        {"settle-ms", 1, 0, 's'}, {"measure-ms", 1, 0, 'm'}, {"cushion-ms", 1, 0, 'u'},
        {"speech", 1, 0, 'f'},   {"speech-ms", 1, 0, 'd'}, {"level", 1, 0, 'l'},
        {"barge-every", 1, 0, 'b'}, {"hear-ms", 1, 0, 'h'}, {"gap-ms", 1, 0, 'g'},
        {"lead-ms", 1, 0, 'q'}, {"spread-ms", 1, 0, 'w'}, {"max-turns", 1, 0, 't'}, {"echo", 0, 0, 'e'},
        {0, 0, 0, 0}};
    int o;

    scenario = (script){.cushion_us = 40000, .barge_every = 4, .hear_us = 1000000,
                        .gap_us = 500000, .lead_us = 500000, .spread_us = 4000000};
    while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
        int number = optarg ? atoi(optarg) : 0;
        switch (o) {
        case 'p': options.port = number; break;
        case 'c': options.calls = optarg; break;
        case 'r': options.ramp_ms = number; break;
        case 's': options.settle_ms = number; break;
        case 'm': options.measure_ms = number; break;
        case 'f': options.speech = optarg; break;
        case 'd': options.speech_ms = number; break;
        case 'l': options.level = number; break;
        case 'u': scenario.cushion_us = number * 1000; break;
        case 'b': scenario.barge_every = number; break;
        case 'h': scenario.hear_us = number * 1000; break;
        case 'g': scenario.gap_us = number * 1000; break;
        case 'q': scenario.lead_us = number * 1000; break;
        case 'w': scenario.spread_us = number * 1000; break;
        case 't': scenario.max_turns = number; break;
        case 'e': scenario.echo = 1; break;
        default: exit(2);
        }
    }
    if (!options.port || !options.calls) {
        fprintf(stderr, "usage: loadclient --port P --calls FILE [options]\n");
        exit(2);
    }
}

/* ---- sockets ---- */

static void watch(call *c, int op, int writing)
{
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, op, c->w.fd, &e);
    c->want_write = writing;
}

static void lose(call *c, uint64_t *why)
{
    if (c->state != ENDED)
        (*why)++;
    c->state = ENDED;
    totals.stalls += c->w.stalls;
    ws_close(&c->w);
}

static void start_call(call *c)
{
    if (ws_connect(&c->w, c->port) < 0) {
        lose(c, &totals.refused);
        return;
    }
    c->state = CONNECTING;
    watch(c, EPOLL_CTL_ADD, 1);
}

static int on_frames(call *c, int64_t now)
{
    size_t pos = 0, len;
    int opcode;
    char *data;

    while (ws_next(&c->w, &pos, &opcode, &data, &len)) {
        if (opcode == WS_TEXT)
            call_message(c, data, len, now);
        else if (opcode == WS_PING)
            ws_send(&c->w, WS_PONG, data, len);
        else if (opcode == WS_CLOSE)
            return -1;
    }
    ws_consume(&c->w, pos);
    return 0;
}

static void on_ready(call *c, uint32_t events)
{
    if (c->state == CONNECTING && events & EPOLLOUT) {
        ws_upgrade(&c->w, c->port, c->path, c->header);
        c->state = UPGRADING;
    } else if (events & EPOLLOUT && ws_flush(&c->w) < 0) {
        lose(c, &totals.dropped);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        long got = ws_fill(&c->w);
        int64_t now = now_us();
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            lose(c, c->state == LIVE ? &totals.dropped : &totals.refused);
            return;
        }
        if (c->state == UPGRADING) {
            int ok = ws_upgraded(&c->w);
            if (ok < 0) {
                lose(c, &totals.refused);
                return;
            }
            if (ok) {
                c->state = LIVE;
                call_begin(c, now);
            }
        }
        if (c->state == LIVE && on_frames(c, now) < 0) {
            lose(c, &totals.dropped);
            return;
        }
    }
    if ((c->w.out_len > 0) != c->want_write)
        watch(c, EPOLL_CTL_MOD, c->w.out_len > 0);
}

static void poll_sockets(int64_t wait_us)
{
    struct epoll_event ready[256];
    struct timespec wait = {wait_us / 1000000, wait_us % 1000000 * 1000};
    int n = epoll_pwait2(poller, ready, 256, &wait, NULL);
    for (int i = 0; i < n; i++) {
        call *c = ready[i].data.ptr;
        if (c->w.fd >= 0)
            on_ready(c, ready[i].events);
    }
}

/* ---- the clock ---- */

static void tick(call *c, int64_t due, int64_t now)
{
    if (recording)
        samples_add(&totals.tick, (double)(now - due) / 1000);
    if (c->state == LIVE) {
        call_tick(c, now);
        if (c->w.out_len && !c->want_write)
            watch(c, EPOLL_CTL_MOD, 1);
    } else if (c->state == IDLE) {
        start_call(c);
    }
}

static void announce(const char *word)
{
    puts(word);
    fflush(stdout);
}

/* Every call ticks once in 20 ms, evenly spread, so the calls form a ring in order of due time. */
static void run(void)
{
    int64_t base = now_us(), ramp = options.ramp_ms * 1000LL;
    int64_t opens = base + ramp + options.settle_ms * 1000LL;
    int64_t closes = opens + options.measure_ms * 1000LL, ends = closes + 500000;
    int announced = 0;

    for (int64_t step = 0;; step++) {
        call *c = &calls[step % n_calls];
        int64_t due = base + step * PERIOD_US / n_calls, now = now_us();
        while (now < due) {
            poll_sockets(due - now);
            now = now_us();
        }
        if (!announced && now >= opens) {
            announce("STEADY");
            announced = recording = 1;
        } else if (recording && now >= closes) {
            recording = 0;
            announce("DONE");
        }
        if (now >= ends)
            return;
        if (c->state != IDLE || now >= base + ramp * c->id / n_calls)
            tick(c, due, now);
        if (step % 32 == 0)
            poll_sockets(0);
    }
}

static void hang_up_all(void)
{
    int64_t until = now_us() + 2000000;
    for (int i = 0; i < n_calls; i++)
        if (calls[i].state == LIVE) {
            call_hang_up(&calls[i]);
            calls[i].state = ENDED;
        }
    for (int left = 1; left && now_us() < until;) {
        poll_sockets(50000);
        left = 0;
        for (int i = 0; i < n_calls; i++)
            left += calls[i].w.fd >= 0;
    }
}

static void report(int live)
{
    tally *t = &totals;
    printf("{\"calls\":%d,\"live\":%d,\"seconds\":%.3f,", n_calls, live, options.measure_ms / 1e3);
    samples_json(stdout, "tick_lag", &t->tick);
    putchar(',');
    samples_json(stdout, "lateness", &t->lateness);
    putchar(',');
    samples_json(stdout, "response", &t->response);
    putchar(',');
    samples_json(stdout, "barge", &t->barge);
#define COUNT(field) printf(",\"" #field "\":%llu", (unsigned long long)t->field)
    COUNT(frames_out), COUNT(frames_in), COUNT(bytes_in), COUNT(messages_in), COUNT(marks);
    COUNT(underruns), COUNT(lost), COUNT(duplicated), COUNT(stale), COUNT(crosstalk);
    COUNT(foreign_bytes), COUNT(turns), COUNT(responses), COUNT(unanswered), COUNT(early);
    COUNT(cut_short), COUNT(barges), COUNT(missed_clears), COUNT(clears), COUNT(stalls);
    COUNT(dropped), COUNT(refused);
    puts("}");
}

int main(int argc, char **argv)
{
    int live = 0;
    read_options(argc, argv);
    read_calls(options.calls);
    if (!n_calls)
        return 2;
    base64_init();
    make_speech();
    prctl(PR_SET_TIMERSLACK, 1000UL);
    poller = epoll_create1(EPOLL_CLOEXEC);
    run();
    for (int i = 0; i < n_calls; i++)
        live += calls[i].state == LIVE;
    hang_up_all();
    report(live);
    return 0;
}
