#!/bin/sh
# PID 1 of a user land: makes its view of the machine, gives up every capability, then only reaps orphans.
# Run by namespaces.py inside fresh user, mount, pid and ipc namespaces; says "ready" on stdout once it stands.
#   $1  the mounts, in fstab format        $2  a file to write, out of reach of the user
#   $3  whether the screen's socket is to be "hidden" or "shown"
set -eu

# The kernel's own masks of /proc do not reach the /proc that was mounted for this namespace: put them back. Which
# of these files exist depends on the kernel, and mount(8) would fail for the others.
while read -r what where rest; do
    case $what in '' | '#'*) continue ;; esac
    if [ -e "$where" ]; then echo "$what $where $rest"; fi
done <"$1" >"$2"
mount --all --fstab "$2"
# Shown, but read-only: who could put another socket there would be taken for the screen.
if [ "$3" = shown ]; then
    umount /tmp/.X11-unix
    mount -o bind /tmp/.X11-unix /tmp/.X11-unix
    mount -o remount,bind,ro,noexec,nosuid,nodev /tmp/.X11-unix
fi

# The kernel counts these by uid, over all boxes of the host: its limit (of inotify instances often 128) must not be one
# box's to use up. A limit of this namespace counts beside it.
echo 16 >/proc/sys/user/max_inotify_instances
echo 16384 >/proc/sys/user/max_inotify_watches

# Without user namespaces of its own, code here can never hold a capability, and most of the kernel's attack surface
# (mounts, netfilter, …) stays closed to it.
echo 0 >/proc/sys/user/max_user_namespaces
mount -o bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys

# Nothing here ever needs a capability again. The sleep ends once a day so that `wait` also forgets long-dead children.
exec setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all sh -c '
    echo ready
    exec >/dev/null 2>&1
    while :; do sleep 86400 & wait; done'
