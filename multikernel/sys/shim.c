// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot reach by itself: macros, inline functions and structures
 * that the kernel crate's bindings do not have. Nothing here decides anything.
 */
#include <linux/acpi.h>
#include <linux/anon_inodes.h>
#include <linux/cc_platform.h>
#include <linux/cdev.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/jiffies.h>
#include <linux/kernel_read_file.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/syscore_ops.h>
#include <linux/timer.h>
#include <linux/topology.h>
#include <linux/workqueue.h>
#include <asm/apic.h>
#include <asm/cpufeature.h>
#include <asm/e820/api.h>
#include <asm/hw_irq.h>
#include <asm/hypervisor.h>
#include <asm/io.h>
#include <asm/irqdomain.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>
#include "shim.h"

/* ---- local APIC ---------------------------------------------------------- */

unsigned int mk_apic_mode(void)
{
	if (!boot_cpu_has(X86_FEATURE_APIC) || !apic || !apic->icr_write)
		return 0;
	/* A hypervisor that starts CPUs by calls of its own has no INIT for us. */
	if (apic->wakeup_secondary_cpu || apic->wakeup_secondary_cpu_64)
		return 0;
	if (hypervisor_is_type(X86_HYPER_XEN_PV))
		return 0;
	return x2apic_mode ? 2 : 1;
}

void mk_apic_icr_write(u32 low, u32 apic_id)
{
	unsigned long flags;

	local_irq_save(flags);
	/* In x2APIC mode the write orders nothing: what the target is to find is there first. */
	weak_wrmsr_fence();
	apic->icr_write(low, apic_id);
	if (apic->wait_icr_idle)
		apic->wait_icr_idle();
	local_irq_restore(flags);
}

bool mk_cpu_is_wanted(void)
{
	return need_resched();
}

u32 mk_boot_cpu_apic_id(void)
{
	return boot_cpu_physical_apicid;
}

/* ---- CPUs ---------------------------------------------------------------- */

u32 mk_cpu_apic_id(unsigned int cpu)
{
	return per_cpu(x86_cpu_to_apicid, cpu);
}

bool mk_cpu_possible(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_possible(cpu);
}

bool mk_cpu_present(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_present(cpu);
}

bool mk_cpu_online(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

void mk_set_cpu_present(unsigned int cpu, bool present)
{
	set_cpu_present(cpu, present);
}

bool mk_cpu_siblings(unsigned int a, unsigned int b)
{
	unsigned int shift = x86_topo_system.dom_shifts[TOPO_SMT_DOMAIN];

	/* The masks of siblings leave those out that are offline. */
	return cpu_possible(a) && cpu_possible(b) &&
	       mk_cpu_apic_id(a) >> shift == mk_cpu_apic_id(b) >> shift;
}

int mk_cpu_node(unsigned int cpu)
{
	return cpu_to_node(cpu);
}

static void read_msrs(void *data)
{
	struct mk_msr_list *list = data;
	u64 value;
	u32 i;

	for (i = 0; i < list->count; i++) {
		list->entries[i].exists = !rdmsrq_safe(list->entries[i].msr, &value);
		list->entries[i].value = list->entries[i].exists ? value : 0;
	}
}

int mk_read_msrs(unsigned int cpu, struct mk_msr_list *list)
{
	return smp_call_function_single(cpu, read_msrs, list, 1);
}

u64 mk_cpu_features(void)
{
	u64 features = 0;

	if (boot_cpu_has(X86_FEATURE_XSAVE))
		features |= MK_HAS_XSAVE;
	if (boot_cpu_has(X86_FEATURE_IBPB))
		features |= MK_HAS_IBPB;
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		features |= MK_HAS_FLUSH_L1D;
	if (boot_cpu_has(X86_FEATURE_MCE))
		features |= MK_HAS_MCE;
	if (boot_cpu_has(X86_FEATURE_HWP))
		features |= MK_HAS_HWP;
	return features;
}

bool mk_memory_encrypted(void)
{
	return cc_platform_has(CC_ATTR_MEM_ENCRYPT) ||
	       cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT) ||
	       cc_platform_has(CC_ATTR_HOST_SEV_SNP) ||
	       cc_platform_has(CC_ATTR_GUEST_STATE_ENCRYPT) ||
	       boot_cpu_has(X86_FEATURE_TDX_HOST_PLATFORM);
}

unsigned int mk_tsc_khz(void)
{
	return boot_cpu_has(X86_FEATURE_TSC) ? tsc_khz : 0;
}

/* ---- what the host's own kernel must not do ------------------------------ */

/* The instance that a CPU is lent to; empty: none. */
static DEFINE_PER_CPU(char[MK_LENT_NAME_SIZE], lent_to);

void mk_set_lent_to(unsigned int cpu, const char *name)
{
	strscpy(per_cpu(lent_to, cpu), name, MK_LENT_NAME_SIZE);
}

#ifdef CONFIG_KPROBES
/*
 * A lent CPU is not present, so the kernel refuses to online it without asking
 * anybody. All that is left to do is to say why.
 */
static int tell_lent_to(struct kprobe *probe, struct pt_regs *regs)
{
	const struct device *dev = (const void *)regs_get_kernel_argument(regs, 0);

	if (dev->id < nr_cpu_ids && *per_cpu(lent_to, dev->id))
		pr_err_ratelimited("multikernel: CPU %u cannot be brought online: it is lent to the instance %s\n",
				   dev->id, per_cpu(lent_to, dev->id));
	return 0;
}

static struct kprobe online_probe = {
	.symbol_name = "cpu_device_up",
	.pre_handler = tell_lent_to,
};
#endif

/* A kexec that means to come back asks nobody but syscore. */
static atomic_t nr_running;

static int refuse_to_sleep(void *data)
{
	int n = atomic_read(&nr_running);

	if (n)
		pr_err("multikernel: no sleep and no kexec jump while %d instances run\n", n);
	return n ? -EBUSY : 0;
}

static const struct syscore_ops sleep_ops = {
	.suspend = refuse_to_sleep,
};

static struct syscore sleep_guard = {
	.ops = &sleep_ops,
};

void mk_add_running(int n)
{
	atomic_add(n, &nr_running);
}

void mk_guard_register(void)
{
	register_syscore(&sleep_guard);
#ifdef CONFIG_KPROBES
	if (register_kprobe(&online_probe)) {
		pr_warn("multikernel: who tries to online a lent CPU is not told why it fails\n");
		online_probe.addr = NULL;
	}
#endif
}

void mk_guard_unregister(void)
{
#ifdef CONFIG_KPROBES
	if (online_probe.addr)
		unregister_kprobe(&online_probe);
#endif
	unregister_syscore(&sleep_guard);
}

/* ---- memory -------------------------------------------------------------- */

void *mk_phys_to_virt(phys_addr_t address)
{
	return phys_to_virt(address);
}

bool mk_e820_is_ram(u64 start, u64 end)
{
	enum e820_type type;

	for (type = E820_TYPE_RESERVED; type <= E820_TYPE_PMEM; type++)
		if (e820__mapped_any(start, end, type))
			return false;
	/* Neither half nor the other may be a hole. */
	return e820__mapped_any(start, start + 1, E820_TYPE_RAM) &&
	       e820__mapped_any(end - 1, end, E820_TYPE_RAM);
}

/* Another kernel may be writing there: the compiler must not see what is copied. */
void mk_copy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}

void mk_cond_resched(void)
{
	cond_resched();
}

bool mk_node_has_memory(int node)
{
	return node >= 0 && node < MAX_NUMNODES && node_state(node, N_MEMORY);
}

/* How many of these pages are good before the first one with a hardware error. */
unsigned long mk_good_pages(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long n;

	for (n = 0; n < nr_pages && !PageHWPoison(pfn_to_page(pfn + n)); n++)
		if (n % 4096 == 0)
			cond_resched();
	return n;
}

/* These are inline in kernels without lockdown, or without modules. */

bool mk_locked_down(enum lockdown_reason what)
{
	return security_locked_down(what);
}

bool mk_module_get(struct module *module)
{
	return try_module_get(module);
}

void mk_module_put(struct module *module)
{
	module_put(module);
}

/* What can be allocated without swapping; not what only movable pages may have. */
unsigned long mk_available_pages(void)
{
	long pages = si_mem_available() - global_zone_page_state(NR_FREE_CMA_PAGES);

	return max(pages, 0L);
}

/*
 * Free pages, and those that the kernel can free at once. Those of CMA areas only
 * the owner of the area can take.
 */
unsigned long mk_free_pages(int node)
{
	unsigned long free = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &NODE_DATA(node)->node_zones[i];

		free += zone_page_state(zone, NR_FREE_PAGES) +
			zone_page_state(zone, NR_ZONE_ACTIVE_FILE) +
			zone_page_state(zone, NR_ZONE_INACTIVE_FILE);
		/* The counters are not of one moment. */
		free -= min(free, zone_page_state(zone, NR_FREE_CMA_PAGES));
	}
	return free;
}

/* The pages that the page allocator of a node looks after. */
unsigned long mk_node_pages(int node)
{
	unsigned long pages = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		pages += zone_managed_pages(&NODE_DATA(node)->node_zones[i]);
	return pages;
}

void mk_vma_set_pfnmap(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
}

/* ---- interrupts ---------------------------------------------------------- */

/*
 * The thread of a line looks at everything. When its handler found what it was
 * rung for it may do that later, but not never: two rings may be one interrupt.
 */
struct line {
	struct timer_list late;
	int irq;
	irq_handler_t rung;
	irq_handler_t handler;
	void *data;
};

static void look_late(struct timer_list *timer)
{
	struct line *line = timer_container_of(line, timer, late);

	irq_wake_thread(line->irq, line);
}

static irqreturn_t line_rung(int irq, void *data)
{
	struct line *line = data;
	irqreturn_t ret = line->rung(irq, line->data);

	if (ret == IRQ_HANDLED && !timer_pending(&line->late))
		mod_timer(&line->late, jiffies + msecs_to_jiffies(10));
	return ret;
}

static irqreturn_t line_handler(int irq, void *data)
{
	struct line *line = data;

	return line->handler(irq, line->data);
}

static int line_request(int irq, irq_handler_t rung, irq_handler_t handler, unsigned long flags,
			const char *name, void *data)
{
	struct line *line = kzalloc_obj(*line, GFP_KERNEL);
	int err;

	if (!line)
		return -ENOMEM;
	line->irq = irq;
	line->rung = rung;
	line->handler = handler;
	line->data = data;
	timer_setup(&line->late, look_late, 0);
	irq_set_handler_data(irq, line);
	err = request_threaded_irq(irq, line_rung, line_handler, flags, name, line);
	if (err) {
		timer_shutdown_sync(&line->late);
		kfree(line);
	}
	return err;
}

static void line_release(int irq)
{
	struct line *line = irq_get_handler_data(irq);

	/* After this the handler cannot start it any more. */
	timer_shutdown_sync(&line->late);
	free_irq(irq, line);
	kfree(line);
}

/* What follows a ring takes its time: not at the real-time priority of such a thread. */
void mk_line_be_nice(void)
{
	if (rt_or_dl_task(current))
		sched_set_normal(current, 0);
}

int mk_line_alloc(irq_handler_t rung, irq_handler_t handler, const char *name, void *data,
		  u32 *vector)
{
	/* The boot CPU is never lent, so the pair never goes stale. */
	struct irq_alloc_info info = { .mask = cpumask_of(0) };
	struct irq_cfg *cfg;
	int irq, err;

	if (!x86_vector_domain)
		return -ENODEV;
	irq = __irq_domain_alloc_irqs(x86_vector_domain, -1, 1, NUMA_NO_NODE, &info, false, NULL);
	if (irq < 0)
		return irq;
	irq_set_handler(irq, handle_edge_irq);
	irq_modify_status(irq, 0, IRQ_NO_BALANCING);
	err = line_request(irq, rung, handler, IRQF_NOBALANCING, name, data);
	if (err)
		goto free;
	err = irq_force_affinity(irq, cpumask_of(0));
	cfg = irqd_cfg(irq_get_irq_data(irq));
	if (err || !cfg || cfg->vector < 32) {
		line_release(irq);
		err = err ?: -ENODEV;
		goto free;
	}
	*vector = cfg->vector;
	return irq;
free:
	irq_domain_free_irqs(irq, 1);
	return err;
}

void mk_line_free(int irq)
{
	line_release(irq);
	irq_domain_free_irqs(irq, 1);
}

/*
 * Nobody can keep another kernel from sending interrupts, but a CPU can be kept
 * from taking them: by its task priority, which this kernel does not use
 * otherwise. Only the boot CPU, with interrupts off, touches these.
 */
static u32 usual_priority;
static bool is_held;

void mk_line_hold(u8 vector)
{
	u32 class = vector & 0xf0;

	/* Its own timer and calls it has to take. */
	if (class >= (FIRST_SYSTEM_VECTOR & 0xf0))
		return;
	if (!is_held)
		usual_priority = apic->read(APIC_TASKPRI);
	else if ((apic->read(APIC_TASKPRI) & 0xf0) >= class)
		return;
	is_held = true;
	apic->write(APIC_TASKPRI, class);
}

static void release_lines(void *unused)
{
	if (is_held)
		apic->write(APIC_TASKPRI, usual_priority);
	is_held = false;
}

void mk_line_release(void)
{
	smp_call_function_single(0, release_lines, NULL, 1);
}

/*
 * A line that moves: its affinity can be set, and it leaves a CPU that goes
 * offline. Only a chip of our own, in a domain on top of the vectors', is told
 * where to. It is as if a device's registers had to be written.
 */
struct moving_line {
	void (*moved)(void *data, u32 apic_id, u32 vector);
	void *data;
};

static struct fwnode_handle *moving_node;
static struct irq_domain *moving_domain;

/* With the descriptor locked: one at a time, and nothing here may sleep. */
static int moving_set_affinity(struct irq_data *irqd, const struct cpumask *mask, bool force)
{
	struct moving_line *line = irq_data_get_irq_chip_data(irqd);
	int ret = irq_chip_set_affinity_parent(irqd, mask, force);
	struct irq_cfg *cfg = irqd_cfg(irqd);

	if (ret >= 0 && ret != IRQ_SET_MASK_OK_DONE && cfg)
		line->moved(line->data, cfg->dest_apicid, cfg->vector);
	return ret;
}

static struct irq_chip moving_chip = {
	.name			= "multikernel",
	.irq_ack		= irq_chip_ack_parent,
	.irq_set_affinity	= moving_set_affinity,
	.irq_retrigger		= irq_chip_retrigger_hierarchy,
	.flags			= IRQCHIP_SKIP_SET_WAKE | IRQCHIP_AFFINITY_PRE_STARTUP,
};

static int moving_domain_alloc(struct irq_domain *domain, unsigned int irq, unsigned int nr_irqs,
			       void *arg)
{
	struct irq_alloc_info *info = arg;
	int err = irq_domain_alloc_irqs_parent(domain, irq, nr_irqs, arg);

	if (!err)
		irq_domain_set_info(domain, irq, 0, &moving_chip, info->data, handle_edge_irq,
				    NULL, NULL);
	return err;
}

static const struct irq_domain_ops moving_ops = {
	.alloc	= moving_domain_alloc,
	.free	= irq_domain_free_irqs_common,
};

static void moving_line_free(int irq)
{
	if (irq > 0) {
		kfree(irq_get_chip_data(irq));
		irq_domain_free_irqs(irq, 1);
	}
	if (moving_domain)
		irq_domain_remove(moving_domain);
	irq_domain_free_fwnode(moving_node);
	moving_domain = NULL;
}

/* There is one at most. */
int mk_moving_line_alloc(irq_handler_t rung, irq_handler_t handler, mk_line_moved_t moved,
			 const char *name, void *data)
{
	struct irq_alloc_info info = {};
	struct moving_line *line;
	int irq, err = -ENOMEM;

	if (!x86_vector_domain)
		return -ENODEV;
	moving_node = irq_domain_alloc_named_fwnode("multikernel");
	if (!moving_node)
		return -ENOMEM;
	moving_domain = irq_domain_create_hierarchy(x86_vector_domain, 0, 0, moving_node,
						    &moving_ops, NULL);
	line = kzalloc_obj(*line, GFP_KERNEL);
	if (!moving_domain || !line)
		goto free_line;
	line->moved = moved;
	line->data = data;
	info.data = line;
	irq = irq_domain_alloc_irqs(moving_domain, 1, NUMA_NO_NODE, &info);
	if (irq < 0) {
		err = irq;
		goto free_line;
	}
	/* It is told where the line is before anything can come there. */
	err = line_request(irq, rung, handler, 0, name, data);
	if (!err)
		return irq;
	moving_line_free(irq);
	return err;

free_line:
	kfree(line);
	moving_line_free(0);
	return err;
}

void mk_moving_line_free(int irq)
{
	line_release(irq);
	moving_line_free(irq);
}

/* ---- what is done again and again ----------------------------------------- */

static mk_tick_t tick_call;
static void *tick_data;

static void tick(struct work_struct *work)
{
	tick_call(tick_data);
}

static DECLARE_DELAYED_WORK(tick_work, tick);
static bool tick_is_on;

void mk_ticker_start(mk_tick_t call, void *data)
{
	tick_call = call;
	tick_data = data;
	/* Whoever sees it calls what was just written. */
	smp_store_release(&tick_is_on, true);
}

void mk_ticker_stop(void)
{
	WRITE_ONCE(tick_is_on, false);
	/* Also what is queued by whoever has seen the ticker a moment ago. */
	disable_delayed_work_sync(&tick_work);
}

/*
 * Any CPU may do it: no task of the highest priority on one of them keeps it
 * from being done, but a kernel that schedules nowhere does.
 */
void mk_ticker_within(u64 ns)
{
	unsigned long delay = nsecs_to_jiffies(ns);

	/* Pairs with mk_ticker_start(). */
	if (!smp_load_acquire(&tick_is_on))
		return;
	/* One that is pending still sees what its caller has done before. */
	smp_mb();
	/* One that just begins looks at everything, and knows when it is wanted next. */
	if (!delayed_work_pending(&tick_work) ||
	    time_before(jiffies + delay, READ_ONCE(tick_work.timer.expires)))
		mod_delayed_work(system_dfl_wq, &tick_work, delay);
}

/* ---- files --------------------------------------------------------------- */

loff_t mk_file_size(struct file *file)
{
	return i_size_read(file_inode(file));
}

umode_t mk_file_mode(struct file *file)
{
	return file_inode(file)->i_mode;
}

/* ---- device nodes of channels -------------------------------------------- */

#define CHANNELS	"multikernel-channel"

static const struct class node_class = {
	.name	= CHANNELS,
};

static struct cdev node_cdev;

int mk_nodes_register(const struct file_operations *operations)
{
	dev_t first;
	int err = alloc_chrdev_region(&first, 0, MK_NODES, CHANNELS);

	if (err)
		return err;
	err = class_register(&node_class);
	if (err)
		goto free;
	cdev_init(&node_cdev, operations);
	node_cdev.owner = THIS_MODULE;
	err = cdev_add(&node_cdev, first, MK_NODES);
	if (!err)
		return 0;
	class_unregister(&node_class);
free:
	unregister_chrdev_region(first, MK_NODES);
	return err;
}

void mk_nodes_unregister(void)
{
	dev_t first = node_cdev.dev;

	cdev_del(&node_cdev);
	class_unregister(&node_class);
	unregister_chrdev_region(first, MK_NODES);
}

/* The node is for root alone until root decides otherwise. */
int mk_node_create(unsigned int minor, const char *path)
{
	return PTR_ERR_OR_ZERO(device_create(&node_class, NULL, node_cdev.dev + minor, NULL, "%s",
					     path));
}

void mk_node_destroy(unsigned int minor)
{
	device_destroy(&node_class, node_cdev.dev + minor);
}

unsigned int mk_node_minor(struct inode *inode)
{
	return inode->i_rdev - node_cdev.dev;
}

/* It has no position, and the calls that must not wait do not. */
void mk_node_opened(struct inode *inode, struct file *file)
{
	stream_open(inode, file);
	file->f_mode |= FMODE_NOWAIT;
}

bool mk_call_waits(struct kiocb *call)
{
	return !(call->ki_flags & IOCB_NOWAIT) && !(call->ki_filp->f_flags & O_NONBLOCK);
}

/* What the caller of poll() wants to know. */
u32 mk_poll_wanted(struct poll_table_struct *table)
{
	return (__force u32)poll_requested_events(table);
}

int mk_map_physical(struct vm_area_struct *vma, phys_addr_t start, bool may_write)
{
	if (!may_write)
		vm_flags_clear(vma, VM_MAYWRITE);
	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(start), vma->vm_end - vma->vm_start,
			       vma->vm_page_prot);
}

void mk_broken_pipe(void)
{
	send_sig(SIGPIPE, current, 0);
}

/* ---- waiting ------------------------------------------------------------- */

void mk_lock_init(raw_spinlock_t *lock)
{
	raw_spin_lock_init(lock);
}

/*
 * Fails only where whoever has it may never go on: in a panic, which has stopped
 * the other CPUs, or below an NMI. Elsewhere it is held for microseconds.
 */
bool mk_lock(raw_spinlock_t *lock, unsigned long *flags)
{
	unsigned int left;

	if (!in_nmi() && !oops_in_progress) {
		raw_spin_lock_irqsave(lock, *flags);
		return true;
	}
	for (left = 1000; left; left--) {
		if (raw_spin_trylock_irqsave(lock, *flags))
			return true;
		udelay(1);
	}
	return false;
}

void mk_unlock(raw_spinlock_t *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}

void mk_later_init(struct delayed_work *work, work_func_t function)
{
	INIT_DELAYED_WORK(work, function);
}

/* If it is not due already. */
void mk_later(struct delayed_work *work, unsigned long jiffies)
{
	queue_delayed_work(system_dfl_wq, work, jiffies);
}
