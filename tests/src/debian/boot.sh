#!/bin/sh
# A Debian host of its own: this machine's file system with a layer above that takes all writes,
# own namespaces, and systemd as process 1. Called with a folder for the layer and a name for the
# control group; calls itself once more inside of the namespaces. Nothing outside is changed.
set -e
if [ "$3" != inside ]; then
    # systemd sees the control group it is started in as the root of all.
    for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd \
        /sys/fs/cgroup/memory /sys/fs/cgroup/pids; do
        [ -e "$root/cgroup.procs" ] || continue
        mkdir "$root/$2"
        echo $$ > "$root/$2/cgroup.procs"
    done
    exec unshare --pid --mount --net --uts --ipc --cgroup --fork --kill-child \
        sh "$0" "$1" "$2" inside
fi

mount --make-rprivate /
mount -t tmpfs layer "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t bpf bpf sys/fs/bpf
for folder in run tmp dev; do
    mount -t tmpfs "$folder" "$folder"
done
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs cgroups sys/fs/cgroup
    mkdir sys/fs/cgroup/unified sys/fs/cgroup/systemd sys/fs/cgroup/memory sys/fs/cgroup/pids
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd systemd sys/fs/cgroup/systemd
    mount -t cgroup -o memory memory sys/fs/cgroup/memory
    mount -t cgroup -o pids pids sys/fs/cgroup/pids
fi

# Nothing of this machine's own is started, and what a container forbids packages is allowed.
find etc/systemd/system -name '*.wants' -type d -prune -exec rm -r {} +
rm -f etc/fstab usr/sbin/policy-rc.d
: > etc/machine-id
printf '[Unit]\nWants=dbus.socket\nAfter=dbus.socket\n' > etc/systemd/system/test.target
# Two cables for interfaces that can be guarded.
ip link add wan0 type veth peer name far0
ip link add lan0 type veth peer name far1
for device in lo wan0 far0 lan0 far1; do
    ip link set "$device" up
done
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=guard-test \
    chroot . /lib/systemd/systemd --system --unit=test.target --log-target=journal
