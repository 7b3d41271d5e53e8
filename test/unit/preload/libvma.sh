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
LD_LIBRARY_PATH=$dir "$program"
