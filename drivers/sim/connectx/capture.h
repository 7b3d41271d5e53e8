/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capture files, read and written with libpcap. The library is loaded when the first one is opened:
 * the model, preloaded into every process of a command line, must not bring it along.
 */
#ifndef CONNECTX_CAPTURE_H
#define CONNECTX_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

struct cx_capture_frame {
	uint64_t at; /* ns after the first frame, never less than the one before */
	size_t off;  /* in bytes[] */
	uint32_t len;
};

/* A file in memory. */
struct cx_capture {
	struct cx_capture_frame *frames;
	uint8_t *bytes;
	size_t n, frames_room, used, bytes_room;
};

/* who: for the log. 0, or -1 after one log line; at least one frame. */
int cx_capture_load(struct cx_capture *c, const char *who, const char *file);
void cx_capture_free(struct cx_capture *c);

/* A file that is written, in nanosecond pcap. NULL after one log line. */
struct cx_dump *cx_dump_open(const char *who, const char *file);
void cx_dump_frame(struct cx_dump *o, uint64_t ns, const uint8_t *frame, uint32_t len);
/* What was written is to be seen in the file: 0, or -1 with errno. */
int cx_dump_flush(struct cx_dump *o);
void cx_dump_close(struct cx_dump *o);
/* In a forked child: the file is the parent's. */
void cx_dump_forget(struct cx_dump *o);

#endif
