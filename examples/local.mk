# The demonstration and the test run stand alone: they build what they need.
EXTRA_DIST += \
	examples/demo.sh \
	tests/run.sh \
	tests/lib/packages.sh
