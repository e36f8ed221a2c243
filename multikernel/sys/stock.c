// SPDX-License-Identifier: GPL-2.0
/*
 * For a kernel without our series: what that adds to the kernel crate's helpers.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include "shim.h"

/*
 * ACPI may have ejected what is offline: there is no device then, which these
 * functions of the kernel do not look for. With the series they do.
 */
int mk_add_cpu(unsigned int cpu)
{
	return get_cpu_device(cpu) ? add_cpu(cpu) : -ENODEV;
}

int mk_remove_cpu(unsigned int cpu)
{
	return get_cpu_device(cpu) ? remove_cpu(cpu) : -ENODEV;
}

struct page *mk_alloc_contig_pages(unsigned long nr_pages, gfp_t gfp_mask, int nid,
				   nodemask_t *nodemask)
{
	return alloc_contig_pages(nr_pages, gfp_mask, nid, nodemask);
}

int mk_node_state(int node, enum node_states state)
{
	return node_state(node, state);
}

unsigned long mk_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}
