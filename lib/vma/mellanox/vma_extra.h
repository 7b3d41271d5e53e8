/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The VMA extra API: zero-copy receive, completion polling, ring control and the cyclic buffer.
 *
 * This is what an application includes to use the API through a table of functions. Names, values
 * and layouts are those of the interface with 184 bytes of table ("cyclic and dpcp"), so that a
 * program compiled for it runs as it is; abi_check.c holds every one of them. The text is ours.
 *
 * The table comes from vma_get_api() where the library answers for the socket calls of the
 * program, or from dpvma_get_api() of the native library.
 *
 * Unless a function says otherwise it returns 0 or -1 with errno, and any thread may call it.
 * What a buffer or packet handed out points at is the library's memory: read it, give it back
 * once, and touch it no more.
 */
#ifndef VMA_EXTRA_H
#define VMA_EXTRA_H

#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

/**
 * @name Socket options
 * All with level SOL_SOCKET.
 * @{
 */
/** get, on fd -1: pointer to the function table; see vma_get_api(). */
#define SO_VMA_GET_API 2800
/** set and get, 8 bytes: what vma_completion_t.user_data holds for this socket; default its fd. */
#define SO_VMA_USER_DATA 2801
/** set, struct vma_ring_alloc_logic_attr: which ring the socket uses. Other length: EINVAL. */
#define SO_VMA_RING_ALLOC_LOGIC 2810
/**
 * set, struct iovec: memory of the application for the receive ring, where the profile of the ring
 * has VMA_CB_EXTERNAL_MEM. Of the sockets that share a ring, that of the first counts. EINVAL: no
 * address or length, or the socket has a ring already. The bind() or connect() that makes the ring
 * fails with EINVAL when the memory is missing or too small (the log says how much it takes),
 * EFAULT when not all of it is mapped, ENOSPC when the device has no queue for that ring alone. The
 * memory is the application's to unmap when the last socket of the ring is closed.
 */
#define SO_VMA_RING_USER_MEMORY 2811
/** set and get, uint32_t: flow tag of the socket's steering rules. */
#define SO_VMA_FLOW_TAG 2820
/** set: stop receiving, sending goes on. */
#define SO_VMA_SHUTDOWN_RX 2821
/** @} */

/** vma_api_t.recvfrom_zcopy, flag in: fail rather than copy. */
#define MSG_VMA_ZCOPY_FORCE 0x01000000
/** vma_api_t.recvfrom_zcopy, flag out: the buffer holds a struct vma_packets_t. */
#define MSG_VMA_ZCOPY 0x00040000

/**
 * Flag of send(), sendto() and sendmsg(): go the whole way of a packet, to warm caches, and send
 * nothing. Returns as if it had been sent. A socket that is not offloaded: EINVAL. TCP: EAGAIN
 * where data is waiting, with MSG_MORE, or for more than one segment that may be sent now.
 */
#define VMA_SND_FLAGS_DUMMY MSG_SYN

/** What a receive callback wants to happen to the packet. */
typedef enum {
	VMA_PACKET_DROP = 0, /**< recycle it; for TCP the data counts as read */
	VMA_PACKET_RECV = 1, /**< queue it for the ordinary receive calls */
	VMA_PACKET_HOLD =
			2 /**< the application has it; free_packets() later, not in the callback */
} vma_recv_callback_retval_t;

/** @name Zero-copy receive @{ */

/** One packet: where its pieces lie. */
struct __attribute__((packed)) vma_packet_t {
	void *packet_id;    /**< handle for free_packets() */
	size_t sz_iov;	    /**< pieces in iov */
	struct iovec iov[]; /**< payload, piece by piece */
};

/**
 * What recvfrom_zcopy() writes to its buffer. Packets follow each other without a gap, each as
 * long as its number of pieces makes it: 16 + 16 * sz_iov bytes. So pkts[1] is not the second.
 */
struct __attribute__((packed)) vma_packets_t {
	size_t n_packet_num;	    /**< packets that follow */
	struct vma_packet_t pkts[]; /**< the first of them */
};

/** What a receive callback learns of a packet. Lives until the callback returns. */
struct __attribute__((packed)) vma_info_t {
	size_t struct_sz;			/**< sizeof(struct vma_info_t) */
	void *packet_id;			/**< handle for free_packets() */
	struct sockaddr_in *src;		/**< sender */
	struct sockaddr_in *dst;		/**< receiver, group or broadcast address */
	size_t payload_sz;			/**< bytes of payload in all */
	uint32_t socket_ready_queue_pkt_count;	/**< packets queued before this one */
	uint32_t socket_ready_queue_byte_count; /**< bytes queued before this one */
	struct timespec hw_timestamp;		/**< set with SO_TIMESTAMPING and raw hardware */
	struct timespec sw_timestamp;		/**< set with a software receive timestamp */
};

/**
 * Called for a packet before it is queued, inside a receive or poll call of the application. May
 * call any socket function that controls or sends.
 *
 * @param fd
 *   The socket.
 * @param sz_iov
 *   Pieces in iov.
 * @param iov
 *   The payload. The array lives until the callback returns, the bytes longer only if it returns
 *   VMA_PACKET_HOLD.
 * @param vma_info
 *   More of the packet.
 * @param context
 *   As registered.
 */
typedef vma_recv_callback_retval_t (*vma_recv_callback_t)(int fd, size_t sz_iov, struct iovec iov[],
		struct vma_info_t *vma_info, void *context);

/** @} */

/** @name Completions @{ */

/** Events of a completion. The low 32 bits are those of epoll. */
__extension__ typedef enum {
	VMA_SOCKETXTREME_PACKET = (1ULL << 32),			/**< packet is valid */
	VMA_SOCKETXTREME_NEW_CONNECTION_ACCEPTED = (1ULL << 33) /**< listen_fd is valid */
} vma_socketxtreme_events_t;

/** One buffer of a packet. The head of the library's own descriptor: keep the pointer, no copy. */
struct vma_buff_t {
	struct vma_buff_t *next; /**< NULL for the last */
	void *payload;
	uint16_t len; /**< bytes at payload */
};

/** A received packet; consecutive TCP segments of one socket may come as one. */
struct vma_packet_desc_t {
	size_t num_bufs;	      /**< buffers in the list */
	uint16_t total_len;	      /**< bytes in all buffers */
	struct vma_buff_t *buff_lst;  /**< the buffers, the application's until it frees them */
	struct timespec hw_timestamp; /**< of the NIC, where it has one */
};

/** One thing that happened on a ring. */
struct vma_completion_t {
	struct vma_packet_desc_t packet; /**< with VMA_SOCKETXTREME_PACKET */
	uint64_t events;		 /**< vma_socketxtreme_events_t and EPOLL* bits */
	uint64_t user_data;		 /**< the socket's fd, or what SO_VMA_USER_DATA set */
	struct sockaddr_in src;		 /**< sender, or peer of a new connection */
	int listen_fd;			 /**< the listening socket of a new connection */
};

/** @} */

/** SO_MAX_PACING_RATE takes this too, beside the kernel's integer. */
struct vma_rate_limit_t {
	uint32_t rate;		 /**< kbit/s; 0: no limit */
	uint32_t max_burst_sz;	 /**< bytes that may go at once */
	uint16_t typical_pkt_sz; /**< bytes */
};

/** @name Cyclic buffer @{ */

/** vma_completion_cb_t.comp_mask: what the caller wants filled in beside the rest. */
typedef enum {
	VMA_CB_MASK_TIMESTAMP = (1 << 0) /**< hw_timestamp */
} vma_completion_cb_mask;

/**
 * One run of packets in a cyclic buffer: packet k starts at payload_ptr + k * stride. Where fewer
 * packets than the wanted minimum are there, a read leaves all of this as it was: set packets to
 * 0 before it.
 */
struct vma_completion_cb_t {
	uint32_t comp_mask;	      /**< in: vma_completion_cb_mask */
	void *payload_ptr;	      /**< first packet, or its payload, as the mode says */
	size_t payload_length;	      /**< bytes of the run */
	size_t packets;		      /**< packets in the run */
	void *usr_hdr_ptr;	      /**< first header, NULL where the mode has none */
	size_t usr_hdr_ptr_length;    /**< bytes of headers */
	struct timespec hw_timestamp; /**< of the first packet, if comp_mask asked for it */
};

/** How a packet lies in a cyclic buffer. Network headers: 42 bytes, 46 with a VLAN tag. */
typedef enum {
	/** The frame, network headers + stride_bytes apart. hdr_bytes has to be 0. */
	RAW_PACKET = 0,
	/** The payload, stride_bytes apart; hdr_bytes before it go to usr_hdr_ptr. */
	STRIP_NETWORK_HDRS = 1,
	/** As before, and usr_hdr_ptr has the network headers too. (Spelled as it always was.) */
	SEPERATE_NETWORK_HDRS = 2,
	/**
	 * The frame, at the power of two not below stride_bytes + hdr_bytes + 42. A longer frame
	 * takes several strides. The one mode that can do without a copy.
	 */
	PADDED_PACKET = 3
} vma_cb_packet_rec_mode;

/** vma_cyclic_buffer_ring_attr.comp_mask: fields that are not always read. */
typedef enum {
	VMA_CB_HDR_BYTE = (1 << 0), /**< hdr_bytes */
	/**
	 * Packets are put into memory that comes by SO_VMA_RING_USER_MEMORY; by a copy, as a device
	 * keeps its buffers for longer than a ring lives. Read unconditionally.
	 */
	VMA_CB_EXTERNAL_MEM = (1 << 1)
} vma_cb_ring_attr_mask;

/** Profile of a ring with a cyclic buffer. UDP only. */
struct vma_cyclic_buffer_ring_attr {
	uint32_t comp_mask;			    /**< vma_cb_ring_attr_mask */
	uint32_t num;				    /**< packets of room, at least */
	uint16_t stride_bytes;			    /**< payload of a packet, without hdr_bytes */
	uint16_t hdr_bytes;			    /**< application header in front of it */
	vma_cb_packet_rec_mode packet_receive_mode; /**< how packets lie */
};

/** @} */

/** @name Rings @{ */

/** Profile of an ordinary ring. */
struct vma_packet_queue_ring_attr {
	uint32_t comp_mask; /**< 0 */
};

/** Profile of a ring over memory of the application. */
struct vma_external_mem_attr {
	uint32_t comp_mask; /**< 0 */
};

/** vma_ring_type_attr.comp_mask: nothing yet. */
typedef enum { VMA_RING_ATTR_LAST = 0 } vma_ring_type_attr_mask;

/** Kind of a ring. */
typedef enum {
	VMA_RING_PACKET = 0,	    /**< packets go to sockets */
	VMA_RING_CYCLIC_BUFFER = 1, /**< packets go to a cyclic buffer, none to sockets */
	VMA_RING_EXTERNAL_MEM = 2   /**< the application drives the queue */
} vma_ring_type;

/** A ring profile, for vma_add_ring_profile(). */
struct vma_ring_type_attr {
	uint32_t comp_mask; /**< 0 */
	vma_ring_type ring_type;
	__extension__ union {
		struct vma_cyclic_buffer_ring_attr ring_cyclicb; /**< VMA_RING_CYCLIC_BUFFER */
		struct vma_packet_queue_ring_attr ring_pktq;	 /**< VMA_RING_PACKET */
		struct vma_external_mem_attr ring_ext;		 /**< VMA_RING_EXTERNAL_MEM */
	};
};

/** Key of a profile, positive; 0 is none. */
typedef int vma_ring_profile_key;

/** Who shares a ring. Rings of different interfaces are always different. */
typedef enum {
	RING_LOGIC_PER_INTERFACE = 0,		 /**< everybody; the default */
	RING_LOGIC_PER_IP = 1,			 /**< sockets of one local address */
	RING_LOGIC_PER_SOCKET = 10,		 /**< nobody */
	RING_LOGIC_PER_USER_ID = 11,		 /**< sockets that gave the same user_id */
	RING_LOGIC_PER_THREAD = 20,		 /**< sockets made by one thread */
	RING_LOGIC_PER_CORE = 30,		 /**< sockets of one core */
	RING_LOGIC_PER_CORE_ATTACH_THREADS = 31, /**< as before, threads pinned to cores */
	RING_LOGIC_LAST = 32			 /**< end of the list */
} ring_logic_t;

/** vma_ring_alloc_logic_attr.comp_mask: fields to read. One at least; unknown ones are ignored. */
typedef enum {
	VMA_RING_ALLOC_MASK_RING_PROFILE_KEY = (1 << 0), /**< ring_profile_key */
	VMA_RING_ALLOC_MASK_RING_USER_ID = (1 << 1),	 /**< user_id */
	VMA_RING_ALLOC_MASK_RING_INGRESS = (1 << 2),	 /**< ingress */
	VMA_RING_ALLOC_MASK_RING_ENGRESS = (1 << 3)	 /**< engress */
} vma_ring_alloc_logic_attr_comp_mask;

/**
 * Which ring a socket uses, for SO_VMA_RING_ALLOC_LOGIC. With neither ingress nor engress it does
 * nothing and succeeds. A socket that receives already moves to the new ring.
 */
struct vma_ring_alloc_logic_attr {
	uint32_t comp_mask;	       /**< vma_ring_alloc_logic_attr_comp_mask */
	ring_logic_t ring_alloc_logic; /**< always read */
	uint32_t ring_profile_key;     /**< from vma_add_ring_profile(); once a direction */
	uint32_t user_id;	       /**< for RING_LOGIC_PER_USER_ID */
	uint32_t ingress : 1;	       /**< for receiving */
	uint32_t engress : 1;	       /**< for sending (spelled as it always was) */
	uint32_t reserved : 30;
};

/** vma_modify_ring_attr.comp_bit_mask. Arming goes first where both are set. */
typedef enum {
	VMA_MODIFY_RING_CQ_MODERATION = (1 << 0), /**< cq_moderation */
	VMA_MODIFY_RING_CQ_ARM = (1 << 1)	  /**< cq_arm */
} vma_modify_ring_mask;

/** Event moderation: an event after so many packets or so much time. */
struct vma_cq_moderation_attr {
	uint32_t cq_moderation_count;	    /**< packets */
	uint32_t cq_moderation_period_usec; /**< microseconds */
};

/** Ask for an event with the next packet. */
struct vma_cq_arm_attr {
};

/** A change to a ring, for vma_modify_ring(). */
struct vma_modify_ring_attr {
	uint32_t comp_bit_mask; /**< vma_modify_ring_mask */
	int ring_fd;		/**< from get_socket_rings_fds() */
	__extension__ union {
		struct vma_cq_moderation_attr cq_moderation;
		struct vma_cq_arm_attr cq_arm;
	};
};

/** @} */

/** @name Hardware queues of a ring @{ */

/** dev_data.device_cap. */
typedef enum {
	VMA_HW_PP_EN = (1 << 0),      /**< packet pacing */
	VMA_HW_UMR_EN = (1 << 1),     /**< user memory regions */
	VMA_HW_MP_RQ_EN = (1 << 2),   /**< multi-packet receive queues */
	VMA_HW_PP_BURST_EN = (1 << 3) /**< packet pacing with bursts */
} mlx_hw_device_cap;

/** The device. */
struct dev_data {
	uint32_t vendor_id;
	uint32_t vendor_part_id;
	uint32_t device_cap; /**< mlx_hw_device_cap */
};

/** A completion queue. */
struct hw_cq_data {
	void *buf;
	volatile uint32_t *dbrec; /**< doorbell record */
	uint32_t cq_size;	  /**< entries */
	uint32_t cqe_size;	  /**< bytes of an entry */
	uint32_t cqn;
	void *uar;
	uint32_t *cons_idx; /**< consumer index */
};

/** A work queue. */
struct hw_wq_data {
	void *buf;
	uint32_t wqe_cnt; /**< entries */
	uint32_t stride;  /**< bytes of an entry */
	volatile uint32_t *dbrec;
	struct hw_cq_data cq_data;
};

/** A receive queue. */
struct hw_rq_data {
	struct hw_wq_data wq_data;
	uint32_t *head;
	uint32_t *tail;
};

/** A send queue. */
struct hw_sq_data {
	struct hw_wq_data wq_data;
	uint32_t sq_num;
	struct {
		void *reg;
		uint32_t size;
		uint32_t offset;
	} bf; /**< doorbell page */
};

/** vma_mlx_hw_device_data.valid_mask: programs use the numbers themselves as bits of it. */
typedef enum {
	DATA_VALID_DEV = 0,
	DATA_VALID_SQ = 1,
	DATA_VALID_RQ = 2
} vma_mlx_hw_valid_data_mask;

/** What get_ring_direct_descriptors() tells. */
struct vma_mlx_hw_device_data {
	uint32_t valid_mask; /**< DATA_VALID_SQ, _RQ of what is filled in besides dev_data: none */
	struct dev_data dev_data;
	struct hw_sq_data sq_data;
	struct hw_rq_data rq_data;
};

/** @} */

/** vma_api_t.vma_extra_supported_mask: which functions do what they say. */
typedef enum {
	VMA_EXTRA_API_REGISTER_RECV_CALLBACK = (1 << 0),
	VMA_EXTRA_API_RECVFROM_ZCOPY = (1 << 1),
	VMA_EXTRA_API_FREE_PACKETS = (1 << 2),
	VMA_EXTRA_API_ADD_CONF_RULE = (1 << 3),
	VMA_EXTRA_API_THREAD_OFFLOAD = (1 << 4),
	VMA_EXTRA_API_DUMP_FD_STATS = (1 << 5),
	VMA_EXTRA_API_SOCKETXTREME_POLL = (1 << 6),
	VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_PACKETS = (1 << 7),
	VMA_EXTRA_API_SOCKETXTREME_REF_VMA_BUFF = (1 << 8),
	VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_BUFF = (1 << 9),
	VMA_EXTRA_API_GET_SOCKET_RINGS_NUM = (1 << 10),
	VMA_EXTRA_API_GET_SOCKET_RINGS_FDS = (1 << 11),
	VMA_EXTRA_API_GET_SOCKET_TX_RING_FD = (1 << 12),
	VMA_EXTRA_API_GET_SOCKET_NETWORK_HEADER = (1 << 13),
	VMA_EXTRA_API_GET_RING_DIRECT_DESCRIPTORS = (1 << 14),
	VMA_EXTRA_API_CYCLIC_BUFFER_READ = (1 << 15),
	VMA_EXTRA_API_ADD_RING_PROFILE = (1 << 16),
	VMA_EXTRA_API_REGISTER_MEMORY_ON_RING = (1 << 17),
	VMA_EXTRA_API_DEREGISTER_MEMORY_ON_RING = (1 << 18),
	VMA_EXTRA_API_GET_MEM_INFO = (1 << 19),
	VMA_EXTRA_API_MODIFY_RING = (1 << 20),
	VMA_EXTRA_API_GET_DPCP_DEVICES = (1 << 21)
} vma_extra_api_mask;

/** The functions. An "offloaded" socket is one that this library serves, not the kernel. */
struct __attribute__((packed)) vma_api_t {
	/**
	 * Have a function called for each packet of a socket; NULL ends it, another replaces it.
	 *
	 * For TCP it is called only while nothing is queued on the socket.
	 *
	 * errno: EINVAL for a socket that is not offloaded.
	 */
	int (*register_recv_callback)(int s, vma_recv_callback_t callback, void *context);

	/**
	 * Receive without a copy.
	 *
	 * @param s
	 *   A socket. One that is not offloaded gets an ordinary recvfrom().
	 * @param buf
	 *   Filled with a struct vma_packets_t if MSG_VMA_ZCOPY is set on return, else with data.
	 *   UDP: one datagram a call. TCP: as many packets as fit; of one that does not fit whole
	 *   the rest stays queued. Give them back with free_packets().
	 * @param len
	 *   Bytes at buf: 8 + 16, and 16 for each piece of payload.
	 * @param flags
	 *   In: those of recvmsg(), MSG_VMA_ZCOPY_FORCE. Out: MSG_VMA_ZCOPY; MSG_TRUNC for
	 *   pieces of a datagram that did not fit.
	 * @param from, fromlen
	 *   As for recvfrom(); may be NULL.
	 * @return
	 *   Bytes of payload; -1 with errno as recvfrom(), or ENOBUFS: buf is too small.
	 */
	int (*recvfrom_zcopy)(int s, void *buf, size_t len, int *flags, struct sockaddr *from,
			socklen_t *fromlen);

	/**
	 * Give packets back that recvfrom_zcopy() or a callback with VMA_PACKET_HOLD handed out.
	 * For TCP this opens the receive window.
	 *
	 * @param pkts
	 *   For one packet only packet_id is read. More than one has to lie as recvfrom_zcopy()
	 *   laid them for TCP; for UDP each takes 16 bytes, whatever it holds.
	 *
	 * errno: EINVAL for a socket that is not offloaded, ENOENT for a packet that is not of
	 * this socket; the packets before it are freed.
	 */
	int (*free_packets)(int s, struct vma_packet_t *pkts, size_t count);

	/**
	 * Put a rule, one line as in libvma.conf, in front of the others. Sockets that have been
	 * decided on stay as they are.
	 */
	int (*add_conf_rule)(const char *config_line);

	/**
	 * Whether sockets that thread tid makes from now on may be offloaded (1) or not (0).
	 *
	 * errno: EINVAL for another value, ESRCH: there is no such thread in this process.
	 */
	int (*thread_offload)(int offload, pthread_t tid);

	/**
	 * Poll a ring for packets and events. VMA_SOCKETXTREME has to be on, else EOPNOTSUPP, as
	 * for the other socketxtreme functions.
	 *
	 * New connections come accepted: do not call accept().
	 *
	 * @param fd
	 *   A ring, from get_socket_rings_fds(); or a socket or epoll, for what is its own. Else
	 *   EBADFD.
	 * @param completions
	 *   Filled in. Buffers in it are the application's until freed.
	 * @param ncompletions
	 *   Room in the array. 0 or NULL: EINVAL.
	 * @param flags
	 *   Ignored.
	 * @return
	 *   Number of completions, 0 if there is none; -1 with errno.
	 */
	int (*socketxtreme_poll)(int fd, struct vma_completion_t *completions,
			unsigned int ncompletions, int flags);

	/**
	 * How many rings a socket receives from. 0 or less: none yet; UDP has one after bind() or
	 * connect(), TCP after listen(), connect() or SO_BINDTODEVICE.
	 */
	int (*get_socket_rings_num)(int fd);

	/**
	 * The fds of those rings, at most ring_fds_sz. An fd of a ring serves for the ring
	 * functions of this table, and to wait on.
	 *
	 * @return
	 *   How many were written; 0 or less: none, the array is as it was.
	 */
	int (*get_socket_rings_fds)(int fd, int *ring_fds, int ring_fds_sz);

	/**
	 * The fd of the ring by which a socket sends: to its peer, or a UDP socket without one that
	 * is bound or in a group to that destination.
	 *
	 * @return
	 *   The fd; -1 with errno: EINVAL for a socket that is not offloaded or a NULL address,
	 *   ENODATA when there is no ring.
	 */
	int (*get_socket_tx_ring_fd)(int sock_fd, struct sockaddr *to, socklen_t tolen);

	/**
	 * Drop one reference to every buffer of each packet, and open the TCP window by its
	 * length. errno: EINVAL for NULL or a packet without buffers.
	 */
	int (*socketxtreme_free_vma_packets)(struct vma_packet_desc_t *packets, int num);

	/** Take one more reference to a buffer. Returns their number; NULL: -1, EINVAL. */
	int (*socketxtreme_ref_vma_buff)(struct vma_buff_t *buff);

	/** Drop a reference to a buffer. Returns how many are left, 0: it is gone. NULL: EINVAL. */
	int (*socketxtreme_free_vma_buff)(struct vma_buff_t *buff);

	/**
	 * Write the state of a socket, or of all with fd 0, to the log, if lines of that level are
	 * printed: 0 panic, 1 error, 2 warning, 3 info, 4 details, 5 debug, 6 fine, 7 finer, 8 all.
	 *
	 * errno: EINVAL for another level, EBADF for no socket of this library, EOPNOTSUPP with
	 * VMA_SOCKETXTREME.
	 */
	int (*dump_fd_stats)(int fd, int log_level);

	/**
	 * Read the next run of packets from a cyclic buffer, without a copy where the mode of the
	 * ring allows.
	 *
	 * What a read returned stays valid until the next read of that ring. There is nothing to
	 * free. Packets with a bad checksum are passed over and end a run; so does the end of the
	 * buffer. A ring is read by one thread at a time.
	 *
	 * @param fd
	 *   The ring, from get_socket_rings_fds().
	 * @param completion
	 *   Filled in for at least min packets; else untouched.
	 * @param min
	 *   With fewer packets waiting the call succeeds with none, and they are kept.
	 * @param max
	 *   At most so many. 0, or less than min: EINVAL.
	 * @param flags
	 *   MSG_DONTWAIT. Others: EINVAL.
	 * @return
	 *   0; -1 with errno: EINVAL, EOPNOTSUPP for a ring without a cyclic buffer, EMSGSIZE for
	 *   a datagram that is longer than a stride in a mode that is not padded.
	 */
	int (*vma_cyclic_buffer_read)(int fd, struct vma_completion_cb_t *completion, size_t min,
			size_t max, int flags);

	/**
	 * Keep a profile for rings, and get its key. The profile is copied; an equal one has the
	 * key that it has already.
	 */
	int (*vma_add_ring_profile)(struct vma_ring_type_attr *profile, vma_ring_profile_key *key);

	/**
	 * The Ethernet, IP and transport header that a connected socket sends.
	 *
	 * @param ptr
	 *   Filled in; NULL: only the length is wanted.
	 * @param len
	 *   In: bytes at ptr. Out: bytes of the header.
	 *
	 * For TCP without options; sequence numbers, lengths and checksums are not filled in.
	 *
	 * errno: EINVAL for an unknown fd, ENOTCONN, ENOBUFS when len is too small, EAGAIN while
	 * the neighbour's link address is being asked for.
	 */
	int (*get_socket_network_header)(int fd, void *ptr, uint16_t *len);

	/**
	 * What is known of a ring's device: vendor, part and capabilities; valid_mask is 0, as the
	 * queues are not shown. errno: EOPNOTSUPP where the device is none that programs know by
	 * number (mlx5 is), EINVAL for NULL, EBADF for no ring.
	 */
	int (*get_ring_direct_descriptors)(int fd, struct vma_mlx_hw_device_data *data);

	/**
	 * Make memory of the application known to the device of a ring, until it is deregistered or
	 * the ring ends.
	 *
	 * @param key
	 *   A number of the range on that device, from 1; the same range has the same. It is not
	 * the device's key, which is not shown.
	 *
	 * errno: EINVAL for NULL or no length, EBADF for no ring, EFAULT for what is not mapped,
	 * EEXIST for a range that begins or ends in another one and goes beyond it (mlx5),
	 * EOPNOTSUPP with physical addresses (--iova-mode=pa), ENODEV, ENOMEM, or the driver's.
	 */
	int (*register_memory_on_ring)(int fd, void *addr, size_t length, uint32_t *key);

	/**
	 * Undo one register_memory_on_ring() of that ring and exactly that range. The memory stays
	 * the application's. errno: ENOENT, EINVAL, EBADF.
	 */
	int (*deregister_memory_on_ring)(int fd, void *addr, size_t length);

	/**
	 * Where the buffer of a cyclic ring lies, its length and key (0, as none is shown). errno:
	 * EINVAL for NULL, EBADF for no ring, EOPNOTSUPP for one without a cyclic buffer, EAGAIN
	 * before the first packet where the device has several.
	 */
	int (*get_mem_info)(int fd, void **addr, size_t *length, uint32_t *lkey);

	/**
	 * Arm the event of a ring or set its moderation, which no device here offers: EOPNOTSUPP. A
	 * sleeper wakes with the first packet. EBADF: no ring; EINVAL: NULL or no known bit.
	 *
	 * @return
	 *   0; 1: events were pending, they are drained and the ring is not armed, poll again; -1.
	 */
	int (*vma_modify_ring)(struct vma_modify_ring_attr *mr_data);

	/** vma_extra_api_mask of the functions that are there. */
	uint64_t vma_extra_supported_mask;

	/** Device handles of another driver stack. There are none: -1 with EOPNOTSUPP. */
	int (*get_dpcp_devices)(uintptr_t **devices, size_t *num);
};

/**
 * The functions, or NULL where nobody answers for the socket calls of this program: with the plain
 * kernel the call fails, so this also tells whether the library is there. Never free the table.
 */
static inline struct vma_api_t *
vma_get_api(void)
{
	struct vma_api_t *api = NULL;
	socklen_t len = sizeof(api);

	if (getsockopt(-1, SOL_SOCKET, SO_VMA_GET_API, &api, &len) < 0)
		return NULL;
	return api;
}

#endif /* VMA_EXTRA_H */
