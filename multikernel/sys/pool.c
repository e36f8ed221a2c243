// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that was set aside at boot. The only place that asks whether this kernel
 * has such: those without our series have not.
 */
#include <linux/cma.h>
#include <linux/kconfig.h>
#include <linux/mm.h>
#include "shim.h"

#ifdef CONFIG_MULTIKERNEL_POOL
#include <linux/multikernel_pool.h>

/* For a moment a page may be held by who only looks at it. */
#define ATTEMPTS	3

bool mk_pool(unsigned int index, struct mk_pool *told)
{
	const struct multikernel_pool *pool = multikernel_pool(index);

	if (!pool)
		return false;
	told->start = pool->start;
	told->bytes = pool->bytes;
	told->node = pool->node;
	told->is_cma = !!pool->cma;
	return true;
}

/* Contiguous pages of a pool that is a CMA area. */
unsigned long mk_pool_alloc(unsigned int index, unsigned long nr_pages, unsigned int order)
{
	const struct multikernel_pool *pool = multikernel_pool(index);
	struct page *page = NULL;
	int n;

	if (!IS_ENABLED(CONFIG_CMA) || !pool || !pool->cma)
		return 0;
	for (n = 0; n < ATTEMPTS && !page; n++)
		page = cma_alloc(pool->cma, nr_pages, order, true);
	return page ? page_to_pfn(page) : 0;
}

void mk_pool_free(unsigned int index, unsigned long pfn, unsigned long nr_pages)
{
	if (IS_ENABLED(CONFIG_CMA))
		cma_release(multikernel_pool(index)->cma, pfn_to_page(pfn), nr_pages);
}

#else

bool mk_pool(unsigned int index, struct mk_pool *told)
{
	return false;
}

unsigned long mk_pool_alloc(unsigned int index, unsigned long nr_pages, unsigned int order)
{
	return 0;
}

void mk_pool_free(unsigned int index, unsigned long pfn, unsigned long nr_pages)
{
}

#endif
