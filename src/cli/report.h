/* A tree's view as people read it, and as programs do. */
#ifndef FS_CLI_REPORT_H
#define FS_CLI_REPORT_H

#include "json.h"
#include "view.h"

void fs_report_text(const struct fs_view *view);
/* One element of trees[]; the names are part of the command's interface. */
void fs_report_json(struct fs_json *json, const struct fs_view *view);

#endif
