/* The version as text, from the numbers of the public header. */
#ifndef FS_CLI_VERSION_H
#define FS_CLI_VERSION_H

#include <fastsock/fastsock.h>

#define FS_CLI_TEXT_(x) #x
#define FS_CLI_TEXT(x) FS_CLI_TEXT_(x)
#define FS_CLI_VERSION \
	FS_CLI_TEXT(FASTSOCK_VERSION_MAJOR) "." FS_CLI_TEXT(FASTSOCK_VERSION_MINOR) "." FS_CLI_TEXT(FASTSOCK_VERSION_PATCH)

#endif
