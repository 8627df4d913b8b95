#define _GNU_SOURCE
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

script scenario;
tally totals;
int recording;

static char silence[FRAME_B64 + 1];
static int owner[1 << 18]; /* utterance -> call that heard it first, plus one */

static void count(uint64_t *what, uint64_t n)
{
    if (recording)
        *what += n;
}

void call_begin(call *c, int64_t now)
{
    char text[1024];
    static const char connected[] =
        "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}";

    if (!silence[0]) {
        uint8_t quiet[FRAME];
        memset(quiet, 0xff, sizeof quiet);
        base64_encode(silence, quiet, FRAME);
    }
    ws_send(&c->w, WS_TEXT, connected, sizeof connected - 1);
    int n = snprintf(
        text, sizeof text,
        "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"accountSid\":"
        "\"ACbench0000000000000000000000000000\",\"streamSid\":\"%s\",\"callSid\":\"%s\","
        "\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\","
        "\"sampleRate\":8000,\"channels\":1},\"customParameters\":%s},\"streamSid\":\"%s\"}",
        c->stream_sid, c->call_sid, c->parameters, c->stream_sid);
    ws_send(&c->w, WS_TEXT, text, (size_t)n);
    c->sequence = 1;
    c->phase = GAP;
    c->phase_until = now + scenario.lead_us + (scenario.spread_us ? rand() % scenario.spread_us : 0);
}

void call_hang_up(call *c)
{
    char text[512];
    int n = snprintf(text, sizeof text,
                     "{\"event\":\"stop\",\"sequenceNumber\":\"%u\",\"stop\":{\"accountSid\":"
                     "\"ACbench0000000000000000000000000000\",\"callSid\":\"%s\"},"
                     "\"streamSid\":\"%s\"}",
                     ++c->sequence, c->call_sid, c->stream_sid);
    ws_send(&c->w, WS_TEXT, text, (size_t)n);
    ws_send(&c->w, WS_CLOSE, "\x03\xe8", 2);
}

/* ---- the caller's voice ---- */

static void speak(call *c, int64_t now, int interrupting)
{
    c->phase = SPEAKING;
    c->spoken = 0;
    c->turn++;
    c->interrupting = interrupting;
    c->barge_start = interrupting ? now : 0;
    count(interrupting ? &totals.barges : &totals.turns, 1);
}

static void rest(call *c, int64_t now)
{
    c->phase = GAP;
    c->phase_until = now + scenario.gap_us + rand() % 500000;
}

static void end_speech(call *c, int64_t now)
{
    c->phase = WAITING;
    c->speech_end = now;
    c->phase_until = now + 6000000;
}

/* Moves the script on; returns the payload to say in this 20 ms. */
static const char *next_payload(call *c, int64_t now)
{
    int barge_turn = scenario.barge_every && (c->turn + 1) % scenario.barge_every == 0;
    int whole = c->total && c->next_index >= c->total;

    if (c->phase == GAP && now >= c->phase_until &&
        (!scenario.max_turns || c->turn < scenario.max_turns)) {
        speak(c, now, 0);
    } else if (c->phase == WAITING && now >= c->phase_until) {
        count(&totals.unanswered, 1);
        rest(c, now);
    } else if (c->phase == HEARING) {
        if (barge_turn && !whole && now >= c->heard_from + scenario.hear_us) {
            speak(c, now, 1);
        } else if (whole && now >= c->play_end) {
            rest(c, now);
        } else if (now - c->last_audio > 3000000 && now > c->play_end) {
            count(&totals.cut_short, 1);
            rest(c, now);
        }
    }
    if (c->barge_start && now - c->barge_start > 2500000) {
        count(&totals.missed_clears, 1);
        c->barge_start = 0;
    }
    return c->phase == SPEAKING ? scenario.speech[c->spoken] : silence;
}

static void echo_marks(call *c, int64_t now)
{
    char text[256];
    while (c->mark_head != c->mark_tail) {
        mark *m = &c->marks[c->mark_head % MARKS];
        if (m->due > now)
            return;
        int n = snprintf(text, sizeof text,
                         "{\"event\":\"mark\",\"sequenceNumber\":\"%u\",\"streamSid\":\"%s\","
                         "\"mark\":{\"name\":\"%s\"}}",
                         ++c->sequence, c->stream_sid, m->name);
        ws_send(&c->w, WS_TEXT, text, (size_t)n);
        c->mark_head++;
        count(&totals.marks, 1);
    }
}

void call_tick(call *c, int64_t now)
{
    char text[640], own[FRAME_B64 + 1] = {0};
    const char *payload;

    echo_marks(c, now);
    if (scenario.echo) {
        uint8_t frame[FRAME];
        c->needed_from = now;
        memset(frame, 0xd5, sizeof frame);
        ident_write(frame, (ident){(uint32_t)c->id + 1, c->chunk & 0xfff, 0});
        base64_encode(own, frame, FRAME);
        payload = own;
    } else {
        payload = next_payload(c, now);
    }
    c->chunk++;
    c->sequence++;
    int n = snprintf(text, sizeof text,
                     "{\"event\":\"media\",\"sequenceNumber\":\"%u\",\"media\":{\"track\":"
                     "\"inbound\",\"chunk\":\"%u\",\"timestamp\":\"%u\",\"payload\":\"%s\"},"
                     "\"streamSid\":\"%s\"}",
                     c->sequence, c->chunk, (c->chunk - 1) * 20, payload, c->stream_sid);
    ws_send(&c->w, WS_TEXT, text, (size_t)n);
    count(&totals.frames_out, 1);
    if (!scenario.echo && c->phase == SPEAKING && ++c->spoken == scenario.speech_frames)
        end_speech(c, now);
}

/* ---- what the caller hears ---- */

static void begin_utterance(call *c, ident id, int64_t now)
{
    if (c->utterance && c->utterance != c->cleared && c->next_index < c->total)
        count(&totals.lost, c->total - c->next_index);
    c->utterance = id.utterance;
    c->next_index = 0;
    c->total = id.total;
    c->needed_from = now;
    if (owner[id.utterance] && owner[id.utterance] != c->id + 1)
        count(&totals.crosstalk, 1);
    owner[id.utterance] = c->id + 1;

    if (c->phase == WAITING) {
        if (recording) {
            samples_add(&totals.response, (double)(now - c->speech_end) / 1000);
            totals.responses++;
        }
        c->phase = HEARING;
        c->heard_from = now;
    } else if (c->phase == SPEAKING) {
        count(&totals.early, 1);
    }
}

static void hear_echo(call *c, ident id, int64_t now)
{
    uint32_t behind = (c->chunk - 1 - id.index) & 0xfff;
    uint32_t gap = (id.index - c->next_index) & 0xfff;
    if (gap && gap < 0x800)
        count(&totals.lost, gap);
    else if (gap)
        count(&totals.duplicated, 1);
    if (gap < 0x800)
        c->next_index = (id.index + 1) & 0xfff;
    /* needed_from holds the time of the caller's latest tick */
    if (recording)
        samples_add(&totals.lateness, (double)(now - c->needed_from) / 1000 + behind * 20.0);
}

static void hear_frame(call *c, ident id, int64_t now)
{
    count(&totals.frames_in, 1);
    if (scenario.echo) {
        hear_echo(c, id, now);
        return;
    }
    if (id.utterance == c->cleared || id.utterance < c->utterance) {
        count(&totals.stale, 1);
        return;
    }
    if (id.utterance != c->utterance)
        begin_utterance(c, id, now);
    if (id.index < c->next_index) {
        count(&totals.duplicated, 1);
        return;
    }
    count(&totals.lost, id.index - c->next_index);
    c->next_index = id.index + 1;
    if (recording)
        samples_add(&totals.lateness,
                    (double)(now - c->needed_from - (int64_t)id.index * 20000) / 1000);
}

/* Cuts the received bytes into identified frames, wherever the server cut its packets. */
static void identify(call *c, const uint8_t *audio, size_t n, int64_t now)
{
    ident id;
    while (n) {
        if (!c->carried && (n < 4 ? memcmp(audio, IDENT_MAGIC, n) : memcmp(audio, IDENT_MAGIC, 4))) {
            audio++;
            n--;
            count(&totals.foreign_bytes, 1);
            continue;
        }
        size_t take = FRAME - (size_t)c->carried < n ? FRAME - (size_t)c->carried : n;
        memcpy(c->carry + c->carried, audio, take);
        c->carried += (int)take;
        audio += take;
        n -= take;
        if (c->carried == FRAME) {
            c->carried = 0;
            if (ident_read(c->carry, &id))
                hear_frame(c, id, now);
        }
    }
}

static void play(call *c, const uint8_t *audio, size_t n, int64_t now)
{
    int64_t lasts = (int64_t)n * 125;
    int inside = c->utterance && c->utterance != c->cleared && c->next_index &&
                 c->next_index < c->total;

    count(&totals.bytes_in, n);
    c->last_audio = now;
    if (c->play_end <= now) {
        int64_t dry = now - c->play_end;
        c->play_end = now + scenario.cushion_us + lasts;
        identify(c, audio, n, now);
        if (inside && !scenario.echo) {
            count(&totals.underruns, 1);
            c->needed_from += dry + scenario.cushion_us;
        }
        return;
    }
    c->play_end += lasts;
    identify(c, audio, n, now);
}

static void clear(call *c, int64_t now)
{
    count(&totals.clears, 1);
    c->play_end = now;
    c->carried = 0;
    if (c->utterance)
        c->cleared = c->utterance;
    for (unsigned i = c->mark_head; i != c->mark_tail; i++)
        c->marks[i % MARKS].due = now;
    echo_marks(c, now);
    if (c->barge_start) {
        if (recording)
            samples_add(&totals.barge, (double)(now - c->barge_start) / 1000);
        c->barge_start = 0;
    }
}

static void keep_mark(call *c, const char *name, size_t n, int64_t now)
{
    mark *m = &c->marks[c->mark_tail % MARKS];
    if (c->mark_tail - c->mark_head == MARKS || n >= MARK_NAME)
        return;
    memcpy(m->name, name, n);
    m->name[n] = 0;
    m->due = c->play_end > now ? c->play_end : now;
    c->mark_tail++;
}

/* The string value of "key" in flat JSON, spaces or not. */
static char *value_of(char *text, size_t len, const char *key, size_t *n)
{
    char quoted[32];
    size_t k = (size_t)snprintf(quoted, sizeof quoted, "\"%s\"", key);
    char *end = text + len, *at = memmem(text, len, quoted, k);
    if (!at)
        return NULL;
    at += k;
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    if (at >= end || *at != '"')
        return NULL;
    at++;
    char *stop = memchr(at, '"', (size_t)(end - at));
    if (!stop)
        return NULL;
    *n = (size_t)(stop - at);
    return at;
}

void call_message(call *c, char *text, size_t len, int64_t now)
{
    static uint8_t audio[1 << 16];
    size_t n;
    char *event = value_of(text, len, "event", &n);

    count(&totals.messages_in, 1);
    if (!event)
        return;
    if (!strncmp(event, "media", n)) {
        char *payload = value_of(text, len, "payload", &n);
        if (payload && n < sizeof audio)
            play(c, audio, base64_decode(audio, payload, n), now);
    } else if (!strncmp(event, "mark", n)) {
        char *name = value_of(text, len, "name", &n);
        if (name)
            keep_mark(c, name, n, now);
    } else if (!strncmp(event, "clear", n)) {
        clear(c, now);
    }
}
