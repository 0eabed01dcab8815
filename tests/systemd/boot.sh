#!/usr/bin/env bash
#
# Boot a separate host: systemd as PID 1 over an overlay of the real root.  Run by host.py.
#
# Usage: boot.sh DIRECTORY CGROUP [SHARED...]
#
# DIRECTORY contains upper/, work/, root/ and boot_id; CGROUP is a new directory of the unified hierarchy; each SHARED is
# a directory on another file system that must be visible.  Every mount is private to the new namespace, so nothing that
# the host does reaches the real file system.
set -euo pipefail

if [[ ${1:-} != --inside ]]; then
  # The host has its own cgroup too. It is killed when the process that boots it dies.
  echo $$ >"$2/cgroup.procs"
  exec setpriv --pdeathsig KILL \
    unshare --pid --mount --uts --ipc --cgroup --net --fork --kill-child "$0" --inside "$1" "${@:3}"
fi

folder=$2
root=$folder/root
mount --make-rprivate /
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
for shared in "${@:3}"; do
  mkdir -p -- "$root$shared"
  mount --bind -- "$shared" "$root$shared"
done
cd -- "$root"
mount -t proc proc proc
# Kernel settings belong to the real host, so they are read-only in here.
mount --bind -- proc/sys proc/sys
mount -o remount,bind,ro -- proc/sys
# The kernel keeps running over a "reboot". Only this file shows that there was one.
mount --bind -- "$folder/boot_id" proc/sys/kernel/random/boot_id
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup 2>/dev/null || {
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mount -t cgroup2 cgroup2 sys/fs/cgroup
}
# A separate /dev, because systemd creates links and nodes in it.
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
  : >"dev/$node"
  mount --bind -- "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
# systemd-tmpfiles empties /tmp. Without a separate one, it would empty the real one.
mount -t tmpfs -o mode=1777 tmpfs tmp
# The checkout may be below the real /tmp. Its interpreter and scripts must be visible anyway, and stay unchanged.
project=$(dirname -- "$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")")
if [[ $project == /tmp/* ]]; then
  mkdir -p -- "$root$project"
  mount --bind -- "$project" "$root$project"
  mount -o remount,bind,ro -- "$root$project"
fi
hostname controller
pivot_root . mnt
umount -l /mnt
export container=atvm-test PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec chroot . /usr/lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --log-level=info \
  --show-status=no
