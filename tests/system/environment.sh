# Sourced by the tests before they do anything, by whatever shell: what their caller has set for the library is about
# his programs, and reaches no test. FASTSOCK_LIB and FASTSOCK_CMD tell what to test.
# shellcheck shell=sh

for variable in $(env | sed -n 's/^\(FASTSOCK_[A-Z_]*\|FASTSOCK\|LD_PRELOAD\)=.*/\1/p'); do
	case $variable in
	FASTSOCK_LIB | FASTSOCK_CMD) ;;
	*) unset "$variable" ;;
	esac
done
