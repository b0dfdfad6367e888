/* The version as text, from the numbers of the public header. */
#ifndef FS_VERSION_H
#define FS_VERSION_H

#include <fastsock/fastsock.h>

#define FS_VERSION_STRING_(x) #x
#define FS_VERSION_STRING(x) FS_VERSION_STRING_(x)
#define FS_VERSION_TEXT \
	FS_VERSION_STRING(FASTSOCK_VERSION_MAJOR) "." FS_VERSION_STRING(FASTSOCK_VERSION_MINOR) "." FS_VERSION_STRING(FASTSOCK_VERSION_PATCH)

#endif
