/* Views of trees as people read them, and as programs do. */
#ifndef FS_CLI_REPORT_H
#define FS_CLI_REPORT_H

#include "cli/json.h"
#include "cli/tree/rates.h"
#include "cli/tree/view.h"

/* `details`: all counters, not only what one looks for first. `rates` has samples that were taken of the view; NULL where rates were not asked for. */
void fs_report_text(const struct fs_view *view, const struct fs_rates *rates, bool details);
/* One element of trees[]; the names are part of the command's interface. */
void fs_report_json(struct fs_json *json, const struct fs_view *view, const struct fs_rates *rates);
/* One exposition for all of them, in Prometheus' text format 0.0.4; the names are part of the interface. */
void fs_report_prometheus(const struct fs_view *views, size_t n);

#endif
