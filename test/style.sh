#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a reader relies on: format, licence lines, and the order of the rooms.
cd "$(dirname "$0")/.." || exit 1
status=0
complain() { echo "style: $*"; status=1; }

mapfile -t sources < <(git ls-files '*.c' '*.h' 2>/dev/null || find . -name '*.[ch]' -not -path './build*')
clang-format --dry-run -Werror "${sources[@]}" >/tmp/dpvma-style.$$ 2>&1 ||
	{ grep -m 20 error: /tmp/dpvma-style.$$; complain "clang-format -i would change files"; }
rm -f /tmp/dpvma-style.$$

for f in "${sources[@]}" $(git ls-files '*.sh' '*.py' '*meson.build' 'meson_options.txt' .ci/run); do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' || complain "$f has no SPDX line"
done

# A room includes its own files and the public headers of lower rooms, nothing else.
rooms=(base conf stat tcp kern port ring net udp stream cyclic sock vma)
for i in "${!rooms[@]}"; do
	room=${rooms[$i]}
	for j in "${!rooms[@]}"; do
		other=${rooms[$j]}
		[ "$j" -eq "$i" ] && continue
		hits=$(grep -nE "#include \"$other/" "lib/$room"/*.[ch] 2>/dev/null)
		[ -n "$hits" ] && [ "$j" -gt "$i" ] && complain "room $room includes the higher room $other: $hits"
		grep -q "_priv.h\"" <<<"$hits" && complain "room $room reaches into $other: $hits"
	done
done
# The preloaded library knows nothing of DPDK and of libdpvma.so's inside.
hits=$(grep -nE '#include "' lib/preload/*.[ch] | grep -vE '"(preload|sock/attach|sock/dpvma)\.h"')
[ -n "$hits" ] && complain "preload includes more than it may: $hits"
# What doc/extra_api.md says of a call has a test, and the test is there.
test/doc_tests.py || complain "doc/extra_api.md names tests that are not there"
exit $status
