/*
 * FASTSOCK_RSS: what the operator says about NICs that hide their key. Pure.
 *
 *   eth0:key=6d5a56da255b0ec2...:table=0,1,2,3[;eth1:...]
 *
 * The key in hexadecimal digits, with or without colons between the bytes, as `ethtool -x`
 * prints it on other machines; the table as queues, repeated as often as it takes: 0,1,2,3 is
 * what a NIC with four queues has by default.
 */
#ifndef FS_RSS_TEXT_H
#define FS_RSS_TEXT_H

#include "rxmap.h"

/*
 * Looks for the interface in the text and reads what it says into *out. 1 when it is there,
 * 0 when not, -EINVAL when the text (any part of it) is not understood. With `interface` NULL it is only checked.
 */
int fs_rss_text(const char *text, const char *interface, struct fs_rss *out);

#endif
