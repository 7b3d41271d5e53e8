#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs the test on the software ConnectX in a network namespace of its own, its wire a generator
# that waits for the receiver: run.sh LIBRARY PROGRAM STRIDE STRIDES PAYLOAD [OPTIONS OF THE WIRE]
set -u
library=$1 program=$2 stride=$3 strides=$4 payload=$5 options=${6:-}

unshare -n true 2>/dev/null || { echo "no network namespace: unshare -n does not work here"; exit 77; }
[ -e /dev/net/tun ] || { echo "no /dev/net/tun"; exit 77; }

LD_PRELOAD=$library CONNECTX_WIRE=gen:dst=10.99.0.2,port=5000,ports=2,size=$payload$options \
	unshare -n "$program" "$stride" "$strides" "$payload" &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM
wait $pid
ret=$?
if [ $ret = 0 ] && ls -d /tmp/connectx-$pid-* /var/run/dpdk/dpvma-$pid >/dev/null 2>&1; then
	echo "something was left behind"
	exit 1
fi
exit $ret
