/* See pool.h. */
#include "pool.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct fs_pool_block {
	struct fs_pool_block *before;
	_Alignas(max_align_t) char data[];
};

void *fs_pool_alloc(struct fs_pool *pool, size_t count, size_t size)
{
	size_t bytes = size && count > SIZE_MAX / 2 / size ? SIZE_MAX - sizeof(struct fs_pool_block) : count * size;
	struct fs_pool_block *block = fs_cli_grow(NULL, 1, sizeof(*block) + bytes);

	block->before = pool->last;
	pool->last = block;
	return memset(block->data, 0, bytes);
}

char *fs_pool_printf(struct fs_pool *pool, const char *format, ...)
{
	va_list args, again;
	char *text;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = fs_pool_alloc(pool, 1, len < 0 ? 1 : (size_t)len + 1);
	if (len > 0)
		vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text;
}

void fs_pool_free(struct fs_pool *pool)
{
	while (pool->last) {
		struct fs_pool_block *block = pool->last;

		pool->last = block->before;
		free(block);
	}
}
