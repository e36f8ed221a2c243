// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that another kernel has, out of this one's way. The only place that asks
 * whether this kernel can take it out of its direct map: those without our series
 * cannot. That its pages are offline all kernels can be told.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include "shim.h"

/* Who reads all pages that there are leaves those out that are offline. */
void mk_foreign_set_offline(unsigned long pfn, unsigned long nr_pages, bool offline)
{
	unsigned long end = pfn + nr_pages;

	for (; pfn < end; pfn++) {
		if (offline)
			__SetPageOffline(pfn_to_page(pfn));
		else
			__ClearPageOffline(pfn_to_page(pfn));
		if (pfn % 4096 == 0)
			cond_resched();
	}
	if (offline) {
		/*
		 * Wait for who has found one online, and reads it. Not the other way: that
		 * may be from munmap(), for which such a reader may wait in its turn.
		 */
		page_offline_begin();
		page_offline_end();
	}
}

#ifdef CONFIG_FOREIGN_MEMORY
#include <linux/foreign_memory.h>

bool mk_foreign_can_hide(void)
{
	return true;
}

int mk_foreign_hide(phys_addr_t start, size_t bytes)
{
	return foreign_memory_hide(start, bytes);
}

int mk_foreign_show(phys_addr_t start, size_t bytes)
{
	return foreign_memory_show(start, bytes);
}

const void *mk_foreign_map(phys_addr_t start, size_t bytes)
{
	return foreign_memory_map(start, bytes);
}

void mk_foreign_unmap(const void *at)
{
	foreign_memory_unmap(at);
}

#else

bool mk_foreign_can_hide(void)
{
	return false;
}

int mk_foreign_hide(phys_addr_t start, size_t bytes)
{
	return 0;
}

int mk_foreign_show(phys_addr_t start, size_t bytes)
{
	return 0;
}

const void *mk_foreign_map(phys_addr_t start, size_t bytes)
{
	return phys_to_virt(start);
}

void mk_foreign_unmap(const void *at)
{
}

#endif
