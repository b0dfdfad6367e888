/* The line about a listener that works as without libfastsock. */
#include "reasons.h"

#include "log.h"

struct reason {
	const char *sentence;
	const char *mend;
};

static void tell(unsigned port, const struct reason *r, int err)
{
	fs_log(FS_LOG_WARN, "the listener on port %u works as without libfastsock: %s%s%s%s; %s", port, r->sentence,
	       err ? " (" : "", err ? fs_errtext(err) : "", err ? ")" : "", r->mend);
}

void fs_reason_abandoned(unsigned port, enum fs_abandon why, int err)
{
	static const struct reason reason[] = {
#define FS_ABANDON(name, word, sentence, mend) [FS_ABANDON_##name] = {sentence, mend},
#define FS_PLAIN(name, sentence, mend)
#include "reasons.def"
#undef FS_ABANDON
#undef FS_PLAIN
	};

	tell(port, &reason[why], err);
}

void fs_reason_plain(unsigned port, enum fs_plain why, int err)
{
	static const struct reason reason[] = {
#define FS_ABANDON(name, word, sentence, mend)
#define FS_PLAIN(name, sentence, mend) [FS_PLAIN_##name] = {sentence, mend},
#include "reasons.def"
#undef FS_ABANDON
#undef FS_PLAIN
	};

	tell(port, &reason[why], err);
}
