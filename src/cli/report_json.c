/* What `fastsock stat --json` says of a tree. Names may be added, those that are there stay. */
#include "report.h"

static void write_core(struct fs_json *json, const struct fs_view *view, unsigned group, unsigned core)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	const struct fs_core_load *load = fs_view_load(view, core);
	int pids[FS_WORKERS_MAX];
	unsigned n = fs_view_owners(view, group, core, pids);

	fs_json_open(json, NULL, '{');
	fs_json_number(json, "cpu", view->head->cpu[core]);
	fs_json_number_or_null(json, "owner_pid", n ? pids[0] : -1);
	fs_json_open(json, "owner_pids", '[');
	for (unsigned i = 0; i < n; i++)
		fs_json_number(json, NULL, (uint64_t)pids[i]);
	fs_json_close(json, ']');
	fs_json_number(json, "accepted_local", rec->accepted_local);
	fs_json_number(json, "accepted_global", rec->accepted_global);
	fs_json_number(json, "stolen", rec->stolen);
	fs_json_number(json, "given", rec->given);
	fs_json_number(json, "rescued", rec->rescued);
	fs_json_number(json, "parked", rec->parked);
	fs_json_number(json, "woken", rec->woken);
	fs_json_number(json, "groups_out", load->groups_out);
	fs_json_number(json, "groups_in", load->groups_in);
	fs_json_number(json, "groups_away", load->away);
	fs_json_number(json, "open", fs_view_open(view, core));
	fs_json_number(json, "busy_us", load->busy_us);
	fs_json_string(json, "help", fs_view_help(rec));
	fs_json_bool(json, "out", rec->out != 0);
	fs_json_number_or_null(json, "queue", fs_view_queue(view, group, core));
	fs_json_number(json, "rx_sampled", rec->rx_sampled);
	fs_json_number(json, "rx_local", rec->rx_local);
	fs_json_close(json, '}');
}

static void write_group(struct fs_json *json, const struct fs_view *view, unsigned group)
{
	char address[80];

	fs_view_address(view, group, address, sizeof(address));
	fs_json_open(json, NULL, '{');
	fs_json_string(json, "address", address);
	fs_json_bool(json, "active", view->group[group].state == FS_GROUP_ACTIVE);
	fs_json_string(json, "state", fs_view_state(view, group));
	fs_json_string(json, "mode", fs_view_mode(view, group));
	fs_json_number(json, "workers", fs_view_workers(view, group));
	fs_json_number_or_null(json, "queue", fs_view_global_queue(view, group));
	fs_json_open(json, "cores", '[');
	for (unsigned core = 0; core < view->ncores; core++)
		write_core(json, view, group, core);
	fs_json_close(json, ']');
	fs_json_close(json, '}');
}

static void write_connect(struct fs_json *json, const struct fs_view *view, unsigned core)
{
	static const char *const word[] = {
		NULL,
#define WORD(name, text) text,
		FS_FALLBACK_TABLE(WORD)
#undef WORD
	};
	const struct fs_core_active *active = fs_view_connect(view, core);

	fs_json_open(json, NULL, '{');
	fs_json_number(json, "cpu", view->head->cpu[core]);
	fs_json_number(json, "calls", active->calls);
	fs_json_number(json, "steered", active->steered);
	fs_json_number(json, "tries", active->tries);
	fs_json_open(json, "fallback", '{');
	for (unsigned i = 1; i < FS_FALLBACKS; i++)
		fs_json_number(json, word[i], active->fallback[i]);
	fs_json_close(json, '}');
	fs_json_number(json, "rx_sampled", active->rx_sampled);
	fs_json_number(json, "rx_local", active->rx_local);
	fs_json_close(json, '}');
}

void fs_report_json(struct fs_json *json, const struct fs_view *view)
{
	char name[64];

	fs_process_name(fs_view_tree_pid(view), name, sizeof(name));
	fs_json_open(json, NULL, '{');
	fs_json_number(json, "pid", (uint64_t)fs_view_tree_pid(view));
	fs_json_string(json, "command", name);
	fs_json_bool(json, "active", fs_view_active(view));
	fs_json_open(json, "processes", '[');
	for (size_t i = 0; i < view->tree->nprocesses; i++)
		fs_json_number(json, NULL, (uint64_t)view->tree->process[i].pid);
	fs_json_close(json, ']');
	fs_json_open(json, "groups", '[');
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		if (fs_view_has_group(view, group))
			write_group(json, view, group);
	}
	fs_json_close(json, ']');
	fs_json_open(json, "connect", '[');
	for (unsigned core = 0; core < view->ncores; core++)
		write_connect(json, view, core);
	fs_json_close(json, ']');
	fs_json_close(json, '}');
}
