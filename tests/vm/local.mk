# Tests in a machine of their own (QEMU), with a NIC that has RSS.

VM_TESTS = \
	tests/vm/listeners.test \
	tests/vm/nic_setup.test \
	tests/vm/rss_nic.test \
	tests/vm/vlan.test

check_PROGRAMS += tests/vm/rx_cpu
tests_vm_rx_cpu_SOURCES = tests/vm/rx_cpu.c
tests_vm_rx_cpu_LDADD = -lpthread

TESTS += $(VM_TESTS)
EXTRA_DIST += $(VM_TESTS) \
	tests/vm/image.sh \
	tests/vm/init \
	tests/vm/kernel.sh \
	tests/vm/machine.sh \
	tests/vm/nginx_every_cpu.sh \
	tests/vm/nic.sh \
	tests/vm/nic_setup.sh \
	tests/vm/run-vm.sh

# The kernel, and the machine's files.
clean-local:
	rm -rf tests/vm/cache

.PHONY: clean-local
