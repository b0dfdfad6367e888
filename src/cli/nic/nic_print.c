/* What `fastsock nic` shows, as text and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "core/version.h"
#include "nic.h"

/* Bytes of the key that are shown: enough to tell whether it is the one that was expected. */
#define KEY_SHOWN 8

/* ---- text ---- */

static const char *mask_text(struct fs_pool *pool, const char *mask)
{
	char text[4096];
	struct fs_cpus cpus;

	if (!mask)
		return "?";
	if (!fs_nic_parse_mask(mask, &cpus))
		return mask;
	fs_cpus_format(&cpus, text, sizeof(text));
	return *text ? fs_pool_printf(pool, "%s", text) : "-";
}

/* The interrupt of a queue, or NULL. */
static const struct fs_nic_irq *irq_of(const struct fs_nic_state *s, bool receive, unsigned queue)
{
	for (unsigned i = 0; i < s->nirqs; i++)
		if ((receive ? s->irq[i].rx : s->irq[i].tx) == (int)queue)
			return &s->irq[i];
	return NULL;
}

/* Columns; the last ones may be empty. */
static void print_row(struct fs_pool *pool, const char *const cell[7])
{
	char *row = fs_pool_printf(pool, "  %-7s %-10s %-10s %-10s %-7s %-10s %s", cell[0], cell[1], cell[2], cell[3], cell[4],
				   cell[5], cell[6]);

	for (size_t len = strlen(row); len && row[len - 1] == ' '; len--)
		row[len - 1] = '\0';
	puts(row);
}

static void print_queue(struct fs_pool *pool, const struct fs_nic_state *s, bool receive, unsigned queue)
{
	const struct fs_nic_queue *q = receive ? &s->rx[queue] : &s->tx[queue];
	const struct fs_nic_irq *irq = irq_of(s, receive, queue);
	const char *cpus = mask_text(pool, q->cpus);

	print_row(pool, (const char *const[]){
		fs_pool_printf(pool, "%s-%u", receive ? "rx" : "tx", queue),
		irq ? fs_pool_printf(pool, "%u", irq->number) : "-", !irq ? "-" : irq->cpus ? irq->cpus : "?",
		receive ? cpus : "", !receive ? "" : q->more ? q->more : "?", receive ? "" : q->cpus ? cpus : "-",
		irq ? irq->name : "",
	});
}

static void print_queues(struct fs_pool *pool, const struct fs_nic_state *s)
{
	print_row(pool, (const char *const[]){"QUEUE", "INTERRUPT", "ON-CPUS", "RPS-TO", "FLOWS", "XPS-FROM",
					      s->nirqs ? "NAME" : ""});
	for (unsigned i = 0; i < s->nrx; i++)
		print_queue(pool, s, true, i);
	for (unsigned i = 0; i < s->ntx; i++)
		print_queue(pool, s, false, i);
}

static void print_channels(const struct fs_nic_state *s)
{
	const struct ethtool_channels *c = &s->channels;

	printf("queues: %u to receive, %u to transmit", s->nrx, s->ntx);
	if (s->has_channels && c->max_combined)
		printf("; channels: %u of %u", c->combined_count, c->max_combined);
	else if (s->has_channels)
		printf("; channels: %u of %u to receive, %u of %u to transmit", c->rx_count, c->max_rx, c->tx_count, c->max_tx);
	putchar('\n');
}

static void print_coalescing(const struct fs_nic_state *s)
{
	const struct ethtool_coalesce *c = &s->coalesce;

	if (!s->has_coalesce) {
		puts("coalescing: not told");
		return;
	}
	printf("coalescing: receive %u us or %u packets%s, transmit %u us or %u packets%s\n", c->rx_coalesce_usecs,
	       c->rx_max_coalesced_frames, c->use_adaptive_rx_coalesce ? " (adaptive)" : "", c->tx_coalesce_usecs,
	       c->tx_max_coalesced_frames, c->use_adaptive_tx_coalesce ? " (adaptive)" : "");
}

static void print_rss(const struct fs_nic_state *s)
{
	if (!s->table && !s->has_key) {
		puts("RSS: not told");
		return;
	}
	printf("RSS: ");
	if (s->table)
		printf("table of %u entries for %u queues", s->table_len, s->nrings);
	if (s->has_key) {
		printf("%sToeplitz, key ", s->table ? ", " : "");
		for (unsigned i = 0; i < s->key_len && i < KEY_SHOWN; i++)
			printf("%s%02x", i ? ":" : "", s->key[i]);
		printf("... (%u bytes)", s->key_len);
	}
	putchar('\n');
}

/* Lines behind the first one of a text are indented below it. */
static void print_note(const struct fs_nic_note *note)
{
	printf("  %s: ", note->label);
	for (const char *at = note->text; *at; at++) {
		putchar(*at);
		if (*at == '\n')
			fputs("    ", stdout);
	}
	putchar('\n');
}

void fs_nic_print_advice(const struct fs_nic_plan *plan)
{
	if (plan->nadvice)
		puts("for you to decide:");
	for (size_t i = 0; i < plan->nadvice; i++)
		print_note(&plan->advice[i]);
}

static void print_plan(const struct fs_nic_state *s, const struct fs_nic_plan *plan)
{
	if (plan->nchanges)
		puts("\nwould change, with --apply:");
	else
		puts("\nnothing to change");
	for (size_t i = 0; i < plan->nchanges; i++)
		printf("  %s: %s: %s\n", plan->change[i].label, plan->change[i].what, plan->change[i].why);
	if (plan->more)
		puts("  and then what the queues need that are there then");
	if (plan->nleft)
		puts("leaves alone:");
	for (size_t i = 0; i < plan->nleft; i++)
		print_note(&plan->left[i]);
	fs_nic_print_advice(plan);
	if (s->record)
		printf("--apply was here before: --undo puts back what is kept in %s\n", s->record);
}

void fs_nic_print(struct fs_pool *pool, const struct fs_nic_state *s, const struct fs_nic_plan *plan)
{
	printf("%s: %s%s\n", s->interface, *s->driver ? "driver " : "unknown driver", s->driver);
	print_channels(s);
	printf("CPUs to use: %u, from CPU %u", s->ncpus, s->cpu[0]);
	if (s->node >= 0)
		printf("; NUMA node of the device: %d", s->node);
	putchar('\n');
	print_coalescing(s);
	print_rss(s);
	if (s->irqbalance)
		printf("irqbalance: runs, process %u\n", s->irqbalance);
	else
		puts("irqbalance: none to be seen");
	print_queues(pool, s);
	if (s->nunread)
		puts("not read:");
	for (size_t i = 0; i < s->nunread; i++)
		printf("  %s\n", s->unread[i]);
	print_plan(s, plan);
}

/* ---- JSON ---- */

static void json_text(struct fs_json *json, const char *name, const char *text)
{
	if (text)
		fs_json_string(json, name, text);
	else
		fs_json_number_or_null(json, name, -1);
}

static void json_irqs(struct fs_json *json, const struct fs_nic_state *s)
{
	fs_json_open(json, "interrupts", '[');
	for (unsigned i = 0; i < s->nirqs; i++) {
		const struct fs_nic_irq *irq = &s->irq[i];

		fs_json_open(json, NULL, '{');
		fs_json_number(json, "interrupt", irq->number);
		fs_json_string(json, "name", irq->name);
		fs_json_number_or_null(json, "rx", irq->rx);
		fs_json_number_or_null(json, "tx", irq->tx);
		json_text(json, "cpus", irq->cpus);
		fs_json_bool(json, "movable", !irq->fixed);
		fs_json_close(json, '}');
	}
	fs_json_close(json, ']');
}

static void json_queues(struct fs_json *json, struct fs_pool *pool, const char *name, const struct fs_nic_queue *queue,
			unsigned count, const char *mask, const char *more)
{
	fs_json_open(json, name, '[');
	for (unsigned i = 0; i < count; i++) {
		const char *cpus = queue[i].cpus ? mask_text(pool, queue[i].cpus) : NULL;

		fs_json_open(json, NULL, '{');
		fs_json_number(json, "queue", i);
		json_text(json, mask, cpus && !strcmp(cpus, "-") ? "" : cpus);
		json_text(json, more, queue[i].more);
		fs_json_close(json, '}');
	}
	fs_json_close(json, ']');
}

static void json_channels(struct fs_json *json, const struct fs_nic_state *s)
{
	const struct ethtool_channels *c = &s->channels;

	if (!s->has_channels) {
		fs_json_number_or_null(json, "channels", -1);
		return;
	}
	fs_json_open(json, "channels", '{');
	fs_json_number(json, "rx", c->rx_count);
	fs_json_number(json, "rx_max", c->max_rx);
	fs_json_number(json, "tx", c->tx_count);
	fs_json_number(json, "tx_max", c->max_tx);
	fs_json_number(json, "combined", c->combined_count);
	fs_json_number(json, "combined_max", c->max_combined);
	fs_json_close(json, '}');
}

static void json_coalescing(struct fs_json *json, const struct fs_nic_state *s)
{
	const struct ethtool_coalesce *c = &s->coalesce;

	if (!s->has_coalesce) {
		fs_json_number_or_null(json, "coalescing", -1);
		return;
	}
	fs_json_open(json, "coalescing", '{');
	fs_json_number(json, "rx_usecs", c->rx_coalesce_usecs);
	fs_json_number(json, "rx_packets", c->rx_max_coalesced_frames);
	fs_json_bool(json, "rx_adaptive", c->use_adaptive_rx_coalesce);
	fs_json_number(json, "tx_usecs", c->tx_coalesce_usecs);
	fs_json_number(json, "tx_packets", c->tx_max_coalesced_frames);
	fs_json_bool(json, "tx_adaptive", c->use_adaptive_tx_coalesce);
	fs_json_close(json, '}');
}

static void json_rss(struct fs_json *json, struct fs_pool *pool, const struct fs_nic_state *s)
{
	const char *key = s->has_key ? "" : NULL;

	for (unsigned i = 0; i < s->key_len; i++)
		key = fs_pool_printf(pool, "%s%s%02x", key, i ? ":" : "", s->key[i]);
	fs_json_open(json, "rss", '{');
	json_text(json, "key", key);
	fs_json_open(json, "table", '[');
	for (unsigned i = 0; i < s->table_len; i++)
		fs_json_number(json, NULL, s->table[i]);
	fs_json_close(json, ']');
	fs_json_close(json, '}');
}

static void json_notes(struct fs_json *json, const char *name, const struct fs_nic_note *note, size_t count)
{
	fs_json_open(json, name, '[');
	for (size_t i = 0; i < count; i++) {
		fs_json_open(json, NULL, '{');
		fs_json_string(json, "label", note[i].label);
		fs_json_string(json, "text", note[i].text);
		fs_json_close(json, '}');
	}
	fs_json_close(json, ']');
}

static void json_plan(struct fs_json *json, const struct fs_nic_plan *plan)
{
	fs_json_open(json, "changes", '[');
	for (size_t i = 0; i < plan->nchanges; i++) {
		const struct fs_nic_change *c = &plan->change[i];

		fs_json_open(json, NULL, '{');
		fs_json_string(json, "label", c->label);
		fs_json_string(json, "from", c->from);
		fs_json_string(json, "to", c->to.value);
		fs_json_string(json, "what", c->what);
		fs_json_string(json, "why", c->why);
		fs_json_close(json, '}');
	}
	fs_json_close(json, ']');
	json_notes(json, "left", plan->left, plan->nleft);
	json_notes(json, "advice", plan->advice, plan->nadvice);
}

void fs_nic_print_json(struct fs_pool *pool, const struct fs_nic_state *s, const struct fs_nic_plan *plan)
{
	struct fs_json json = {0};

	fs_json_open(&json, NULL, '{');
	fs_json_string(&json, "version", FS_VERSION_TEXT);
	fs_json_string(&json, "interface", s->interface);
	fs_json_string(&json, "driver", s->driver);
	fs_json_bool(&json, "hardware", s->hardware);
	fs_json_number_or_null(&json, "node", s->node);
	fs_json_open(&json, "cpus", '[');
	for (unsigned i = 0; i < s->ncpus; i++)
		fs_json_number(&json, NULL, s->cpu[i]);
	fs_json_close(&json, ']');
	json_channels(&json, s);
	json_irqs(&json, s);
	json_queues(&json, pool, "rx", s->rx, s->nrx, "rps", "rps_flow_cnt");
	json_queues(&json, pool, "tx", s->tx, s->ntx, "xps", "xps_rxqs");
	json_coalescing(&json, s);
	json_rss(&json, pool, s);
	fs_json_number_or_null(&json, "irqbalance", s->irqbalance ? (int64_t)s->irqbalance : -1);
	fs_json_open(&json, "unread", '[');
	for (size_t i = 0; i < s->nunread; i++)
		fs_json_string(&json, NULL, s->unread[i]);
	fs_json_close(&json, ']');
	json_text(&json, "record", s->record);
	json_plan(&json, plan);
	fs_json_close(&json, '}');
}
