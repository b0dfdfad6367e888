EXTRA_DIST += examples/demo.sh
