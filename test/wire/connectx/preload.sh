#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# preload.sh LIBRARY COMMAND...: COMMAND, with the software ConnectX preloaded. An instrumented one
# (libdpvma-connectx-asan.so, -tsan.so) needs its runtime in front of it, as COMMAND, which is not
# instrumented, does not bring it. What the sanitizer finds makes COMMAND fail. Exit 77: no runtime.
set -u
library=$1
shift
case $library in
*-asan.so) sanitizer=libasan ;;
*-tsan.so) sanitizer=libtsan ;;
*) LD_PRELOAD=$library exec "$@" ;;
esac

# the one it was linked with, whatever its version
needed=$(ldd "$library" | grep -o "$sanitizer[^ ]*" | head -n 1)
runtime=$(ldd "$library" | awk -v name="$needed" '$1 == name && $3 ~ "^/" { print $3 }')
[ -n "$runtime" ] || { echo "${needed:-$sanitizer}: not installed (a package of the compiler's)"; exit 77; }

# What the client and DPDK leave to the end of the process is not our leak.
export ASAN_OPTIONS="detect_leaks=0:exitcode=99:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
# The client shares rings with the model without locks, as with hardware: what its calls of memcpy()
# and the like touch is not looked at. A fork of the client runs on.
export TSAN_OPTIONS="ignore_noninstrumented_modules=1:die_after_fork=0:exitcode=66:${TSAN_OPTIONS:-}"
# Both want their shadow at fixed addresses, which a randomised address space may have taken.
exec setarch "$(uname -m)" -R env LD_PRELOAD="$runtime $library" "$@"
