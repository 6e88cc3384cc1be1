#!/bin/busybox sh
# The first process of the emulated machine: makes it ready, runs each test binary of /plan
# (a name and arguments a line), says how each ended, switches the machine off.
# Lines that begin with "guard-machine" are for xtask/src/test/kernel/console.rs.

/bin/busybox --install -s /bin

leave() {
    # What was written last may still be on its way to the console.
    sleep 1
    poweroff -f
}

must() {
    "$@" || {
        echo "guard-machine cannot $*"
        leave
    }
}

mkdir -p /proc /sys /dev /tmp /run
must mount -t proc proc /proc
must mount -t sysfs sysfs /sys
must mount -t devtmpfs devtmpfs /dev
must mount -t tmpfs tmpfs /tmp
must mount -t tmpfs tmpfs /run
must mount -t bpf bpf /sys/fs/bpf
for module in /modules/*.ko; do
    must insmod "$module"
done
must ip link set lo up
echo "guard-machine runs $(uname -r)"

# A test that cannot run here is a failure, not a skip.
export GUARD_REQUIRE_BPF=1 GUARD_BIN=/bin/guard

failed=0
while read -r name arguments; do
    echo "guard-machine begins $name"
    # shellcheck disable=SC2086 # the arguments are words
    "/tests/$name" $arguments </dev/null 2>&1
    code=$?
    [ "$code" = 0 ] || failed=$((failed + 1))
    # It may have died in the middle of a line.
    echo
    echo "guard-machine ended $name $code"
done </plan
echo "guard-machine done $failed"
leave
