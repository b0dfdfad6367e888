#define _GNU_SOURCE
#include "real.h"

#include <dlfcn.h>
#include <errno.h>

struct fs_real fs_real;

/*
 * Stands for a function that this libc does not have. Nobody calls it who would not
 * have failed to link without us.
 */
static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

void *fs_real_find(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	return p ? p : (void *)missing;
}

void fs_real_start(void)
{
#define FS_HOOK(ret, name, params, args) fs_real.name = (__typeof__(fs_real.name))fs_real_find(#name);
#define FS_HOOK_VARIADIC(ret, name, params) FS_HOOK(ret, name, params, )
#include "hooks.def"
#undef FS_HOOK
#undef FS_HOOK_VARIADIC
}
