#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# doc/compliance.md names every script but those about the runner, and none that is not there.
cd "$(dirname "$0")" || exit 1
doc=../../doc/compliance.md
areas='handshake|options|close|timewait|loss|cc|ack|window|dsack|recv|urgent|ecn|attack|pmtu|keepalive|nagle|cork|user_timeout|timestamps'
status=0
for f in tcp/*.tcp; do
	name=$(basename "$f" .tcp)
	[ "$name" = link_header ] || grep -q "\`$name\`" $doc || { echo "$doc does not name $name"; status=1; }
done
for name in $(grep -oE "\`($areas)_[a-z_0-9]*\`" $doc | tr -d '`' | sort -u); do
	[ -f "tcp/$name.tcp" ] || { echo "$doc names $name, which is no script"; status=1; }
done
exit $status
