# Runs the stages in the virtual machine, and says on the console how each went. Every line for the host begins with `vm-`.
export PATH=/usr/bin:/bin
bb=/bin/busybox
. /stages.env
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
$bb mkdir -p /dev/shm /dev/mqueue /run/lock
$bb mount -t tmpfs -o mode=1777 shm /dev/shm
$bb mount -t mqueue mqueue /dev/mqueue
$bb mount -t cgroup2 cgroup2 /sys/fs/cgroup
$bb ip link set lo up 2>/dev/null
echo vm-is-up
$bb grep -q groklab.probe /proc/cmdline && $bb reboot -f
GROKLAB_TEST_SLOWNESS=$($bb sed 's/.*groklab.slowness=\([0-9]*\).*/\1/' /proc/cmdline)
export GROKLAB_TEST_SLOWNESS

now() { $bb cut -d. -f1 /proc/uptime; }

# Runs a command in a group of its own, beside a process that is none of its, as in a container with a process 1. One
# for each stage: who runs in it makes groups below it, and such a group takes no process any more.
in_a_box() {
    box=/sys/fs/cgroup/box-$name
    echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
    $bb mkdir "$box"
    sh -c 'echo $$ >"$0/cgroup.procs" && exec sleep 100000' "$box" &
    beside=$!
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$box" "$@"
    status=$?
    kill "$beside"
    return "$status"
}

# stage NAME PATTERN COMMAND…: passed if the command is and says PATTERN; the last such line stands for it.
stage() {
    name=$1 pattern=$2
    shift 2
    case " $stages " in *" $name "*) ;; *) return 0 ;; esac
    since=$(now)
    { "$@" 2>&1; echo $? >/tmp/status; } | $bb tee /tmp/log | /usr/bin/sed -u 's/^/vm-log: /'
    read -r status </tmp/status
    details=$($bb grep -e "$pattern" /tmp/log | $bb tail -1)
    if [ "$status" = 0 ] && [ -n "$details" ]; then result=passed; else result=failed; fi
    [ "$result" = passed ] || $bb sed 's/^/vm-shows: /' /tmp/log
    echo "vm-stage: $name $result $(($(now) - since)) ${details:-status $status}"
}

stage doctor 'cgroups.*v2: memory pids' in_a_box "$worker" doctor
stage groups 'test result: ok' "$groups_test" --include-ignored --show-output
# One test compares files of the repository, which is not in the machine.
stage unit 'test result: ok' in_a_box "$unit_test" --skip the_files_of_the_repository_are_current
# shellcheck disable=SC2086 # A list of words.
stage suite 'test result: ok' in_a_box "$suite_test" $only
stage soak "^ *$soak candidates: .* 0 wrong" in_a_box "$worker" soak --count "$soak" --cpu-ms $((100 * GROKLAB_TEST_SLOWNESS))
$bb reboot -f
