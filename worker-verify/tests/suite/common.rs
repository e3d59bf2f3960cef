//! What the tests share: the real sandbox, and one small task for candidates: `solve(x)` must return `x + 1`.

use std::{
    fs,
    num::NonZero,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{LazyLock, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use groklab_domain::{Value, Verdict};
use groklab_worker_verify::{
    Case, Config, Limits, Nsjail, Outcome, Sandbox, Submission, Warm, judge::pool::Pool, locate,
    metrics::Metrics, verify,
};

pub fn config() -> Config {
    let nsjail = std::env::var_os("GROKLAB_NSJAIL").map(PathBuf::from);
    locate(nsjail, None, std::env::var_os("PATH").as_deref())
}

pub static NSJAIL: LazyLock<Nsjail> =
    LazyLock::new(|| Nsjail::new(&config()).expect("`make setup` has installed nsjail"));

pub static WARM: LazyLock<Warm> = LazyLock::new(|| Warm::new(NSJAIL.clone()));

/// Both paths, by name: what holds on one must hold on the other.
pub fn paths() -> [(&'static str, &'static dyn Sandbox); 2] {
    [("warm", &*WARM), ("cold", &*NSJAIL)]
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);

/// A pool of two threads.
pub fn two_at_once(sandbox: &dyn Sandbox) -> Pool<'_> {
    Pool {
        sandbox,
        threads: NonZero::new(2).expect("two is not zero"),
        metrics: &METRICS,
    }
}

pub const LIMITS: Limits = Limits {
    cpu: Duration::from_millis(400),
    memory_bytes: 256 << 20,
    output_bytes: 1 << 20,
};

/// `solve(1) == 2`, `solve(2) == 3`, `solve(3) == 4`; the first is visible.
pub fn increments() -> Vec<Case> {
    (1..=3)
        .map(|x| Case {
            args: vec![Value::int(x)],
            expected: Value::int(x + 1),
            visible: x == 1,
        })
        .collect()
}

pub fn submission(code: &str) -> Submission {
    Submission {
        text: code.as_bytes().to_vec(),
        candidate: None,
        entry: "solve".to_owned(),
        cases: increments(),
        limits: LIMITS,
    }
}

/// One that is left alone for ten seconds, so that something can be done to it from outside.
pub fn patient(code: &str) -> Submission {
    Submission {
        limits: Limits {
            cpu: Duration::from_secs(2),
            ..LIMITS
        },
        ..submission(code)
    }
}

/// How many times slower than an ordinary one this machine is, as an emulated one is: its candidates get so many times the CPU time.
pub static SLOWNESS: LazyLock<u32> = LazyLock::new(|| {
    std::env::var("GROKLAB_TEST_SLOWNESS").map_or(1, |text| text.parse().expect("a whole number"))
});

pub fn run_in(sandbox: &dyn Sandbox, submission: &Submission) -> Outcome {
    let mut submission = submission.clone();
    submission.limits.cpu *= *SLOWNESS;
    verify(sandbox, &submission, &AtomicBool::new(false))
}

/// On both paths, which must give the same verdict; what the warm path gives is returned.
pub fn run_both(submission: &Submission) -> Outcome {
    let [warm, cold] = paths().map(|(_, sandbox)| run_in(sandbox, submission));
    assert_eq!(
        warm.verdict, cold.verdict,
        "warm: {warm:#?}\ncold: {cold:#?}"
    );
    warm
}

pub fn run(code: &str) -> Outcome {
    run_both(&submission(code))
}

/// A task of one case without arguments.
pub fn nullary(code: &str, expected: Value) -> Submission {
    Submission {
        cases: vec![Case {
            args: vec![],
            expected,
            visible: false,
        }],
        ..submission(code)
    }
}

pub fn returns(code: &str, expected: Value) -> Outcome {
    run_both(&nullary(code, expected))
}

#[track_caller]
pub fn expect_in(sandbox: &dyn Sandbox, code: &str, verdicts: &[Verdict]) -> Outcome {
    let outcome = run_in(sandbox, &submission(code));
    assert!(verdicts.contains(&outcome.verdict), "{outcome:#?}");
    outcome
}

/// On both paths; what the warm path gives is returned.
#[track_caller]
pub fn expect(code: &str, verdicts: &[Verdict]) -> Outcome {
    expect_in(&*NSJAIL, code, verdicts);
    expect_in(&*WARM, code, verdicts)
}

/// A folder that candidates' user can look into, and not below `/tmp`, which is another one in the jail.
pub fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder can be made");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

/// The process ids of the zygote's children.
pub fn children(zygote: i32) -> Vec<i32> {
    let listed = std::fs::read_to_string(format!("/proc/{zygote}/task/{zygote}/children"))
        .expect("the zygote lives");
    listed
        .split_whitespace()
        .map(|pid| pid.parse().expect("process ids are numbers"))
        .collect()
}

/// How many seccomp filters are on a process; a container puts one on all of its own.
pub fn filters(pid: &str) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp_filters:"));
    count.map_or(0, |count| count.trim().parse().expect("it is a number"))
}

/// Waits for the zygote to have a child under both filters, its own and the candidate's: from then on it is a candidate.
pub fn running_candidate(zygote: i32) -> i32 {
    let since = Instant::now();
    let both = filters("self") + 2;
    loop {
        let children = children(zygote);
        if let Some(pid) = children
            .iter()
            .find(|pid| filters(&pid.to_string()) == both)
        {
            return *pid;
        }
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "no child with both filters: {children:?}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// `name: code => verdicts;` where the candidate's task is `solve(x) == x + 1`. Each is tried on both paths.
macro_rules! attacks {
    ($($name:ident: $code:expr => $($verdict:ident)|+;)+) => {
        $(mod $name {
            use groklab_domain::Verdict;
            #[test] fn warm() { crate::common::expect_in(&*crate::common::WARM, $code, &[$(Verdict::$verdict),+]); }
            #[test] fn cold() { crate::common::expect_in(&*crate::common::NSJAIL, $code, &[$(Verdict::$verdict),+]); }
        })+
    };
}
