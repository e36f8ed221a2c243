// SPDX-License-Identifier: GPL-2.0
/*
 * Prints how many more instances there can be: it makes that many, which go with it.
 *
 *	room
 */
#include <err.h>
#include <stdio.h>
#include "mk.h"

int main(void)
{
	int device = mk_device();
	int made = 0, instance;

	if (device < 0)
		errx(2, "open " DEVICE ": %s", strerror(-device));
	do {
		char name[32];

		snprintf(name, sizeof(name), "room-%d", made);
		instance = mk_create(device, name, MK_CREATE_AUTO_DESTROY);
		made += instance >= 0;
	} while (instance >= 0);
	if (instance != -ENOSPC)
		errx(2, "create: %s: %s", strerror(-instance), mk_text);
	printf("%d\n", made);
	return 0;
}
