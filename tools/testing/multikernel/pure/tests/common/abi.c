// SPDX-License-Identifier: GPL-2.0
/*
 * Prints what include/linux/multikernel_abi.h says: a name and a number in
 * each line. The lists are made by tests/abi.rs.
 */
#include <stddef.h>
#include <stdio.h>
#include "multikernel_abi.h"

#define OFFSET(type, field)	printf(#type "." #field " %zu\n", offsetof(struct type, field))
#define SIZE(type)		printf(#type " %zu\n", sizeof(struct type))
#define VALUE(name)		printf(#name " %llu\n", (unsigned long long)(name))

int main(void)
{
#include LIST
	return 0;
}
