/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The option table, and nothing else: every variable that is read, declared once. Whoever includes
 * it defines the macros that it wants rows of; the others vanish, and all are gone at the end. From
 * here come struct conf, the defaults, the ranges, --help and doc/parameters.md.
 *
 *   CONF_GROUP(title)
 *   CONF_BOOL(field, NAME, default, flags, help)
 *   CONF_INT(field, NAME, default, min, max, unit, flags, help)
 *   CONF_ENUM(field, NAME, enum tag, default, words, flags, help)    words: a table of words.c
 *   CONF_STR(field, NAME, size in bytes, default, flags, help)
 *   CONF_CPUS(field, NAME, flags, help)                              a list of CPUs, -1 for none
 *   CONF_PTR(field, NAME, flags, help)                               an address in hexadecimal
 *   CONF_DERIVED(field, default, help)       an int without a variable, changed by profiles only
 *   CONF_RETIRED(NAME, replacement or NULL, flags, cure)
 *
 * Flags: CONF_F_NOP no meaning on DPDK; CONF_F_CLAMP beyond the range means its end, not the
 * default; CONF_F_ZERO 0 is accepted below the range too; CONF_F_POW2 a power of two;
 * CONF_F_PID the first %d becomes the process id; CONF_F_TAKE (retired only) the value goes to
 * the replacement.
 */
#ifndef CONF_GROUP
#define CONF_GROUP(...)
#endif
#ifndef CONF_BOOL
#define CONF_BOOL(...)
#endif
#ifndef CONF_INT
#define CONF_INT(...)
#endif
#ifndef CONF_ENUM
#define CONF_ENUM(...)
#endif
#ifndef CONF_STR
#define CONF_STR(...)
#endif
#ifndef CONF_CPUS
#define CONF_CPUS(...)
#endif
#ifndef CONF_PTR
#define CONF_PTR(...)
#endif
#ifndef CONF_DERIVED
#define CONF_DERIVED(...)
#endif
#ifndef CONF_RETIRED
#define CONF_RETIRED(...)
#endif

/* clang-format off */

CONF_GROUP("Logging, statistics, identity")
CONF_ENUM(tracelevel, VMA_TRACELEVEL, conf_tracelevel, CONF_TRACE_INFO, conf_words_tracelevel, 0,
	"Lines above this level are not printed.")
CONF_INT(log_details, VMA_LOG_DETAILS, 0, 0, 3, "", 0,
	"What stands before a line: 0 nothing more, 1 the thread id, 2 process and thread id, 3 also "
	"the milliseconds since start. From level debug on the default is 2.")
CONF_BOOL(log_colors, VMA_LOG_COLORS, 1, 0,
	"Colour on a terminal.")
CONF_STR(log_file, VMA_LOG_FILE, CONF_PATH_MAX, "", CONF_F_PID,
	"File that lines go to; empty: standard error. The first %d becomes the process id.")
CONF_STR(stats_file, VMA_STATS_FILE, CONF_PATH_MAX, "", CONF_F_PID,
	"File that gets a socket's counters when it is closed; empty: none. The first %d becomes the "
	"process id.")
CONF_STR(stats_shmem_dir, VMA_STATS_SHMEM_DIR, CONF_PATH_MAX, "/tmp/", CONF_F_PID | CONF_F_NOP,
	"Directory of shared statistics files. Counters are read by telemetry here.")
CONF_STR(vmad_notify_dir, VMA_VMAD_NOTIFY_DIR, CONF_PATH_MAX, "/tmp/vma", CONF_F_PID | CONF_F_NOP,
	"Directory where a daemon is told of this process. There is no such daemon here.")
CONF_INT(stats_fd_num, VMA_STATS_FD_NUM, 100, 0, 1024, "sockets",
	CONF_F_CLAMP | CONF_F_NOP,
	"Sockets whose counters can be watched from outside at one time. Telemetry tells of all here.")
CONF_BOOL(cpu_usage_stats, VMA_CPU_USAGE_STATS, 0, 0,
	"Account the share of time that polling found something to do.")
CONF_STR(config_file, VMA_CONFIG_FILE, CONF_PATH_MAX, "/etc/libvma.conf", CONF_F_PID,
	"File of the rules that say which sockets are offloaded. One that is not there is none, and a "
	"warning when it was named.")
CONF_STR(application_id, VMA_APPLICATION_ID, CONF_ID_SIZE, "VMA_DEFAULT_APPLICATION_ID", CONF_F_PID,
	"User id that the rules' application-id blocks are matched with. The first %d becomes the "
	"process id.")
CONF_STR(explain, DPVMA_EXPLAIN, CONF_PATH_MAX, "", CONF_F_PID,
	"File that gets, when the process ends, one paragraph for each of its sockets: who carries it "
	"and why; - is standard error, empty: none. The first %d becomes the process id.")
CONF_BOOL(handle_sigintr, VMA_HANDLE_SIGINTR, 0, 0,
	"Handle SIGINT, then call the program's own handler.")
CONF_BOOL(handle_sigsegv, VMA_HANDLE_SIGSEGV, 0, 0,
	"Print a backtrace on SIGSEGV.")
CONF_INT(time_measure_num_samples, VMA_TIME_MEASURE_NUM_SAMPLES, 10000, 1, INT_MAX, "samples",
	CONF_F_NOP, "Size of the time measurement in instrumented builds. There are none here.")
CONF_STR(time_measure_dump_file, VMA_TIME_MEASURE_DUMP_FILE, CONF_PATH_MAX, "/tmp/VMA_inst.dump",
	CONF_F_PID | CONF_F_NOP,
	"Output of the time measurement in instrumented builds. There are none here.")
CONF_PTR(log_cb_func_ptr, VMA_LOG_CB_FUNC_PTR, 0,
	"Address of a function void (*)(int level, const char *line) that gets the lines. Set by "
	"programs that load the library themselves.")

CONF_GROUP("Profiles")
CONF_ENUM(spec, VMA_SPEC, conf_spec, CONF_SPEC_NONE, conf_words_spec, 0,
	"A named set of other values; variables that are set by themselves win over it.")
CONF_INT(spec_param1, VMA_SPEC_PARAM1, 1, INT_MIN, INT_MAX, "", 0,
	"First parameter of the messaging profiles, 29west and wombat_fh.")
CONF_INT(spec_param2, VMA_SPEC_PARAM2, 1, INT_MIN, INT_MAX, "", 0,
	"Second parameter of the messaging profiles.")

CONF_GROUP("Transmit")
CONF_INT(tx_segs_tcp, VMA_TX_SEGS_TCP, 1000000, 1, INT_MAX, "segments", CONF_F_NOP,
	"TCP segment descriptors of the process. A connection's queue grows as it needs here.")
CONF_INT(tx_bufs, VMA_TX_BUFS, 200000, 1, INT_MAX, "buffers", 0,
	"Transmit buffers of the process.")
CONF_INT(tx_buf_size, VMA_TX_BUF_SIZE, 0, 0, 0xff00, "bytes", 0,
	"Room of a transmit buffer; 0: from the MTU and the MSS. At least the MTU.")
CONF_INT(tx_wre, VMA_TX_WRE, 2048, 1, INT_MAX, "descriptors", 0,
	"Transmit descriptors of a ring. At least twice VMA_TX_WRE_BATCHING.")
CONF_INT(tx_wre_batching, VMA_TX_WRE_BATCHING, 64, 1, 64, "descriptors", CONF_F_CLAMP,
	"Sent packets per completion.")
CONF_INT(tx_max_inline, VMA_TX_MAX_INLINE, 204, 0, 884, "bytes", CONF_F_CLAMP,
	"Packets up to this size are written into the descriptor; 0: none. Only where the driver has "
	"a knob for it (mlx5).")
CONF_BOOL(tx_mc_loopback, VMA_TX_MC_LOOPBACK, 1, 0,
	"Initial IP_MULTICAST_LOOP.")
CONF_BOOL(tx_nonblocked_eagains, VMA_TX_NONBLOCKED_EAGAINS, 0, 0,
	"A non-blocking UDP send that finds no room fails with EAGAIN instead of dropping silently.")
CONF_INT(tx_prefetch_bytes, VMA_TX_PREFETCH_BYTES, 256, 0, UINT16_MAX, "bytes", 0,
	"Head of the transmit buffer that is prefetched; 0: none. At most the MTU.")
CONF_BOOL(tso, VMA_TSO, 1, 0,
	"TCP segmentation by the port. While it is on, VMA_RING_MIGRATION_RATIO_TX is -1.")
CONF_BOOL(trigger_dummy_send_getsockname, VMA_TRIGGER_DUMMY_SEND_GETSOCKNAME, 0, 0,
	"getsockname() warms the transmit path with a dummy send.")
CONF_BOOL(bf, VMA_BF, 1, CONF_F_NOP,
	"Doorbells that carry the descriptor. The driver decides that.")
CONF_INT(ring_dev_mem_tx, VMA_RING_DEV_MEM_TX, 0, 0, INT_MAX, "bytes", CONF_F_CLAMP | CONF_F_NOP,
	"Memory on the NIC per transmit ring. No driver offers it through ethdev.")

CONF_GROUP("Rings")
CONF_ENUM(ring_allocation_logic_tx, VMA_RING_ALLOCATION_LOGIC_TX, conf_ring_logic,
	CONF_RING_PER_INTERFACE, conf_words_ring_logic, 0,
	"What a transmit ring is made for.")
CONF_ENUM(ring_allocation_logic_rx, VMA_RING_ALLOCATION_LOGIC_RX, conf_ring_logic,
	CONF_RING_PER_INTERFACE, conf_words_ring_logic, 0,
	"What a receive ring is made for.")
CONF_INT(ring_migration_ratio_tx, VMA_RING_MIGRATION_RATIO_TX, 100, -1, INT_MAX, "accesses", 0,
	"Accesses from another thread after which a socket moves to that thread's transmit ring; "
	"-1: never. Counts only while VMA_TSO is 0.")
CONF_INT(ring_migration_ratio_rx, VMA_RING_MIGRATION_RATIO_RX, 100, -1, INT_MAX, "accesses", 0,
	"Accesses from another thread after which a socket moves to that thread's receive ring; "
	"-1: never.")
CONF_INT(ring_limit_per_interface, VMA_RING_LIMIT_PER_INTERFACE, 0, 0, INT_MAX, "rings",
	CONF_F_CLAMP, "Rings of one port; 0: no limit. Beyond it rings are shared.")

CONF_GROUP("Receive and polling")
CONF_INT(rx_bufs, VMA_RX_BUFS, 200000, 1, INT_MAX, "buffers", 0,
	"Receive buffers of the process.")
CONF_INT(rx_wre, VMA_RX_WRE, 16000, 1, INT_MAX, "descriptors", 0,
	"Receive descriptors of a ring; 1024 with VMA_SOCKETXTREME. At least twice "
	"VMA_RX_WRE_BATCHING.")
CONF_INT(rx_wre_batching, VMA_RX_WRE_BATCHING, 64, 1, 1024, "descriptors", CONF_F_CLAMP,
	"Descriptors given back to the port at one time.")
CONF_INT(rx_bytes_min, VMA_RX_BYTES_MIN, 65536, 0, INT_MAX, "bytes", 0,
	"Least SO_RCVBUF: bytes that wait in a UDP socket. What comes on top is dropped.")
CONF_INT(rx_poll, VMA_RX_POLL, 100000, -1, 100000000, "polls", 0,
	"Polls before a blocking receive sleeps; -1: it never does. 0 counts as 1.")
CONF_INT(rx_poll_init, VMA_RX_POLL_INIT, 0, -1, 100000000, "polls", CONF_F_NOP,
	"The same for a UDP socket that is not offloaded yet. One without a ring has nothing to poll "
	"here: it sleeps.")
CONF_INT(rx_udp_poll_os_ratio, VMA_RX_UDP_POLL_OS_RATIO, 100, 0, INT_MAX, "polls", 0,
	"The kernel's socket is looked at once in so many polls of the ring; 0: never.")
CONF_RETIRED(VMA_RX_POLL_OS_RATIO, "VMA_RX_UDP_POLL_OS_RATIO", CONF_F_TAKE, NULL)
CONF_RETIRED(VMA_RX_SKIP_OS, "VMA_RX_UDP_POLL_OS_RATIO", CONF_F_TAKE, NULL)
CONF_INT(rx_poll_yield, VMA_RX_POLL_YIELD, 0, 0, INT_MAX, "polls", 0,
	"Yield the CPU each time after so many polls; 0: never.")
CONF_INT(rx_prefetch_bytes, VMA_RX_PREFETCH_BYTES, 256, 32, 2044, "bytes", 0,
	"Head of a received packet that is prefetched while packets before it are handled.")
CONF_INT(rx_prefetch_bytes_before_poll, VMA_RX_PREFETCH_BYTES_BEFORE_POLL, 0, 32, 2044, "bytes",
	CONF_F_ZERO | CONF_F_NOP,
	"Head of the expected packet that is prefetched before polling; 0: none. Which buffer it will "
	"be only the driver knows.")
CONF_INT(rx_cq_drain_rate_nsec, VMA_RX_CQ_DRAIN_RATE_NSEC, 0, 0, INT_MAX, "ns", 0,
	"Poll the ring at this rate although the socket has data waiting; 0: only when it has none.")
CONF_BOOL(rx_poll_on_tx_tcp, VMA_RX_POLL_ON_TX_TCP, 0, 0,
	"Poll the receive ring in each TCP send, for acknowledgements; 0: in one after which nobody has "
	"polled it for 20 us.")
CONF_INT(gro_streams_max, VMA_GRO_STREAMS_MAX, 32, 0, INT_MAX, "streams", CONF_F_CLAMP,
	"TCP streams of a burst whose segments are put together; 0: none, nor by the port (DPVMA_LRO). "
	"0 with VMA_SOCKETXTREME.")
CONF_BOOL(tcp_3t_rules, VMA_TCP_3T_RULES, 0, 0,
	"Steer connections by local address and port only: one rule for all of a port number.")
CONF_BOOL(udp_3t_rules, VMA_UDP_3T_RULES, 1, 0,
	"Steer connected UDP sockets by local address and port only.")
CONF_BOOL(eth_mc_l2_only_rules, VMA_ETH_MC_L2_ONLY_RULES, 0, 0,
	"Steer multicast by MAC address only.")
CONF_BOOL(mc_force_flowtag, VMA_MC_FORCE_FLOWTAG, 0, 0,
	"Mark multicast flows although SO_REUSEADDR or SO_REUSEPORT is set.")
CONF_ENUM(hw_ts_conversion, VMA_HW_TS_CONVERSION, conf_hw_ts, CONF_HW_TS_SYNC,
	conf_words_hw_ts, 0, "How the port's receive timestamps become time.")
CONF_RETIRED(VMA_RX_UDP_HW_TS_CONVERSION, "VMA_HW_TS_CONVERSION", CONF_F_TAKE, NULL)
CONF_INT(select_poll, VMA_SELECT_POLL, 100000, -1, 100000000, "us", 0,
	"Time that select, poll and epoll_wait poll before they sleep; -1: they never do, 0: at once.")
CONF_BOOL(select_poll_os_force, VMA_SELECT_POLL_OS_FORCE, 0, 0,
	"VMA_SELECT_POLL_OS_RATIO and VMA_SELECT_SKIP_OS become 1 unless they are set too.")
CONF_INT(select_poll_os_ratio, VMA_SELECT_POLL_OS_RATIO, 10, 0, INT_MAX, "polls", 0,
	"The kernel's descriptors are looked at once in so many polls; 0: offloaded ones only.")
CONF_INT(select_skip_os, VMA_SELECT_SKIP_OS, 4, 0, INT_MAX, "calls", 0,
	"The kernel's descriptors are looked at once in so many calls that found offloaded ones ready.")
CONF_INT(progress_engine_interval, VMA_PROGRESS_ENGINE_INTERVAL, 10, 0, INT_MAX, "ms", 0,
	"How often the internal thread drains rings that nobody polls; 0: never. 0 with "
	"VMA_SOCKETXTREME, and never with VMA_THREAD_MODE=0.")
CONF_INT(progress_engine_wce_max, VMA_PROGRESS_ENGINE_WCE_MAX, 10000, 1, INT_MAX, "packets", 0,
	"Most packets that it takes from a ring at one time.")
CONF_BOOL(cq_moderation_enable, VMA_CQ_MODERATION_ENABLE, 1, CONF_F_NOP,
	"Interrupt moderation; off by default when VMA_RX_POLL or VMA_SELECT_POLL is -1. ethdev has no "
	"call for it.")
CONF_INT(cq_moderation_count, VMA_CQ_MODERATION_COUNT, 48, 0, INT_MAX, "packets", CONF_F_NOP,
	"Packets per interrupt; at most half of VMA_RX_WRE.")
CONF_INT(cq_moderation_period_usec, VMA_CQ_MODERATION_PERIOD_USEC, 50, 0, INT_MAX, "us",
	CONF_F_NOP, "Time between interrupts.")
CONF_INT(cq_aim_max_count, VMA_CQ_AIM_MAX_COUNT, 560, 0, INT_MAX, "packets", CONF_F_NOP,
	"Most packets per interrupt that adaptation may choose; at most half of VMA_RX_WRE.")
CONF_INT(cq_aim_max_period_usec, VMA_CQ_AIM_MAX_PERIOD_USEC, 250, 0, INT_MAX, "us", CONF_F_NOP,
	"Longest time between interrupts that adaptation may choose.")
CONF_INT(cq_aim_interval_msec, VMA_CQ_AIM_INTERVAL_MSEC, 250, 0, INT_MAX, "ms", CONF_F_NOP,
	"How often moderation is adapted; 0: never. 0 while moderation is off.")
CONF_INT(cq_aim_interrupts_rate_per_sec, VMA_CQ_AIM_INTERRUPTS_RATE_PER_SEC, 5000, 0, INT_MAX,
	"1/s", CONF_F_NOP, "Interrupt rate that adaptation aims at.")
CONF_INT(cq_poll_batch_max, VMA_CQ_POLL_BATCH_MAX, 16, 1, 128, "packets",
	CONF_F_NOP,
	"Most packets that one poll takes from a ring for a plain receive. DPVMA_RX_BURST says it here, "
	"for all receives.")
CONF_BOOL(cq_keep_qp_full, VMA_CQ_KEEP_QP_FULL, 1, CONF_F_NOP,
	"Refill the receive queue on every poll. The driver does that as it likes.")
CONF_INT(qp_compensation_level, VMA_QP_COMPENSATION_LEVEL, 256, 1, INT_MAX, "buffers", CONF_F_NOP,
	"Spare receive buffers of a ring; at least VMA_RX_WRE_BATCHING. Spare buffers stay in the "
	"mempool's cache here.")

CONF_GROUP("Socket behaviour, TCP")
CONF_BOOL(offloaded_sockets, VMA_OFFLOADED_SOCKETS, 1, 0,
	"New sockets are offloaded unless a rule says otherwise.")
CONF_BOOL(socketxtreme, VMA_SOCKETXTREME, 0, 0,
	"The socketxtreme calls work; VMA_RX_WRE is 1024 by default, VMA_GRO_STREAMS_MAX 0 by default, "
	"VMA_PROGRESS_ENGINE_INTERVAL 0 always.")
CONF_INT(mtu, VMA_MTU, 0, 68, UINT16_MAX, "bytes", CONF_F_ZERO,
	"Largest IP packet; 0: the port's.")
CONF_INT(mss, VMA_MSS, 0, 64, UINT16_MAX - 40, "bytes", CONF_F_ZERO,
	"Largest TCP segment; 0: the MTU less 40.")
CONF_ENUM(tcp_cc_algo, VMA_TCP_CC_ALGO, conf_tcp_cc, CONF_TCP_CC_CUBIC, conf_words_tcp_cc, 0,
	"Initial TCP congestion control. libvma's default is Reno; RFC 9438 made CUBIC the standard.")
CONF_INT(tcp_max_syn_rate, VMA_TCP_MAX_SYN_RATE, 0, 0, 100000, "1/s", CONF_F_CLAMP,
	"SYN segments that a listener takes each second; 0: no limit.")
CONF_INT(tcp_timer_resolution_msec, VMA_TCP_TIMER_RESOLUTION_MSEC, 100, 1, INT_MAX, "ms",
	CONF_F_NOP, "Turn of the TCP timers; at least VMA_TIMER_RESOLUTION_MSEC. They run when they are due "
	"here.")
CONF_INT(timer_resolution_msec, VMA_TIMER_RESOLUTION_MSEC, 10, 1, INT_MAX, "ms", 0,
	"Turn of the internal thread's timers.")
CONF_ENUM(tcp_ctl_thread, VMA_TCP_CTL_THREAD, conf_tcp_ctl, CONF_TCP_CTL_OFF,
	conf_words_tcp_ctl, CONF_F_NOP, "Whether the internal thread does TCP's control work. Handshakes "
	"are answered by whoever polls the ring here, and that thread where nobody does.")
CONF_ENUM(tcp_timestamp_option, VMA_TCP_TIMESTAMP_OPTION, conf_tcp_ts, CONF_TCP_TS_OFF,
	conf_words_tcp_ts, 0, "The TCP timestamp option.")
CONF_BOOL(tcp_nodelay, VMA_TCP_NODELAY, 0, 0,
	"Initial TCP_NODELAY.")
CONF_BOOL(tcp_quickack, VMA_TCP_QUICKACK, 0, 0,
	"Initial TCP_QUICKACK.")
CONF_ENUM(exception_handling, VMA_EXCEPTION_HANDLING, conf_exception, CONF_EXCEPTION_DEBUG,
	conf_words_exception, 0, "What happens when a call asks for what is not supported.")
CONF_BOOL(avoid_sys_calls_on_tcp_fd, VMA_AVOID_SYS_CALLS_ON_TCP_FD, 0, 0,
	"ioctl, fcntl and socket options that are handled here do not go to the kernel's socket too.")
CONF_BOOL(allow_privileged_sock_opt, VMA_ALLOW_PRIVILEGED_SOCK_OPT, 1, 0,
	"A privileged socket option that the kernel refuses with EPERM still counts.")
CONF_BOOL(close_on_dup2, VMA_CLOSE_ON_DUP2, 1, 0,
	"dup2(old, new) closes new first.")
CONF_BOOL(fork, VMA_FORK, 1, 0,
	"Follow fork(): a child holds no files and no memory of the devices, which are free when its parent ends.")
CONF_INT(wait_after_join_msec, VMA_WAIT_AFTER_JOIN_MSEC, 0, 0, INT_MAX, "ms", 0,
	"Delay of the first multicast packet sent after a join.")
CONF_BOOL(ipoib, VMA_IPOIB, 1, CONF_F_NOP,
	"Offload over InfiniBand. Ports are Ethernet here.")
CONF_BOOL(deferred_close, VMA_DEFERRED_CLOSE, 0, 0,
	"Close the kernel's descriptor only when the socket is gone.")

CONF_GROUP("Threads, memory, neighbours")
CONF_CPUS(internal_thread_affinity, VMA_INTERNAL_THREAD_AFFINITY, 0,
	"CPUs of the internal thread: a list as 0,1,7-10 or a mask as 0x3; -1: no affinity.")
CONF_STR(internal_thread_cpuset, VMA_INTERNAL_THREAD_CPUSET, CONF_PATH_MAX, "", CONF_F_PID,
	"cpuset directory that the internal thread enters; empty: none.")
CONF_BOOL(internal_thread_arm_cq, VMA_INTERNAL_THREAD_ARM_CQ, 0, 0,
	"The internal thread wakes for every packet of rings that nobody polls.")
CONF_INT(internal_thread_tcp_timer_handling, VMA_INTERNAL_THREAD_TCP_TIMER_HANDLING, 0, 0, 1, "",
	CONF_F_NOP, "1: TCP timers run at once in the internal thread; 0: deferred. They run in whichever "
	"thread polls first here.")
CONF_ENUM(thread_mode, VMA_THREAD_MODE, conf_thread_mode, CONF_THREAD_SPIN,
	conf_words_thread_mode, 0, "What the program's threads do with sockets and rings.")
CONF_ENUM(buffer_batching_mode, VMA_BUFFER_BATCHING_MODE, conf_batching,
	CONF_BATCHING_RECLAIM, conf_words_batching, 0, "Whether sockets and rings keep buffers.")
CONF_ENUM(mem_alloc_type, VMA_MEM_ALLOC_TYPE, conf_mem, CONF_MEM_CONTIG, conf_words_mem, 0,
	"Memory of packet buffers.")
CONF_INT(neigh_uc_arp_quata, VMA_NEIGH_UC_ARP_QUATA, 3, 0, INT_MAX, "requests", 0,
	"Unicast ARP requests before broadcast ones.")
CONF_INT(neigh_uc_arp_delay_msec, VMA_NEIGH_UC_ARP_DELAY_MSEC, 10000, 0, INT_MAX, "ms", 0,
	"Time before a unicast ARP request is sent for a stale neighbour.")
CONF_INT(neigh_num_err_retries, VMA_NEIGH_NUM_ERR_RETRIES, 1, 0, INT_MAX, "tries", 0,
	"Retries after a neighbour could not be resolved.")
CONF_INT(netlink_timer, VMA_NETLINK_TIMER, 10000, 1, INT_MAX, "ms", CONF_F_NOP,
	"How often the kernel's routes and neighbours are read again. The kernel tells of each change "
	"here.")

CONF_GROUP("DPDK")
CONF_STR(eal_args, DPVMA_EAL_ARGS, CONF_ARGS_SIZE, "", 0,
	"Arguments of EAL when the library starts it, as on a command line.")
CONF_STR(config, DPVMA_CONFIG, CONF_PATH_MAX, "", CONF_F_PID,
	"Configuration file; empty: none.")
CONF_STR(ports, DPVMA_PORTS, CONF_ARGS_SIZE, "", 0,
	"Addresses of ports: PORT=ADDR/LEN[@VLAN][,ADDR/LEN...][,gw=ADDR][,mtu=N][,neigh=ADDR@MAC]"
	"[,route=NET/LEN@GW][;PORT=...], PORT being the ethdev's name or PCI address.")
CONF_INT(queues, DPVMA_QUEUES, 0, 0, 1024, "queue pairs", 0,
	"Queue pairs that a port is configured with up front, the limit of its rings; 0: chosen.")
CONF_ENUM(steering, DPVMA_STEERING, conf_steering, CONF_STEERING_AUTO, conf_words_steering, 0,
	"How packets come to the ring of their socket.")
CONF_INT(rx_burst, DPVMA_RX_BURST, 64, 8, 256, "packets", 0,
	"Most packets asked of a queue at one time.")
CONF_BOOL(tx_scheduling, DPVMA_TX_SCHEDULING, 0, 0,
	"Ports that send frames at a time keep SO_MAX_PACING_RATE of datagrams, for sockets with a "
	"transmit ring of their own. Their clock must be held to CLOCK_REALTIME (UTC).")
CONF_INT(mprq_stride, DPVMA_MPRQ_STRIDE, 2048, 64, 8192, "bytes", CONF_F_POW2,
	"Stride of multi-packet receive buffers (mlx5).")
CONF_INT(mprq_strides, DPVMA_MPRQ_STRIDES, 1024, 8, 65536, "strides", CONF_F_POW2,
	"Strides of a multi-packet receive buffer (mlx5).")
CONF_ENUM(lro, DPVMA_LRO, conf_lro, CONF_LRO_AUTO, conf_words_lro, 0,
	"Large receive offload: the port puts segments of a TCP stream together. auto: not with "
	"VMA_GRO_STREAMS_MAX=0.")
CONF_ENUM(vma_abi, DPVMA_VMA_ABI, conf_vma_abi, CONF_VMA_ABI_B, conf_words_vma_abi, 0,
	"Family of the <mellanox/vma_extra.h> that the program was compiled with, as its function table "
	"has another layout in each.")
CONF_INT(nap_usec, DPVMA_NAP_USEC, 50, 1, 10000, "us", 0,
	"Nap of a thread that sleeps on a port without receive interrupts.")
CONF_INT(handover, DPVMA_HANDOVER, 4096, 64, 1 << 20, "packets", CONF_F_POW2,
	"Room for packets that one ring received for another.")
CONF_ENUM(spread, DPVMA_SPREAD, conf_spread, CONF_SPREAD_HASH, conf_words_spread, 0,
	"Which ring takes a connection, or a peer's datagrams, of sockets that share an address and port "
	"over several rings (SO_REUSEPORT), where the port takes no rules. By arrival where the peer's "
	"queues lead to ours one by one.")
CONF_INT(listen_rings, DPVMA_LISTEN_RINGS, 1, 1, 32, "rings", 0,
	"Receive rings over which the connections of each listening socket are spread. Besides its own "
	"they are rings that all such sockets share.")
CONF_INT(ephemeral_first, DPVMA_EPHEMERAL_FIRST, 32768, 1, UINT16_MAX, "port", 0,
	"First port number given to sockets that are not bound.")
CONF_INT(ephemeral_last, DPVMA_EPHEMERAL_LAST, 60999, 1, UINT16_MAX, "port", 0,
	"Last such port number.")

CONF_RETIRED(VMA_HUGETBL, "VMA_MEM_ALLOC_TYPE", 0, "set VMA_MEM_ALLOC_TYPE=2 for huge pages")
CONF_RETIRED(VMA_HUGETLB, "VMA_MEM_ALLOC_TYPE", 0, "set VMA_MEM_ALLOC_TYPE=2 for huge pages")
CONF_RETIRED(VMA_MAX_INLINE, "VMA_TX_MAX_INLINE", CONF_F_TAKE, NULL)
CONF_RETIRED(VMA_TCP_MAX_SYN_FIN_RATE, "VMA_TCP_MAX_SYN_RATE", CONF_F_TAKE, NULL)
CONF_RETIRED(VMA_TX_BUFS_TCP, "VMA_TX_BUFS", 0, "set VMA_TX_BUFS, which counts for TCP and UDP")
CONF_RETIRED(VMA_TX_BACKLOG_MAX, "VMA_TX_BUFS", 0, "set VMA_TX_BUFS, which bounds what waits")
CONF_RETIRED(VMA_SELECT_POLL_YIELD, "VMA_RX_POLL_YIELD", 0, "set VMA_RX_POLL_YIELD")
CONF_RETIRED(VMA_SELECT_CQ_IRQ, NULL, 0, "unset it: sleeping on interrupts is always on")
CONF_RETIRED(VMA_TX_DROP_MODE, "VMA_TX_NONBLOCKED_EAGAINS", 0, "set VMA_TX_NONBLOCKED_EAGAINS")
CONF_RETIRED(VMA_WINDOW_SCALING, NULL, 0, "unset it: window scaling is always offered")
CONF_RETIRED(VMA_WAIT_AFTER_REREG_MSEC, NULL, 0, "unset it: it has no successor")
CONF_RETIRED(VMA_SOCK_CHECKS_MODE, NULL, 0, "unset it: it has no successor")
CONF_RETIRED(VMA_SUPPRESS_IGMP_WARNING, NULL, 0, "unset it: the warning is gone")
CONF_RETIRED(VMA_IGMP_ENABLE, NULL, 0, "unset it: IGMP is always on")
CONF_RETIRED(VMA_RX_SW_CSUM, NULL, 0, "unset it: checksums are verified where the port does not")

/* Set by profiles and by VMA_BUFFER_BATCHING_MODE. */
CONF_DERIVED(tx_bufs_batch_tcp, 16, "transmit buffers that a TCP socket fetches at one time")
CONF_DERIVED(tx_bufs_batch_udp, 8, "transmit buffers that a UDP socket fetches at one time")
CONF_DERIVED(rx_bufs_batch, 64, "receive buffers that a ring fetches at one time")

/* clang-format on */

#undef CONF_GROUP
#undef CONF_BOOL
#undef CONF_INT
#undef CONF_ENUM
#undef CONF_STR
#undef CONF_CPUS
#undef CONF_PTR
#undef CONF_DERIVED
#undef CONF_RETIRED
