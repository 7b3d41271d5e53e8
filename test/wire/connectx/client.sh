#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs one case of the client in a network namespace of its own: client.sh CLIENT CASE
set -u
if [ "$(id -u)" = 0 ]; then
	space="unshare -n"
else
	space="unshare -Urn"
fi
$space true 2>/dev/null || { echo "no network namespace: $space does not work here"; exit 77; }
[ -e /dev/net/tun ] || { echo "no /dev/net/tun"; exit 77; }
exec $space "$1" "$2"
