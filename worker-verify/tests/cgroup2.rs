//! Control groups of version 2 on a real tree: what stands beside the worker, what may not be written to, what its predecessors left.
//! Every scene is a group of its own, and this program started once more in it. Needs root and a tree that nobody else uses, which is
//! why each test is ignored unless asked for: `deploy/vm/run.sh` runs them in a virtual machine.

#![expect(
    clippy::unwrap_used,
    reason = "what helps the tests may panic as they do"
)]

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::channel,
    },
    thread,
    time::{Duration, Instant},
};

use groklab_domain::{Value, Verdict};
use groklab_worker_verify::{
    Case, Limits, Nsjail, Outcome, Sandbox, Submission, Warm, jail::cgroup, locate, verify,
};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    unistd::{Uid, setgid, setgroups, setuid},
};

const ROOT: &str = "/sys/fs/cgroup";
/// Set in a scene: what is to be done in it.
const SCENE: &str = "GROKLAB_CGROUP_SCENE";
const ORDINARY_USER: u32 = 10_001;

// ---- scenes ----------------------------------------------------------------------------------------------------------

/// A group of a test's own, as a container or a service has it. Removed, with what is in it, at the end.
struct Place {
    folder: PathBuf,
    beside: Vec<Child>,
}

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let kind = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            kind.lines()
                .any(|line| line.contains(&format!(" {ROOT} ")) && line.contains(" - cgroup2 ")),
            "a version 2 tree at {ROOT} is what these tests are about"
        );
        let root = Path::new(ROOT);
        write(
            &root.join("cgroup.subtree_control"),
            "+memory +pids +cpu +cpuset",
        );
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("test-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self {
            folder,
            beside: Vec::new(),
        }
    }

    /// Starts a process in the group that has nothing to do with the worker.
    fn beside(&mut self, script: &str) -> u32 {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null());
        enter(&mut command, &self.folder);
        let child = command.spawn().unwrap();
        let pid = child.id();
        self.beside.push(child);
        pid
    }

    /// Plays `scene` in the group, and returns what it says.
    fn play(&self, scene: &str) -> String {
        self.play_with(scene, |_| ())
    }

    fn play_with(&self, scene: &str, prepare: impl FnOnce(&mut Command)) -> String {
        play_in(&self.folder, scene, prepare)
    }

    fn part(&self) -> PathBuf {
        self.folder.join("groklab-verify-worker")
    }

    fn own(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// The groups right below.
    fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                parts.push(entry.file_name().into_string().unwrap());
            }
        }
        parts.sort();
        parts
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.beside {
            let _ = child.kill();
            let _ = child.wait();
        }
        remove(&self.folder);
    }
}

/// Removes a group and its parts, whose processes are ended first.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let since = Instant::now();
    while fs::remove_dir(folder).is_err() && since.elapsed() < Duration::from_secs(10) {
        for pid in fs::read_to_string(folder.join("cgroup.procs"))
            .unwrap_or_default()
            .split_whitespace()
        {
            let _ = Command::new("/bin/sh")
                .args(["-c", &format!("kill -9 {pid}")])
                .status();
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn play_in(folder: &Path, scene: &str, prepare: impl FnOnce(&mut Command)) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "within_a_scene",
            "--include-ignored",
            "--nocapture",
        ])
        .env(SCENE, scene);
    enter(&mut command, folder);
    prepare(&mut command);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{scene}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut said = Vec::new();
    for line in text.lines() {
        if let Some((_, words)) = line.split_once("said: ") {
            said.push(words);
        }
    }
    assert!(!said.is_empty(), "{scene}: {text}");
    said.join("\n")
}

/// Has the command's process begin in this group.
fn enter(command: &mut Command, folder: &Path) {
    let procs = folder.join("cgroup.procs");
    // SAFETY: one write between fork and exec; the path was made before.
    unsafe { command.pre_exec(move || fs::write(&procs, "0")) };
}

/// In namespaces of its own, with the tree mounted anew, as a container sees it.
fn as_in_a_container(command: &mut Command, more: MsFlags) {
    let prepare = move || {
        unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWNS)?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        // The same tree is not mounted over itself.
        umount2(ROOT, MntFlags::MNT_DETACH)?;
        mount(
            Some("cgroup2"),
            ROOT,
            Some("cgroup2"),
            MsFlags::empty(),
            none,
        )?;
        if !more.is_empty() {
            let again = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | more;
            mount(none, ROOT, none, again, none)?;
        }
        Ok(())
    };
    // SAFETY: system calls on constants between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

fn as_ordinary_user(command: &mut Command) {
    let prepare = || {
        setgroups(&[])?;
        setgid(ORDINARY_USER.into())?;
        setuid(ORDINARY_USER.into())?;
        Ok(())
    };
    // SAFETY: system calls on constants between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

// ---- what is done within a scene -------------------------------------------------------------------------------------

fn say(text: impl std::fmt::Display) {
    let mut out = io::stdout();
    for line in text.to_string().lines() {
        writeln!(out, "said: {line}").unwrap();
    }
}

/// No test by itself: the other tests start it in their groups.
#[test]
#[ignore = "the other tests of this file start it"]
fn within_a_scene() {
    let Ok(scene) = env::var(SCENE) else {
        return;
    };
    match scene.as_str() {
        "find" => say(cgroup::find().describe()),
        "find thrice" => {
            for _ in 0..3 {
                say(cgroup::find().describe());
            }
        }
        "sweep" => {
            let found = cgroup::find();
            let held = found.create().unwrap();
            cgroup::sweep();
            say(cgroup::own_groups().len());
            drop(held);
            say(cgroup::own_groups().len());
        }
        "eat" => eat(),
        "peak" => peak(),
        "ended as a whole" => say(cgroup::ended_as_a_whole().is_some()),
        other => panic!("no scene is called {other}"),
    }
}

/// How slow this machine is, as the other suites read it.
fn slowness() -> u32 {
    env::var("GROKLAB_TEST_SLOWNESS").map_or(1, |text| text.parse().expect("a number"))
}

fn run(sandbox: &dyn Sandbox, code: &str) -> Outcome {
    let submission = Submission {
        text: code.as_bytes().to_vec(),
        candidate: None,
        entry: "solve".to_owned(),
        cases: vec![Case {
            args: vec![Value::int(1)],
            expected: Value::int(2),
            visible: false,
        }],
        limits: Limits {
            cpu: Duration::from_secs(10) * slowness(),
            memory_bytes: 128 << 20,
            output_bytes: 1 << 20,
        },
    };
    verify(sandbox, &submission, &AtomicBool::new(false))
}

fn nsjail() -> Nsjail {
    let nsjail = env::var_os("GROKLAB_NSJAIL").map(PathBuf::from);
    let config = locate(nsjail, None, env::var_os("PATH").as_deref());
    Nsjail::new(&config).expect("`make setup` has installed nsjail")
}

const RIGHT: &str = "def solve(x): return x + 1";
/// Half of the memory in each of four processes.
const GREEDY: &str = "
import os
def solve(x):
    for _ in range(4):
        if os.fork() == 0:
            kept = bytearray(b'x') * (64 << 20)
            os._exit(0)
    try:
        while True: os.wait()
    except ChildProcessError: return x + 1";

/// On each path: a greedy candidate is out of memory, and what comes after it is not.
fn eat() {
    let cold = nsjail();
    let warm = Warm::new(cold.clone());
    say(warm.cgroups().describe());
    for (path, sandbox) in [("warm", &warm as &dyn Sandbox), ("cold", &cold)] {
        for code in [GREEDY, RIGHT] {
            let outcome = run(sandbox, code);
            say(format!("{path} {}", outcome.verdict));
            if outcome.verdict == Verdict::InfrastructureError {
                say(format!("{outcome:?}"));
            }
        }
    }
}

/// Whether the kernel said how much memory a candidate's processes took together, more than any one of them.
fn peak() {
    let outcome = run(
        &nsjail(),
        "
import os
def solve(x):
    ready, tell = os.pipe()
    go, hold = os.pipe()
    for _ in range(3):
        if os.fork() == 0:
            os.close(hold)
            kept = bytearray(b'x') * (25 << 20)
            os.write(tell, b'x')
            os.read(go, 1)
            os._exit(0)
    for _ in range(3): os.read(ready, 1)
    os.close(hold)
    for _ in range(3): os.wait()
    return x + 1",
    );
    say(format!(
        "{} {}",
        outcome.verdict,
        outcome.peak_memory_bytes >> 20
    ));
}

// ---- the tests -------------------------------------------------------------------------------------------------------

const FOUND: &str = "v2: memory pids";

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn alone_in_its_group() {
    let place = Place::new();
    assert_eq!(place.play("find"), FOUND);
    assert_eq!(place.own("cgroup.subtree_control").trim(), "memory pids");
    assert_eq!(place.parts(), ["groklab-verify-worker"]);
}

/// Process 1 of a container, say, and somebody's shell.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn with_others_beside_it() {
    let mut place = Place::new();
    let tini = place.beside("sleep 600; true");
    let shell = place.beside("exec sleep 600");
    assert_eq!(place.play("find"), FOUND);
    assert_eq!(place.own("cgroup.procs"), "");
    let moved = fs::read_to_string(place.part().join("cgroup.procs")).unwrap();
    for pid in [tini, shell] {
        assert!(
            moved.lines().any(|line| line == pid.to_string()),
            "{pid}: {moved}"
        );
    }
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn with_one_beside_it_that_never_stops_starting_others() {
    for _ in 0..5 {
        let mut place = Place::new();
        place.beside("while :; do /bin/true; done");
        assert_eq!(place.play("find"), FOUND);
    }
}

/// `docker exec` puts a process where process 1 is, since the group itself may hold none any more.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn started_once_more_beside_a_worker() {
    let mut place = Place::new();
    place.beside("sleep 600; true");
    assert_eq!(place.play("find"), FOUND);
    assert_eq!(play_in(&place.part(), "find", |_| ()), FOUND);
    assert!(fs::write(place.folder.join("cgroup.procs"), "0").is_err());
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn found_again_by_the_same_process() {
    let place = Place::new();
    assert_eq!(place.play("find thrice"), [FOUND; 3].join("\n"));
    assert_eq!(place.parts(), ["groklab-verify-worker"]);
    assert!(!place.part().join("groklab-verify-worker").exists());
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn groups_that_a_dead_worker_left_are_removed_and_its_own_are_seen() {
    let place = Place::new();
    for name in [
        "groklab-verify-4194000-0",
        "groklab-verify-4194000-1",
        "somebody-elses",
    ] {
        fs::create_dir(place.folder.join(name)).unwrap();
    }
    assert_eq!(place.play("sweep"), "1\n0");
    assert_eq!(place.parts(), ["groklab-verify-worker", "somebody-elses"]);
}

/// The container's own tree, writable, with process 1 beside the worker.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn in_a_container_with_a_writable_tree() {
    let mut place = Place::new();
    place.beside("sleep 600; true");
    let said = place.play_with("eat", |command| {
        as_in_a_container(command, MsFlags::empty())
    });
    assert_eq!(
        said,
        format!("{FOUND}\nwarm out_of_memory\nwarm passed\ncold out_of_memory\ncold passed")
    );
    assert_eq!(place.parts(), ["groklab-verify-worker"]);
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn a_read_only_tree_is_said_to_be_one() {
    let place = Place::new();
    let said = place.play_with("find", |command| {
        as_in_a_container(command, MsFlags::MS_RDONLY)
    });
    assert!(
        said.contains("mounted read-only") && said.contains("writable-cgroups"),
        "{said}"
    );
    assert_eq!(place.parts(), [] as [&str; 0]);
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn a_group_without_the_memory_controller_is_said_to_be_one() {
    let place = Place::new();
    write(
        &place.folder.join("cgroup.subtree_control"),
        "+cpuset +pids",
    );
    let below = place.folder.join("below");
    fs::create_dir(&below).unwrap();
    let said = play_in(&below, "find", |_| ());
    assert!(
        said.contains("no memory controller (only: cpuset pids)"),
        "{said}"
    );
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn beside_the_cpuset_controller_alone() {
    let place = Place::new();
    write(
        &place.folder.join("cgroup.subtree_control"),
        "+cpuset +memory",
    );
    let below = place.folder.join("below");
    fs::create_dir(&below).unwrap();
    assert_eq!(play_in(&below, "find", |_| ()), "v2: memory");
}

/// A process that is not in this container's process namespace can't be moved: nothing is, then.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn beside_a_process_that_it_cannot_move() {
    let mut place = Place::new();
    let outside = place.beside("exec sleep 600");
    let (entered, has_entered) = channel();
    let folder = place.folder.clone();
    // The namespace of processes is for the children of the thread that makes it.
    let played = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        entered.send(()).unwrap();
        play_in(&folder, "find", |_| ())
    });
    has_entered.recv().unwrap();
    let said = played.join().unwrap();
    assert!(
        said.contains("is busy: it can't be divided while it holds processes 0,"),
        "{said}"
    );
    assert_eq!(place.own("cgroup.procs").trim(), outside.to_string());
    assert_eq!(place.parts(), [] as [&str; 0]);
}

/// What `Delegate=yes` does for a service with a user of its own.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn an_ordinary_user_whose_group_it_is() {
    let mut place = Place::new();
    place.beside("sleep 600; true");
    for name in [
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
    ] {
        chown(
            place.folder.join(name),
            Some(ORDINARY_USER),
            Some(ORDINARY_USER),
        )
        .unwrap();
    }
    let said = place.play_with("eat", as_ordinary_user);
    assert_eq!(
        said,
        format!("{FOUND}\nwarm out_of_memory\nwarm passed\ncold out_of_memory\ncold passed")
    );
}

#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn an_ordinary_user_whose_group_it_is_not() {
    let place = Place::new();
    assert!(Uid::current().is_root());
    let said = place.play_with("find", as_ordinary_user);
    assert!(
        said.contains("user 10001 may not write to") && said.contains("Delegate=yes"),
        "{said}"
    );
    assert_eq!(place.parts(), [] as [&str; 0]);
}

/// As Kubernetes sets it for a container: a candidate over its own limit still ends alone.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn in_a_group_that_is_ended_as_a_whole() {
    let place = Place::new();
    assert_eq!(place.play("ended as a whole"), "false");
    write(&place.folder.join("memory.oom.group"), "1");
    assert_eq!(place.play("ended as a whole"), "true");
    let said = place.play("eat");
    assert_eq!(
        said,
        format!("{FOUND}\nwarm out_of_memory\nwarm passed\ncold out_of_memory\ncold passed")
    );
}

/// A limit of the container that is hit before the candidate's own is no verdict on the candidate.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn memory_that_the_container_lacks_is_no_verdict() {
    let place = Place::new();
    write(
        &place.folder.join("memory.max"),
        &(100u64 << 20).to_string(),
    );
    let said = place.play("eat");
    assert!(
        !said.contains("out_of_memory") && said.contains("warm passed"),
        "{said}"
    );
}

/// Without `memory.peak` (before Linux 5.19) it is that of the largest process.
#[test]
#[ignore = "needs a version 2 tree of its own: deploy/vm/run.sh"]
fn the_peak_is_that_of_all_processes_where_the_kernel_counts_it() {
    let place = Place::new();
    let said = place.play("peak");
    let (verdict, mib) = said.split_once(' ').unwrap();
    let mib: u64 = mib.parse().unwrap();
    assert_eq!(verdict, "passed");
    let counts = place.folder.join("memory.peak").exists();
    assert_eq!(
        mib > 75,
        counts,
        "{mib} MiB, counted by the kernel: {counts}"
    );
    assert!((25..160).contains(&mib), "{mib} MiB");
}
