/* Start-up of the library in a process. Idempotent; before main() there is one thread. */
#ifndef FS_START_H
#define FS_START_H

void fs_start(void);

#endif
