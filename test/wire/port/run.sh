#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs a program on the software ConnectX in a network namespace of its own: run.sh LIBRARY PROGRAM
set -u
library=$1 program=$2

unshare -n true 2>/dev/null || { echo "no network namespace: unshare -n does not work here"; exit 77; }
[ -e /dev/net/tun ] || { echo "no /dev/net/tun"; exit 77; }

# The generator sends as long as there is room: port 5000 to .2, the rest of the world is silent.
LD_PRELOAD=$library CONNECTX_WIRE=gen:dst=10.99.0.2,port=5000,size=64 unshare -n "$program" &
pid=$!
trap 'kill $pid 2>/dev/null' INT TERM
wait $pid
ret=$?
if [ $ret = 0 ] && ls -d /tmp/connectx-$pid-* /var/run/dpdk/dpvma-$pid >/dev/null 2>&1; then
	echo "something was left behind"
	exit 1
fi
exit $ret
