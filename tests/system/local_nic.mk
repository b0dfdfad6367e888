# How an interface deals its packets out: fastsock nic.
NIC_TESTS = \
	tests/system/nic_cli.test \
	tests/system/nic_veth.test

TESTS += $(NIC_TESTS)
EXTRA_DIST += $(NIC_TESTS)
