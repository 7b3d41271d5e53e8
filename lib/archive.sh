#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# archive.sh OUT ROOM.a...: one archive of one object, hidden names made local.
set -eu
out=$1
shift
obj=$out.o
ld -r -o "$obj" --whole-archive "$@"
objcopy --localize-hidden "$obj"
rm -f "$out"
ar rcs "$out" "$obj"
rm -f "$obj"
