#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The patches that bring this into a kernel tree: all of it is in one of them, each
# applies to the pinned source after those before it, and checkpatch.pl is content.
#
# It boots nothing.
set -euo pipefail
. "$(dirname "$0")/../../../../scripts/lib.sh"

count=0
tree=$(mktemp -d "$BUILD/series-tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT

told() {
	local what=$1 result=ok
	shift
	count=$((count + 1))
	"$@" || result="not ok"
	echo "$result $count - $what"
	[ "$result" = ok ] || failed=yes
}

# What git am does of them, on a tree of the files that they change.
come_back() {
	local source
	source=$("$TOP/scripts/kernel" source) &&
		git -C "$tree" init -q -b base . &&
		"$TOP/scripts/series" theirs |
		tar -C "$source" -cf - -T - | tar -C "$tree" -xf - &&
		git -C "$tree" add -A &&
		git -C "$tree" commit -q -m base &&
		find "$BUILD/series" -name '*.patch' ! -name '0000-*' -print0 | sort -z |
		xargs -0 git -C "$tree" am -q
}

# All files of ours that patches say they bring are there as they are here.
same() {
	local file overlays
	mapfile -t overlays < <(sed -n 's/^Overlay: //p' "$TOP"/patches/[0-9]*.patch)
	git -C "$TOP" ls-files -- "${overlays[@]}" | while read -r file; do
		cmp "$TOP/$file" "$tree/$file" || return 1
	done
}

unsigned() { ! grep -q '^Signed-off-by: ' "$BUILD"/series/*.patch; }

# Who makes the series need not have told git a name, for this, and signs nothing.
unset SIGNOFF
export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-test} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-test@localhost}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

failed=
told "the series is written, and checkpatch.pl has no complaint" "$TOP/scripts/series" check
told "git takes it" come_back
told "it brings the files that are here" same
told "nobody has signed it unasked" unsigned
echo "1..$count"
[ -z "$failed" ]
