/* Why a listener works as without libfastsock: the rows of reasons.def as numbers, and the line that tells of them. */
#ifndef FS_REASONS_H
#define FS_REASONS_H

/* Of an abandoned group; in its record, so the order of the rows is part of the region's layout. */
enum fs_abandon {
	FS_ABANDON_NONE = 0,
#define FS_ABANDON(name, word, sentence, mend) FS_ABANDON_##name,
#define FS_PLAIN(name, sentence, mend)
#include "reasons.def"
#undef FS_ABANDON
#undef FS_PLAIN
	FS_ABANDONS
};

/* Of a listen() that makes no group. */
enum fs_plain {
#define FS_ABANDON(name, word, sentence, mend)
#define FS_PLAIN(name, sentence, mend) FS_PLAIN_##name,
#include "reasons.def"
#undef FS_ABANDON
#undef FS_PLAIN
};

/* One line for the listener on the port; `err` is an errno, or 0 where there is none. */
void fs_reason_abandoned(unsigned port, enum fs_abandon why, int err);
void fs_reason_plain(unsigned port, enum fs_plain why, int err);

#endif
