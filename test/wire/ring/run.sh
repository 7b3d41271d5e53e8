#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs a program on the software ConnectX in a network namespace of its own: run.sh LIBRARY PROGRAM [ARGUMENT]
# What the port sends comes back to it, so a test knows what arrives and when.
set -u
library=$1 program=$2
shift 2

unshare -n true 2>/dev/null || { echo "no network namespace: unshare -n does not work here"; exit 77; }
[ -e /dev/net/tun ] || { echo "no /dev/net/tun"; exit 77; }

LD_PRELOAD=$library CONNECTX_WIRE=loop unshare -n "$program" "$@" &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM
wait $pid
ret=$?
if [ $ret = 0 ] && ls -d /tmp/connectx-$pid-* /var/run/dpdk/dpvma-$pid >/dev/null 2>&1; then
	echo "something was left behind"
	exit 1
fi
exit $ret
