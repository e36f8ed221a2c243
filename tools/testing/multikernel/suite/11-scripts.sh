#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts refuse, keep and install: kernels that could not load the module, the
# module for other clones, and where modprobe finds it.
#
# It boots nothing.
set -euo pipefail
. "$(dirname "$0")/../../../../scripts/lib.sh"

scratch=$(mktemp -d "$BUILD/scripts.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
count=0 failed=

told() {
	local what=$1 result=ok
	shift
	count=$((count + 1))
	"$@" >"$scratch/told" 2>&1 || result="not ok"
	echo "$result $count - $what"
	if [ "$result" != ok ]; then
		sed 's/^/# /' "$scratch/told"
		failed=yes
	fi
}

# refuses TEXT COMMAND...: it fails, and says so.
refuses() {
	local text=$1 status=0
	shift
	"$@" >"$scratch/said" 2>&1 || status=$?
	cat "$scratch/said"
	[ "$status" = 1 ] && grep -qF -e "$text" "$scratch/said"
}

# What is looked at of a kernel tree, to doctor.
built=$("$TOP/scripts/kernel" kbuild debug)
tree=$scratch/tree
anew() {
	rm -rf "$tree"
	mkdir -p "$tree/include/config" "$tree/rust" "$tree/certs"
	cp "$built/.config" "$built/Module.symvers" "$tree/"
	cp "$built/include/config/kernel.release" "$tree/include/config/"
	cp "$built"/rust/exports_*_generated.h "$built/rust/libkernel.rmeta" "$tree/rust/"
	touch "$tree/certs/signing_key.pem"
}

# doctored TEXT COMMAND...: a tree after such a command in it is refused.
doctored() {
	local text=$1
	shift
	anew
	(cd "$tree" && "$@")
	refuses "$text" "$TOP/scripts/kernel" check "$tree"
}

as_it_is() {
	anew
	"$TOP/scripts/kernel" check "$tree"
}

signed() {
	anew
	echo CONFIG_MODULE_SIG_FORCE=y >>"$tree/.config"
	"$TOP/scripts/kernel" check "$tree"
}

told "a tree is taken as it was built" as_it_is
told "one without a configuration is refused" doctored "no .config" rm .config
told "one that is not built" doctored "not built" rm Module.symvers
told "one without metadata" doctored "no metadata" rm rust/libkernel.rmeta
told "one without Rust" doctored "without CONFIG_RUST" sed -i /^CONFIG_RUST=y/d .config
told "one of another compiler" doctored "another Rust compiler" \
	sed -i 's/^CONFIG_RUSTC_VERSION_TEXT=.*/CONFIG_RUSTC_VERSION_TEXT="rustc 1.0"/' .config
told "one that lacks a symbol" doctored "does not export 1;" sed -i '0,/\t_R/{/\t_R/d}' Module.symvers
told "one with a symbol of others" doctored "exports 1 others" \
	sed -i '$a 0x00000000\t_RNone\tvmlinux\tEXPORT_SYMBOL_GPL\t' Module.symvers
told "one whose symbols lack versions" doctored "CONFIG_MODVERSIONS" \
	sed -i '$a CONFIG_MODVERSIONS=y' .config
told "one that wants signatures, with its key, is taken" signed
told "one without its key is refused" doctored "its key is not in" \
	sh -c 'rm certs/signing_key.pem; echo CONFIG_MODULE_SIG_FORCE=y >>.config'
told "a stock kernel without Rust is refused" refuses "without CONFIG_RUST" \
	env -u KDIR KVER=6.12-cloud "$TOP/scripts/module" build

old=$("$TOP/scripts/kernel" dir 6.12-cloud)/vmlinuz
told "the lab refuses an image that it has no module for" refuses "no-module" \
	"$TOP/scripts/lab" --name scripts --kernel "$old" -- true
told "and a file that is none" refuses "is not a kernel image" \
	"$TOP/scripts/lab" --name scripts --kernel "$0" -- true

# The module where the kernel's own are, which modprobe is asked for.
install() {
	local release
	release=$(<"$("$TOP/scripts/kernel" dir "$PIN_FLAVOUR")/release")
	mkdir -p "$scratch/root/lib/modules/$release"
	env -u KDIR KVER="$PIN_FLAVOUR" DESTDIR="$scratch/root" "$TOP/scripts/module" install
	in_env modprobe -d "$scratch/root" -S "$release" -n -v multikernel >"$scratch/found"
	cat "$scratch/found"
	grep -q "updates/multikernel.ko" "$scratch/found"
}
# The machine need not have it.
if ! command -v depmod >/dev/null; then
	mkdir "$scratch/bin"
	printf '#!/bin/sh\nexec "%s" run depmod "$@"\n' "$TOP/scripts/env" >"$scratch/bin/depmod"
	chmod +x "$scratch/bin/depmod"
	PATH=$scratch/bin:$PATH
fi
told "the module is installed where modprobe finds it" install
told "it is not for a kernel that is not there" refuses "is not installed" \
	env -u KDIR KVER="$PIN_FLAVOUR" DESTDIR="$scratch/none" "$TOP/scripts/module" install

# Another clone, and the module in it.
clone=$scratch/clone
mkdir "$clone"
tar -C "$TOP" --exclude=./build --exclude=./.git -c . | tar -C "$clone" -x
in_clone() { env -u KDIR -u MK_COVERAGE KVER="$PIN_FLAVOUR" "$clone/scripts/$1" "${@:2}"; }
build_clone() {
	rm -rf "$clone/build"
	in_clone module build
}
kept() {
	# It may be the first one that builds it.
	build_clone && build_clone &&
		grep "^It is that of $CACHE/modules/" "$clone"/build/log/module-*.log
}
# What looks at ages takes it for as new as its sources, which a clone has just written.
has_agent() {
	find "$clone/multikernel" -name '*.rs' -exec touch {} + && "$@" &&
		install -D "$BUILD/bin/mkexecd" "$clone/build/bin/mkexecd" && in_clone rootfs &&
		in_env cpio --quiet -t <"$clone/build/rootfs.cpio" | grep /multikernel.ko
}
told "a second clone has the module of the first one" kept
told "its instances have it as the agent" has_agent build_clone
told "also when its sources are written again" has_agent in_clone module build
kept_tools() {
	rm -rf "$clone/build/bin" && in_clone tools build &&
		grep "^They are those of $CACHE/tools/" "$clone/build/log/tools.log" &&
		cmp "$BUILD/bin/mkctl" "$clone/build/bin/mkctl"
}
told "it has mkctl of the first one, too" kept_tools
echo "no Rust" >>"$clone/multikernel/pure/ring.rs"
told "unless a source of it is another one" refuses "could not build multikernel.ko" build_clone
echo "no TOML" >>"$clone/tools/multikernel/Cargo.toml"
told "nor has it that mkctl if that is another one" refuses "could not build mkctl" \
	in_clone tools build
echo "1..$count"
[ -z "$failed" ]
