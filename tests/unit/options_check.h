/* An environment of the tests' own, and options that are read from it. Included by one test at a time. */
#ifndef OPTIONS_CHECK_H
#define OPTIONS_CHECK_H

#include "lib/unit.h"

#include "core/options.h"

static struct {
	const char *variable;
	const char *value;
} environment[32];
static unsigned nenvironment;

static char *get(const char *variable)
{
	for (unsigned i = 0; i < nenvironment; i++) {
		if (!strcmp(environment[i].variable, variable))
			return (char *)environment[i].value;
	}
	return NULL;
}

static struct {
	char variable[32];
	char value[4096];
	char accepted[256];
} complaint[8];
static unsigned ncomplaints;

static void complain(const char *variable, const char *value, const char *accepted)
{
	ck_assert_uint_lt(ncomplaints, 8);
	snprintf(complaint[ncomplaints].variable, sizeof(complaint[0].variable), "%s", variable);
	snprintf(complaint[ncomplaints].value, sizeof(complaint[0].value), "%s", value);
	snprintf(complaint[ncomplaints].accepted, sizeof(complaint[0].accepted), "%s", accepted);
	ncomplaints++;
}

static void set(const char *variable, const char *value)
{
	environment[nenvironment].variable = variable;
	environment[nenvironment].value = value;
	nenvironment++;
}

static void reset(void)
{
	nenvironment = 0;
	ncomplaints = 0;
}

/* Options read into memory full of rubbish: what is not set has to be the default nevertheless. */
static struct fs_options read_options(void)
{
	struct fs_options options;

	memset(&options, 0xa5, sizeof(options));
	fs_options_read(&options, get, complain);
	return options;
}

static struct fs_options read_one(const char *variable, const char *value)
{
	reset();
	set(variable, value);
	return read_options();
}

#endif
