# SPDX-License-Identifier: GPL-2.0
#
# Each target calls a script; "make help" lists them. Only what is not done yet
# is done. Logs go to build/log/.
#
#	KVER=NAME	the kernel to build the module for: cloud (the default), amd64, rt,
#			own, debug, or a release of Debian's
#	DEBUG=1		the kernel finds faults: KASAN, lockdep and others
#	PATCHED=1	it has our series, and the module as a module; BUILTIN=1: built in;
#			SIGNED=1: as PATCHED=1, and takes only signed kernels
#	KDIR=DIR	or a configured and built kernel tree
#	MK_HOST=NAME	the kernel of the hosts in the tests, such as patched, instead of
#			stock ones and debug
#	SIGNOFF=1	the patches that are written carry your Signed-off-by: you certify them
#	MK_CACHE=DIR	where the environment and the kernels are kept
#	JOBS=N		how many processes build at a time

.DEFAULT_GOAL := help
.PHONY: help demo ready test soak bench fuzz lint coverage kunit module samples tools kernel series \
	series-check rootfs install clean distclean

export KVER KDIR MK_HOST MK_CACHE JOBS SIGNOFF DESTDIR PREFIX FUZZ_SECONDS
export MK_GOAL := $(MAKECMDGOALS)

help: ## Print this
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 21
	@echo
	@sed -nE '/^#\t/s/^#\t//p' $(MAKEFILE_LIST) | expand -t 16

demo: tools ## Start two stock kernels beside a stock kernel, in the lab
	@scripts/kernel fetch cloud rt
	@scripts/module build $(or $(KVER),cloud) rt
	@scripts/rootfs
	@samples/multikernel/demo

# What hosts and instances in the lab have, as it is now: the lab itself builds what is not there.
ready: tools
	@scripts/kernel fetch
	@scripts/module build debug $(or $(KVER),cloud) amd64 rt
	@scripts/rootfs

test: ready ## Run all tests; the last line is "N passed, N failed"
	@scripts/test

soak: ready ## Run the tests that take hours ("scripts/test --list --soak" tells which)
	@scripts/module build own
	@scripts/test --soak

bench: tools rootfs ## Measure; build/bench/results.json and *.svg
	@tools/testing/multikernel/bench/run

fuzz: ## Run each fuzz target for FUZZ_SECONDS= (3600)
	@scripts/fuzz

coverage: ## Print which lines of the pure logic its tests reach (MODULE=1: of all), and which not
	@scripts/coverage $(if $(MODULE),module)

kunit: ## Run tests of the pure logic in a kernel, by its kunit.py (KUNIT=module, examples)
	@scripts/kunit $(or $(KUNIT),kernel)

lint: ## Check formats, clippy, shellcheck, checkpatch, sparse, documentation, licences
	@scripts/lint

module: ## Build multikernel.ko for a stock kernel (KVER=, KDIR=)
	@scripts/module build

samples: ## Build modules that use it: build/beside/
	@scripts/module beside samples/multikernel

tools: ## Build mkctl: build/bin/mkctl
	@scripts/tools build

kernel: ## Build a host kernel with .config.example (DEBUG=1, PATCHED=1, BUILTIN=1, SIGNED=1, GUEST=1)
	@scripts/kernel build $(if $(filter-out 0,$(DEBUG)),debug,$(if \
		$(filter-out 0,$(BUILTIN)),builtin,$(if \
		$(filter-out 0,$(SIGNED)),signed,$(if $(filter-out 0,$(GUEST)),guest,$(if \
		$(filter-out 0,$(PATCHED)),patched,own)))))

series: ## Write the patches that bring this into a kernel tree: build/series/
	@scripts/series check

series-check: tools ## Apply, build and boot these one by one; goes on where it stopped
	@scripts/series-check

rootfs: module ## Make the sample user space of an instance: build/rootfs.cpio
	@scripts/rootfs

install: ## Install the module for the running kernel, and mkctl (DESTDIR=, PREFIX=)
	@scripts/module install
	@scripts/tools install

clean: ## Remove build/
	@scripts/clean build

distclean: ## Remove build/ and the cache, which other clones use too
	@scripts/clean build cache
