/* One scripted caller on one carrier socket: what it says, what it hears, what it counts. */
#ifndef CALL_H
#define CALL_H
#include <stdint.h>

#include "base64.h"
#include "ident.h"
#include "stats.h"
#include "ws.h"

typedef struct {
    int echo;           /* the far end echoes our frames: no turns, no VAD */
    int64_t cushion_us; /* audio buffered before playback of an utterance starts */
    int speech_frames;  /* length of the caller's speech */
    char (*speech)[FRAME_B64 + 1]; /* base64 of each frame of it */
    int barge_every;    /* every k-th turn interrupts the response; 0 = never */
    int64_t hear_us;    /* how much of a response is heard before interrupting */
    int64_t gap_us;     /* silence between the end of a response and the next turn */
    int64_t lead_us;    /* silence before the first turn */
    int64_t spread_us;  /* and up to so much more, so that calls are not in step */
    int max_turns;      /* after so many the caller only listens; 0 = no limit */
} script;

typedef struct {
    samples lateness, response, barge, tick;
    uint64_t frames_out, frames_in, bytes_in, messages_in, marks;
    uint64_t underruns, lost, duplicated, stale, crosstalk, foreign_bytes;
    uint64_t turns, responses, unanswered, early, cut_short, barges, missed_clears, clears;
    uint64_t stalls, dropped, refused;
} tally;

enum call_state { IDLE, CONNECTING, UPGRADING, LIVE, ENDED };
enum phase { GAP, SPEAKING, WAITING, HEARING };
enum { MARKS = 256, MARK_NAME = 96 };

typedef struct {
    char name[MARK_NAME];
    int64_t due;
} mark;

typedef struct {
    ws w;
    int id, port;
    char *path, *call_sid, *parameters, *header;
    char stream_sid[40];
    enum call_state state;
    int want_write;
    uint32_t sequence, chunk;

    enum phase phase;
    int spoken; /* frames of the current speech already sent */
    int turn, interrupting;
    int64_t phase_until, speech_end, heard_from, barge_start, last_audio;

    int64_t play_end; /* when the buffered audio will have been played */
    int64_t needed_from; /* arrival of frame 0 of the utterance, moved on by underruns */
    uint32_t utterance, next_index, total, cleared;
    uint8_t carry[FRAME];
    int carried;
    mark marks[MARKS];
    unsigned mark_head, mark_tail;
} call;

extern script scenario;
extern tally totals;
extern int recording; /* inside the steady window */

void call_begin(call *c, int64_t now);            /* send connected and start */
void call_tick(call *c, int64_t now);             /* one 20 ms frame of the caller's clock */
void call_message(call *c, char *text, size_t len, int64_t now);
void call_hang_up(call *c);
#endif
