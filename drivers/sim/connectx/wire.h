/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a NIC is connected to. A wire gives the frames that arrive to cx_port_rx() and takes those
 * that the NIC sends; all its calls are made by the NIC's device thread, under its lock, but open
 * and close.
 */
#ifndef CONNECTX_WIRE_H
#define CONNECTX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cx_dev;

#define CX_WIRE_CSUM_OK 1 /* the NIC made the checksums of this frame itself */

struct cx_wire_ops {
	const char *name; /* before the colon of wire= */
	const char *help;
	/* arg: what follows the colon. 0, or -1 after one log line. Sets priv, fd, busy. */
	int (*open)(struct cx_dev *d, const char *arg);
	void (*close)(struct cx_dev *d);
	/* Offers up to CX_RX_BATCH frames to cx_port_rx(); returns whether any was taken. */
	bool (*poll)(struct cx_dev *d);
	void (*send)(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags);
	/*
	 * For wires with memory of their own, else NULL. room() tells whether one send entry's
	 * frames, CX_WIRE_ROOM bytes at most, can go out now; if not, the queue waits. reserve()
	 * is where the next frame may be put together, max bytes at most, and commit() sends it.
	 */
	bool (*room)(struct cx_dev *d);
	uint8_t *(*reserve)(struct cx_dev *d, size_t max);
	void (*commit)(struct cx_dev *d, size_t len, unsigned int flags);
	/* The NIC's link went up or down. May be NULL. */
	void (*link)(struct cx_dev *d, bool up);
	/* The end of a turn: what was sent is to be seen. May be NULL. */
	void (*flush)(struct cx_dev *d);
	/* In a forked child: closes what else than fd it has open, and no more. May be NULL. */
	void (*forget)(struct cx_dev *d);
};

/* One send entry: a segmented message of 256 kB in pieces, headers and all. */
#define CX_WIRE_ROOM (1u << 20)

struct cx_wire {
	const struct cx_wire_ops *ops; /* NULL: not open */
	void *priv;
	int fd;	      /* to sleep on, or -1 */
	bool busy;    /* made traffic of its own: never sleep on it */
	bool carrier; /* there is another end; set by cx_wire_open(), changed by poll() */
};

extern const struct cx_wire_ops *const cx_wires[]; /* ends with NULL */
extern const struct cx_wire_ops cx_wire_tap, cx_wire_afp, cx_wire_loop, cx_wire_null, cx_wire_gen,
		cx_wire_shm, cx_wire_pcap;

/* Opens d->wire as the configuration says. 0, or -1 after one log line. */
int cx_wire_open(struct cx_dev *d);
void cx_wire_close(struct cx_dev *d);
/* Removes the cables of processes that are gone (wire_shm.c). */
void cx_shm_sweep(void);

#endif
