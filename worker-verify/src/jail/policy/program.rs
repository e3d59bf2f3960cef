//! The policy as programs for the kernel, in the classic BPF that seccomp takes.

use std::collections::BTreeMap;

use nix::libc;

use crate::jail::policy::calls::{
    ALLOWED, CONDITIONAL, Condition, EXIT_SIGNAL_MASK, EXIT_SIGNALS, FIXED_LIMITS, FORBIDDEN,
    IGNORED, NAMESPACE_FLAGS, REFUSED, SIGKILL, ZYGOTES_OWN,
};

/// Offsets in the kernel's `seccomp_data`; arguments are 64 bits each, the low half first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// `AUDIT_ARCH_X86_64`
const X86_64: u32 = 0xC000_003E;
/// The kernel's limit, `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;

/// What the kernel answers to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Allow,
    Errno(i32),
    Kill,
    Conditional(Condition),
}

/// The answer to what the table does not name.
const UNKNOWN: Answer = Answer::Errno(libc::ENOSYS);
const NOT_PERMITTED: libc::sock_filter = ret(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs());
const ALLOW: libc::sock_filter = ret(libc::SECCOMP_RET_ALLOW);
const KILL: libc::sock_filter = ret(libc::SECCOMP_RET_KILL_PROCESS);

/// Two programs, of whose answers the stricter counts: the zygote installs the first, which leaves
/// open what is its own, once for all its children; a child closes that with the second, short one.
pub fn programs() -> [Vec<u8>; 2] {
    let (mut first, mut second) = (table(), BTreeMap::new());
    for call in ZYGOTES_OWN {
        let number = call_number(call.number);
        // What the first leaves open to the zygote, the second answers as the table does.
        let answer = first.insert(number, Answer::Allow).unwrap_or(UNKNOWN);
        second.insert(number, answer);
    }
    [program(&first, UNKNOWN), program(&second, Answer::Allow)]
}

/// A search tree over ranges of numbers with the same answer: short to walk, because the kernel
/// tries every number when it is installed.
fn program(table: &BTreeMap<u32, Answer>, otherwise: Answer) -> Vec<u8> {
    let mut code = vec![
        load(ARCHITECTURE),
        // Numbers mean other calls on another architecture, such as 32-bit x86.
        instruction(libc::BPF_JMP | libc::BPF_JEQ, 1, 0, X86_64),
        KILL,
        load(NUMBER),
    ];
    code.extend(tree(&ranges(table, otherwise)));
    assert!(
        code.len() <= MAX_INSTRUCTIONS,
        "the kernel takes no longer programs"
    );
    code.iter().flat_map(encoded).collect()
}

fn call_number(number: i64) -> u32 {
    u32::try_from(number).expect("numbers of system calls are small")
}

/// The answers to the calls that are named.
fn table() -> BTreeMap<u32, Answer> {
    let mut table = BTreeMap::new();
    for (calls, answer) in [
        (FORBIDDEN, Answer::Kill),
        (REFUSED, Answer::Errno(libc::EPERM)),
        (IGNORED, Answer::Errno(0)),
        (ALLOWED, Answer::Allow),
    ] {
        for call in calls {
            table.insert(call_number(call.number), answer);
        }
    }
    for (calls, condition) in CONDITIONAL {
        for call in *calls {
            table.insert(call_number(call.number), Answer::Conditional(*condition));
        }
    }
    table
}

/// The first number of each range, and its answer up to the next range.
fn ranges(table: &BTreeMap<u32, Answer>, otherwise: Answer) -> Vec<(u32, Answer)> {
    let mut ranges = vec![(0, otherwise)];
    let mut last = otherwise;
    let mut start = |number, answer| {
        if answer != last {
            ranges.push((number, answer));
            last = answer;
        }
    };
    for (number, answer) in table {
        start(*number, *answer);
        // A gap in the table begins behind each number that has no neighbour.
        if !table.contains_key(&(number + 1)) {
            start(number + 1, otherwise);
        }
    }
    ranges
}

fn tree(ranges: &[(u32, Answer)]) -> Vec<libc::sock_filter> {
    if let [(_, answer)] = ranges {
        return leaf(*answer);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let low = tree(low);
    let distance = u32::try_from(low.len()).expect("a program is short");
    let mut code = vec![
        instruction(libc::BPF_JMP | libc::BPF_JGE, 0, 1, high[0].0),
        // A conditional jump reaches 255 steps, too few for a half of the table: it skips this one.
        instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, distance),
    ];
    code.extend(low);
    code.extend(tree(high));
    code
}

fn leaf(answer: Answer) -> Vec<libc::sock_filter> {
    match answer {
        Answer::Allow => vec![ALLOW],
        Answer::Errno(number) => vec![ret(libc::SECCOMP_RET_ERRNO | number.unsigned_abs())],
        Answer::Kill => vec![KILL],
        Answer::Conditional(Condition::Clone) => clone_leaf(),
        Answer::Conditional(Condition::OneOf(index, values)) => one_of_leaf(index, values),
        Answer::Conditional(Condition::NotKilling(index)) => vec![
            argument_low(index),
            jump_if_equal(SIGKILL, 0, 1),
            NOT_PERMITTED,
            ALLOW,
        ],
        Answer::Conditional(Condition::SetLimit) => {
            let [time, core] = FIXED_LIMITS;
            vec![
                argument_low(0),
                jump_if_equal(time, 1, 0),
                jump_if_equal(core, 0, 1),
                NOT_PERMITTED,
                ALLOW,
            ]
        }
        Answer::Conditional(Condition::SetOrGetLimit) => set_or_get_limit_leaf(),
    }
}

fn clone_leaf() -> Vec<libc::sock_filter> {
    let [none, child] = EXIT_SIGNALS;
    vec![
        argument_low(0),
        // The flags come first: making a namespace is killed for, whatever the signal is.
        instruction(libc::BPF_JMP | libc::BPF_JSET, 5, 0, NAMESPACE_FLAGS),
        instruction(libc::BPF_ALU | libc::BPF_AND, 0, 0, EXIT_SIGNAL_MASK),
        jump_if_equal(none, 1, 0),
        jump_if_equal(child, 0, 1),
        ALLOW,
        NOT_PERMITTED,
        KILL,
    ]
}

fn one_of_leaf(index: u32, values: &[u32]) -> Vec<libc::sock_filter> {
    let mut code = vec![argument_low(index)];
    for (place, value) in values.iter().enumerate() {
        // The jump skips the remaining tests and the refusal.
        let to_allow = u8::try_from(values.len() - place).expect("a list of values is short");
        code.push(jump_if_equal(*value, to_allow, 0));
    }
    code.extend([NOT_PERMITTED, ALLOW]);
    code
}

/// Refused if the limit is fixed and either half of the pointer to the new limit is not null.
fn set_or_get_limit_leaf() -> Vec<libc::sock_filter> {
    let [time, core] = FIXED_LIMITS;
    vec![
        argument_low(1),
        jump_if_equal(time, 1, 0),
        // Any other limit may be set: this skips the tests of the pointer and the refusal.
        jump_if_equal(core, 0, 5),
        argument_low(2),
        jump_if_equal(0, 0, 2),
        argument_high(2),
        jump_if_equal(0, 1, 0),
        NOT_PERMITTED,
        ALLOW,
    ]
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn argument_low(index: u32) -> libc::sock_filter {
    load(ARGUMENTS + 8 * index)
}

fn argument_high(index: u32) -> libc::sock_filter {
    load(ARGUMENTS + 8 * index + 4)
}

/// Skips `then` instructions if what was loaded is `value`, else `otherwise`.
fn jump_if_equal(value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ, then, otherwise, value)
}

const fn ret(action: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

const fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    assert!(code <= u16::MAX as u32, "codes have 16 bits");
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

/// As the kernel lays it out: `struct sock_filter`.
fn encoded(instruction: &libc::sock_filter) -> [u8; 8] {
    let [c0, c1] = instruction.code.to_le_bytes();
    let [k0, k1, k2, k3] = instruction.k.to_le_bytes();
    [c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jail::policy::calls::{Calls, FCNTL_COMMANDS};

    /// What the kernel would answer a candidate: the stricter of both programs' answers, which in
    /// the kernel's order is the lower one.
    fn run(number: u32, arguments: [u64; 3]) -> u32 {
        let [first, second] = programs().map(|program| answer(&program, number, arguments));
        if first.cast_signed() <= second.cast_signed() {
            first
        } else {
            second
        }
    }

    /// Runs one program on one call.
    fn answer(program: &[u8], number: u32, arguments: [u64; 3]) -> u32 {
        let word = |at: u32| match at {
            NUMBER => number,
            ARCHITECTURE => X86_64,
            at => (arguments[(at as usize - 16) / 8] >> (8 * ((at - 16) % 8))) as u32,
        };
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let step = &program[8 * at..8 * at + 8];
            let (code, k) = (
                u32::from(u16::from_le_bytes([step[0], step[1]])),
                u32::from_le_bytes(step[4..].try_into().unwrap()),
            );
            let jump = |condition: bool| usize::from(if condition { step[2] } else { step[3] });
            at += 1;
            match (code & 7, code & 0xf0) {
                (libc::BPF_LD, _) => accumulator = word(k),
                (libc::BPF_ALU, libc::BPF_AND) => accumulator &= k,
                (libc::BPF_RET, _) => return k,
                (libc::BPF_JMP, libc::BPF_JA) => at += k as usize,
                (libc::BPF_JMP, libc::BPF_JEQ) => at += jump(accumulator == k),
                (libc::BPF_JMP, libc::BPF_JGE) => at += jump(accumulator >= k),
                (libc::BPF_JMP, libc::BPF_JSET) => at += jump(accumulator & k != 0),
                other => panic!("{other:?}"),
            }
        }
    }

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | 1;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | 38;
    const KILLED: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    const ALLOWED_CALL: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn every_number_gets_the_answer_of_the_table() {
        let limits = [libc::SYS_setrlimit, libc::SYS_prlimit64];
        let signals = [libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill];
        let special = [
            &[libc::SYS_clone, libc::SYS_fcntl, libc::SYS_ioctl],
            &limits[..],
            &signals,
        ]
        .concat();
        let has = |calls: Calls, number: i64| calls.iter().any(|call| call.number == number);
        for number in (0..1000)
            .chain(0x4000_0000..0x4000_0400)
            .chain([i64::from(u32::MAX)])
            .filter(|n| !special.contains(n))
        {
            let want = match number {
                n if has(FORBIDDEN, n) => KILLED,
                n if has(REFUSED, n) => EPERM,
                n if has(IGNORED, n) => libc::SECCOMP_RET_ERRNO,
                n if has(ALLOWED, n) => ALLOWED_CALL,
                _ => ENOSYS,
            };
            assert_eq!(
                run(u32::try_from(number).unwrap(), [0; 3]),
                want,
                "{number}"
            );
        }
    }

    #[test]
    fn the_first_program_alone_lets_the_zygote_work_and_nothing_more() {
        let [first, _] = programs();
        for number in 0..1000 {
            let own = ZYGOTES_OWN
                .iter()
                .any(|call| call.number == i64::from(number));
            let want = if own {
                ALLOWED_CALL
            } else {
                run(number, [0; 3])
            };
            assert_eq!(answer(&first, number, [0; 3]), want, "{number}");
        }
    }

    #[test]
    fn arguments_decide_where_they_must() {
        assert_eq!(
            (
                run(56, [17, 0, 0]),
                run(56, [0x1000_0011, 0, 0]),
                run(56, [0x2_0000 | 1 << 40, 0, 0])
            ),
            (ALLOWED_CALL, KILLED, KILLED)
        );
        assert_eq!(
            [0, 1, 17, 0x3d_0f00, 9, 0x109, 18].map(|flags| run(56, [flags, 0, 0])),
            [
                ALLOWED_CALL,
                EPERM,
                ALLOWED_CALL,
                ALLOWED_CALL,
                EPERM,
                EPERM,
                EPERM
            ]
        );
        for command in 0..1100 {
            let want = if FCNTL_COMMANDS.contains(&command) {
                ALLOWED_CALL
            } else {
                EPERM
            };
            assert_eq!(
                (
                    run(72, [3, command.into(), 9]),
                    run(72, [3, 1 << 32 | u64::from(command), 9])
                ),
                (want, want),
                "{command}"
            );
        }
        assert_eq!(
            [0x541b, 0x5401, 0x5413, 0x5412, 1].map(|command| run(16, [0, command, 0])),
            [ALLOWED_CALL, ALLOWED_CALL, ALLOWED_CALL, EPERM, EPERM]
        );
        for (number, at) in [(62, 1), (200, 1), (234, 2)] {
            let signal = |signal| {
                run(
                    number,
                    std::array::from_fn(|index| if index == at { signal } else { 9 }),
                )
            };
            assert_eq!(
                [9, 1 << 32 | 9, 15, 0].map(signal),
                [EPERM, EPERM, ALLOWED_CALL, ALLOWED_CALL],
                "{number}"
            );
        }
        assert_eq!(
            (
                run(160, [4, 1, 0]),
                run(302, [0, 4, 1]),
                run(302, [0, 4, 1 << 32]),
                run(302, [0, 4, 0])
            ),
            (EPERM, EPERM, EPERM, ALLOWED_CALL)
        );
        assert_eq!(
            (
                run(160, [0, 1, 0]),
                run(160, [1 << 32, 1, 0]),
                run(160, [7, 1, 0])
            ),
            (EPERM, EPERM, ALLOWED_CALL)
        );
        assert_eq!(
            (
                run(302, [0, 0, 1]),
                run(302, [0, 1 << 32, 1 << 32]),
                run(302, [0, 0, 0]),
                run(302, [0, 7, 1])
            ),
            (EPERM, EPERM, ALLOWED_CALL, ALLOWED_CALL)
        );
    }
}
