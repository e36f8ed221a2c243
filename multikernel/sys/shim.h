/* SPDX-License-Identifier: GPL-2.0 */
/* What shim.c offers to Rust; ffi.rs declares the same. */
#ifndef _MULTIKERNEL_SHIM_H
#define _MULTIKERNEL_SHIM_H

#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/nodemask.h>
#include <linux/security.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/workqueue_types.h>

/* As MK_NAME_SIZE of the ioctl interface. */
#define MK_LENT_NAME_SIZE	32

/* Ends of channels that this kernel can have. */
#define MK_NODES		512

#define MK_HAS_XSAVE		(1ULL << 0)
#define MK_HAS_IBPB		(1ULL << 1)
#define MK_HAS_FLUSH_L1D	(1ULL << 2)
#define MK_HAS_MCE		(1ULL << 3)
#define MK_HAS_HWP		(1ULL << 4)

struct mk_msr_value {
	u32 msr;
	u32 exists;
	u64 value;
};

struct mk_msr_list {
	u64 count;
	struct mk_msr_value *entries;
};

/* Of CLOCK_REALTIME, from the time stamp counter. */
struct mk_clock_base {
	u64 tsc;
	u64 realtime_ns;
	u64 multiplier;
	u32 shift;
	s32 tai_offset;
	u64 is_valid;
};

/* Memory that was set aside at boot. */
struct mk_pool {
	u64 start;
	u64 bytes;
	s32 node;
	u32 is_cma;
};

/* What kexec_file_load() has read for an instance; a null pointer where there is none. */
struct mk_kexec_image {
	const u8 *kernel;
	size_t kernel_len;
	const u8 *initrd;
	size_t initrd_len;
	const u8 *cmdline;
	size_t cmdline_len;
	bool is_verified;
};

unsigned int mk_apic_mode(void);
void mk_apic_icr_write(u32 low, u32 apic_id);
u32 mk_boot_cpu_apic_id(void);
bool mk_cpu_is_wanted(void);
u32 mk_cpu_apic_id(unsigned int cpu);
bool mk_cpu_possible(unsigned int cpu);
bool mk_cpu_present(unsigned int cpu);
bool mk_cpu_online(unsigned int cpu);
void mk_set_cpu_present(unsigned int cpu, bool present);
bool mk_cpu_siblings(unsigned int a, unsigned int b);
int mk_cpu_node(unsigned int cpu);
int mk_read_msrs(unsigned int cpu, struct mk_msr_list *list);
u64 mk_cpu_features(void);
bool mk_memory_encrypted(void);
void mk_set_lent_to(unsigned int cpu, const char *name);
void mk_add_running(int n);
void mk_guard_register(void);
void mk_guard_unregister(void);
unsigned int mk_tsc_khz(void);
void *mk_phys_to_virt(phys_addr_t address);
bool mk_e820_is_ram(u64 start, u64 end);
void mk_copy(void *to, const void *from, size_t len);
void mk_cond_resched(void);
bool mk_node_has_memory(int node);
unsigned long mk_good_pages(unsigned long pfn, unsigned long nr_pages);
bool mk_locked_down(enum lockdown_reason what);
bool mk_module_get(struct module *module);
void mk_module_put(struct module *module);
unsigned long mk_available_pages(void);
unsigned long mk_free_pages(int node);
unsigned long mk_node_pages(int node);
bool mk_pool(unsigned int index, struct mk_pool *told);
unsigned long mk_pool_alloc(unsigned int index, unsigned long nr_pages, unsigned int order);
void mk_pool_free(unsigned int index, unsigned long pfn, unsigned long nr_pages);
void mk_foreign_set_offline(unsigned long pfn, unsigned long nr_pages, bool offline);
bool mk_foreign_can_hide(void);
int mk_foreign_hide(phys_addr_t start, size_t bytes);
int mk_foreign_show(phys_addr_t start, size_t bytes);
const void *mk_foreign_map(phys_addr_t start, size_t bytes);
void mk_foreign_unmap(const void *at);
struct vm_area_struct;
void mk_vma_set_pfnmap(struct vm_area_struct *vma);
int mk_line_alloc(irq_handler_t rung, irq_handler_t handler, const char *name, void *data,
		  u32 *vector);
void mk_line_hold(u8 vector);
void mk_line_release(void);
void mk_line_be_nice(void);
void mk_line_free(int irq);
typedef void (*mk_line_moved_t)(void *data, u32 apic_id, u32 vector);
int mk_moving_line_alloc(irq_handler_t rung, irq_handler_t handler, mk_line_moved_t moved,
			 const char *name, void *data);
void mk_moving_line_free(int irq);
typedef void (*mk_tick_t)(void *data);
void mk_ticker_start(mk_tick_t call, void *data);
void mk_ticker_stop(void);
void mk_ticker_within(u64 ns);
void mk_clock_watch(void);
void mk_clock_unwatch(void);
void mk_clock_tell(bool is_wanted, struct mk_clock_base *base);
bool mk_clock_now(u64 *tsc, u64 *realtime_ns);
u64 mk_tsc(void);
int mk_clock_set(u64 realtime_ns);
typedef bool (*mk_clock_read_t)(void *data, u64 tsc, u64 *time_ns);
int mk_ptp_register(mk_clock_read_t read, void *data);
void mk_ptp_unregister(void);
int mk_rtc_guard_register(void);
void mk_rtc_guard_unregister(void);
loff_t mk_file_size(struct file *file);
umode_t mk_file_mode(struct file *file);
int mk_nodes_register(const struct file_operations *operations);
void mk_nodes_unregister(void);
int mk_node_create(unsigned int minor, const char *path);
void mk_node_destroy(unsigned int minor);
unsigned int mk_node_minor(struct inode *inode);
void mk_node_opened(struct inode *inode, struct file *file);
bool mk_call_waits(struct kiocb *call);
struct poll_table_struct;
u32 mk_poll_wanted(struct poll_table_struct *table);
int mk_map_physical(struct vm_area_struct *vma, phys_addr_t start, bool may_write);
void mk_broken_pipe(void);
void mk_lock_init(raw_spinlock_t *lock);
bool mk_lock(raw_spinlock_t *lock, unsigned long *flags);
void mk_unlock(raw_spinlock_t *lock, unsigned long flags);
void mk_later_init(struct delayed_work *work, work_func_t function);
void mk_later(struct delayed_work *work, unsigned long jiffies);
typedef int (*mk_kexec_load_t)(void *data, u64 id, const struct mk_kexec_image *image);
bool mk_kexec_exists(void);
bool mk_kexec_sig_enforced(void);
int mk_kexec_register(mk_kexec_load_t call, void *data);
void mk_kexec_unregister(void);
struct notifier_block;
int mk_crash_register(struct notifier_block *block);
int mk_crash_unregister(struct notifier_block *block);
unsigned long mk_crash_left_out(void);
void mk_crash_memory_changed(void);
typedef ssize_t (*mk_terminal_put_t)(void *data, const u8 *buf, size_t count, bool can_wait);
typedef ssize_t (*mk_terminal_get_t)(void *data, u8 *buf, size_t count);
int mk_terminal_alloc(mk_terminal_put_t put, mk_terminal_get_t get, void *data);
void mk_terminal_free(void);
void mk_terminal_poll(void);

/* On kernels without our series, for stock.rs. */
int mk_add_cpu(unsigned int cpu);
int mk_remove_cpu(unsigned int cpu);
struct page *mk_alloc_contig_pages(unsigned long nr_pages, gfp_t gfp_mask, int nid,
				   nodemask_t *nodemask);
int mk_node_state(int node, enum node_states state);
unsigned long mk_page_to_pfn(const struct page *page);

#endif /* _MULTIKERNEL_SHIM_H */
