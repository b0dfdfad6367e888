/* The address of a socket, in the form that group records have. */
#ifndef FS_ADDRESS_H
#define FS_ADDRESS_H

#include "region.h"

/* Fills in family, address, port, v6only and scope. False for what is bound to no IP address. */
bool fs_address_of(int fd, struct fs_group_rec *rec);

#endif
