/* Memory that is given back all at once: texts and arrays that live as long as what a command looks at. */
#ifndef FS_CLI_POOL_H
#define FS_CLI_POOL_H

#include <stddef.h>

struct fs_pool {
	struct fs_pool_block *last;
};

/* Zeroed. Ends the command when there is no memory, as all of these. */
void *fs_pool_alloc(struct fs_pool *pool, size_t count, size_t size);
char *fs_pool_printf(struct fs_pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fs_pool_free(struct fs_pool *pool);

#endif
