#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A program that was linked with libvma.so.9 finds libdpvma-preload.so by that name, in a directory
# as the one that is installed for it.
#   libvma.sh PROGRAM LIBDPVMA-PRELOAD.SO
program=$1
dir=$(mktemp -d) || exit 1
trap 'rm -r "$dir"' EXIT
ln -s "$(realpath "$2")" "$dir/libvma.so.9" || exit 1
objdump -p "$program" | grep -q 'NEEDED *libvma.so.9' || { echo "$program does not want libvma.so.9"; exit 1; }
LD_LIBRARY_PATH=$dir "$program" || exit 1

# libdpvma.so is not what it should be: the names are there and refuse
rm "$dir/libvma.so.9" && cp "$2" "$dir/libvma.so.9" || exit 1
yes 'no library' | head -n 20 >"$dir/libdpvma.so.0"
out=$(LD_LIBRARY_PATH=$dir "$program" missing 2>&1) || { echo "$out"; exit 1; }
grep -q 'libdpvma.so cannot be used' <<<"$out" || { echo "not said: $out"; exit 1; }
