/* What `fastsock stat --json` says of a tree. Names may be added, those that are there stay. */
#include "report.h"

static void write_counters(struct fs_json *json, const struct fs_view *view, unsigned group, unsigned core)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	const struct fs_core_load *load = fs_view_load(view, core);

#define WRITE(field, ...) fs_json_number(json, #field, rec->field);
	FS_CORE_COUNTERS(WRITE)
#undef WRITE
#define WRITE(field, ...) fs_json_number(json, #field, load->field);
	FS_LOAD_COUNTERS(WRITE)
#undef WRITE
}

/* `group` counts those of the sample. */
static void write_core_rates(struct fs_json *json, const struct fs_rates *rates, unsigned group, unsigned core)
{
	fs_json_open(json, "rates", '{');
	for (unsigned i = 0; i < FS_CORE_NCOUNTERS; i++)
		fs_json_decimal_or_null(json, fs_core_counter[i].key, fs_rate_core(rates, group, core, i));
	for (unsigned i = 0; i < FS_LOAD_NCOUNTERS; i++)
		fs_json_decimal_or_null(json, fs_load_counter[i].key, fs_rate_load(rates, core, i));
	fs_json_close(json, '}');
}

static void write_owners(struct fs_json *json, const struct fs_view *view, unsigned group, unsigned core)
{
	int pids[FS_WORKERS_MAX];
	unsigned n = fs_view_owners(view, group, core, pids);

	fs_json_number_or_null(json, "owner_pid", n ? pids[0] : -1);
	fs_json_open(json, "owner_pids", '[');
	for (unsigned i = 0; i < n; i++)
		fs_json_number(json, NULL, (uint64_t)pids[i]);
	fs_json_close(json, ']');
}

static void write_core(struct fs_json *json, const struct fs_view *view, unsigned group, unsigned core)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	const struct fs_core_load *load = fs_view_load(view, core);

	fs_json_number(json, "cpu", view->head->cpu[core]);
	write_owners(json, view, group, core);
	write_counters(json, view, group, core);
	fs_json_number(json, "groups_away", load->away);
	fs_json_number(json, "groups_gained", load->gain);
	fs_json_number(json, "open", fs_view_open(view, core));
	fs_json_string(json, "help", fs_view_help(rec));
	fs_json_bool(json, "out", rec->out != 0);
	fs_json_number_or_null(json, "queue", fs_view_queue(view, group, core));
}

static void write_group(struct fs_json *json, const struct fs_view *view, unsigned group, const struct fs_rates *rates,
			unsigned sampled)
{
	const char *text, *reason;
	char address[80];
	int err;

	reason = fs_view_reason(view, group, &text, &err);
	fs_view_address(view, group, address, sizeof(address));
	fs_json_open(json, NULL, '{');
	fs_json_string(json, "address", address);
	fs_json_bool(json, "active", view->group[group].state == FS_GROUP_ACTIVE);
	fs_json_string(json, "state", fs_view_state(view, group));
	fs_json_string(json, "mode", fs_view_mode(view, group));
	if (reason)
		fs_json_string(json, "reason", reason);
	else
		fs_json_null(json, "reason");
	fs_json_number(json, "workers", fs_view_workers(view, group));
	fs_json_number(json, "backlog", view->group[group].backlog);
	fs_json_number_or_null(json, "queue", fs_view_global_queue(view, group));
	fs_json_open(json, "cores", '[');
	for (unsigned core = 0; core < view->ncores; core++) {
		fs_json_open(json, NULL, '{');
		write_core(json, view, group, core);
		if (rates)
			write_core_rates(json, rates, sampled, core);
		fs_json_close(json, '}');
	}
	fs_json_close(json, ']');
	fs_json_close(json, '}');
}

static void write_connect_rates(struct fs_json *json, const struct fs_rates *rates, unsigned core)
{
	fs_json_open(json, "rates", '{');
	for (unsigned i = 0; i < FS_CONNECT_fallback; i++)
		fs_json_decimal_or_null(json, fs_connect_counter[i].key, fs_rate_connect(rates, core, i));
	fs_json_open(json, "fallback", '{');
	for (unsigned i = FS_CONNECT_fallback; i < FS_CONNECT_NCOUNTERS; i++)
		fs_json_decimal_or_null(json, fs_connect_counter[i].key, fs_rate_connect(rates, core, i));
	fs_json_close(json, '}');
	fs_json_close(json, '}');
}

static void write_connect(struct fs_json *json, const struct fs_view *view, unsigned core, const struct fs_rates *rates)
{
	const struct fs_core_active *active = fs_view_connect(view, core);

	fs_json_open(json, NULL, '{');
	fs_json_number(json, "cpu", view->head->cpu[core]);
#define WRITE(field, ...) fs_json_number(json, #field, active->field);
	FS_CONNECT_COUNTERS(WRITE)
#undef WRITE
	fs_json_open(json, "fallback", '{');
	for (unsigned i = 1; i < FS_FALLBACKS; i++)
		fs_json_number(json, fs_connect_counter[FS_CONNECT_fallback + i - 1].key, active->fallback[i]);
	fs_json_close(json, '}');
	if (rates)
		write_connect_rates(json, rates, core);
	fs_json_close(json, '}');
}

void fs_report_json(struct fs_json *json, const struct fs_view *view, const struct fs_rates *rates)
{
	unsigned sampled = 0;
	char name[64];

	fs_process_name(fs_view_tree_pid(view), name, sizeof(name));
	fs_json_open(json, NULL, '{');
	fs_json_number(json, "pid", (uint64_t)fs_view_tree_pid(view));
	fs_json_string(json, "command", name);
	fs_json_bool(json, "active", fs_view_active(view));
	if (rates)
		fs_json_decimal_or_null(json, "interval", rates->before ? rates->seconds : FS_RATE_UNKNOWN);
	fs_json_open(json, "processes", '[');
	for (size_t i = 0; i < view->tree->nprocesses; i++)
		fs_json_number(json, NULL, (uint64_t)view->tree->process[i].pid);
	fs_json_close(json, ']');
	fs_json_open(json, "groups", '[');
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		if (fs_view_has_group(view, group))
			write_group(json, view, group, rates, sampled++);
	}
	fs_json_close(json, ']');
	fs_json_open(json, "connect", '[');
	for (unsigned core = 0; core < view->ncores; core++)
		write_connect(json, view, core, rates);
	fs_json_close(json, ']');
	fs_json_close(json, '}');
}
