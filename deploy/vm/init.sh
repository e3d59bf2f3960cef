#!/bin/busybox sh
# Process 1 of the virtual machine: file systems, and a root that nsjail can leave. pivot_root is impossible on the one that the
# kernel has unpacked, so it is mounted once more over itself.
export PATH=/usr/bin:/bin
bb=/bin/busybox
$bb mount --bind / /new && cd /new && $bb mount --move . / && exec $bb chroot . /bin/busybox sh /stages.sh
