// SPDX-License-Identifier: GPL-2.0
/*
 * What is left under lockdown: as with kexec, nothing that starts a kernel.
 *
 * The machine is locked down afterwards, until it is restarted, so this is not
 * run with the others.
 */
#include <fcntl.h>
#include <linux/kexec.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "mk.h"

#define LOCKDOWN	"/sys/kernel/security/lockdown"

FIXTURE(lockdown)
{
	MK_FIXTURE;
	__u32 cpus[2];
	int kernel;
};

FIXTURE_SETUP(lockdown)
{
	MK_SETUP;
	if (mk_lendable(self->device, self->cpus, 2) < 2)
		MK_SKIP("fewer than two CPUs can be lent");
	self->kernel = mk_tiny_kernel(MK_TINY_STAY);
	ASSERT_OK(self->kernel);
}

FIXTURE_TEARDOWN(lockdown)
{
	close(self->kernel);
	MK_TEARDOWN;
}

/* Unloads what is loaded, which is nothing: only whether one may. */
static int kexec(void)
{
	return syscall(SYS_kexec_load, 0, 0, NULL, KEXEC_ARCH_DEFAULT) ? -errno : 0;
}

static int lock_down(void)
{
	int fd, result;

	if (access(LOCKDOWN, F_OK))
		mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	fd = open(LOCKDOWN, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = write(fd, "integrity", 9) == 9 ? 0 : -errno;
	close(fd);
	return result;
}

TEST_F_TIMEOUT(lockdown, refuses_what_kexec_is_refused, TIMEOUT)
{
	int running = mk_create(self->device, "running", MK_CREATE_AUTO_DESTROY);
	int loaded = mk_create(self->device, "loaded", MK_CREATE_AUTO_DESTROY);
	struct mk_query query;
	struct mk_host host;
	int device, result;

	ASSERT_OK(running);
	ASSERT_OK(loaded);
	ASSERT_OK(mk_prepare(running, &self->cpus[0], 1, MEMORY, self->kernel, -1, NULL));
	ASSERT_OK(mk_prepare(loaded, &self->cpus[1], 1, MEMORY, self->kernel, -1, NULL));
	ASSERT_OK(mk_start(running));
	ASSERT_OK(mk_query(self->device, &query));
	if (query.features & MK_FEATURE_KEXEC)
		MK_SKIP("this kernel verifies signatures, see kexec.sh");
	ASSERT_EQ(0, query.blockers);
	ASSERT_EQ(0, kexec());

	result = lock_down();
	if (result == -ENOENT)
		MK_SKIP("this kernel has no lockdown");
	ASSERT_OK(result);
	EXPECT_EQ(-EPERM, kexec());

	/* One may look. */
	device = mk_device();
	ASSERT_OK(device);
	ASSERT_OK(mk_query(device, &query));
	EXPECT_EQ(MK_BLOCKED_LOCKDOWN, query.blockers);
	EXPECT_EQ(2, query.nr_instances - self->before.instances);
	mk_host(self->device, &host);
	EXPECT_REFUSED(&host, EPERM, "locked down", mk_create(device, "one-more", 0));
	EXPECT_REFUSED(&host, EPERM, "locked down",
		       mk_create(self->device, "one-more", MK_CREATE_AUTO_DESTROY));
	EXPECT_REFUSED(&host, EPERM, "locked down", mk_open(device, "running"));
	EXPECT_REFUSED(&host, EPERM, "locked down", mk_open(self->device, "loaded"));
	close(device);

	/* Descriptors from before are no way round it, */
	EXPECT_REFUSED(&host, EPERM, "locked down", mk_load(loaded, self->kernel, -1, NULL));
	EXPECT_REFUSED(&host, EPERM, "locked down", mk_start(loaded));
	EXPECT_EQ(MK_STATE_LOADED, mk_state(loaded));
	/* but what runs can be ended. */
	EXPECT_EQ(MK_STATE_RUNNING, mk_state(running));
	EXPECT_OK(mk_kill(running));
	EXPECT_OK(mk_destroy(running, 0));
	EXPECT_OK(mk_destroy(loaded, 0));
	close(running);
	close(loaded);
}

TEST_HARNESS_MAIN
