//! Fuzz target: whatever a candidate writes to its result pipe, reading it ends in frames or in one
//! flaw, takes no more memory than the bytes suggest, and gives back what was written. `cargo test`
//! runs it on random bytes; `make fuzz` lets coverage guide it.

use groklab_domain::Value;
use groklab_worker_verify::wire::{
    frame::{Frame, Frames, Nonce},
    reader::Flaw,
    seen::Seen,
};

const NONCE: Nonce = *b"fuzzing!";

/// The frames up to the first flaw, and that flaw. After a flaw there is nothing.
fn read(bytes: &[u8]) -> (Vec<Frame>, Option<Flaw>) {
    let mut read = Vec::new();
    let mut frames = Frames::new(&NONCE, bytes);
    while let Some(frame) = frames.next() {
        match frame {
            Ok(frame) => read.push(frame),
            Err(flaw) => {
                assert!(frames.next().is_none(), "something follows a flaw");
                return (read, Some(flaw));
            }
        }
    }
    (read, None)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [NONCE.as_slice(), &length(body.len()), body].concat()
}

fn length(count: usize) -> [u8; 4] {
    u32::try_from(count)
        .expect("inputs are short")
        .to_le_bytes()
}

/// Values in `seen`, itself among them.
fn count(seen: &Seen) -> usize {
    1 + match seen {
        Seen::List(items) | Seen::Tuple(items) => items.iter().map(count).sum(),
        Seen::Dict(pairs) => pairs
            .iter()
            .map(|(key, value)| count(key) + count(value))
            .sum(),
        _ => 0,
    }
}

/// Reads `bytes`, and holds what must be true of any.
fn check(bytes: &[u8]) -> (Vec<Frame>, Option<Flaw>) {
    let (frames, flaw) = read(bytes);
    let values = frames.iter().map(|frame| {
        if let Frame::Returned { value, .. } = frame {
            count(value)
        } else {
            0
        }
    });
    assert!(
        // Each takes at least the byte of its tag.
        values.sum::<usize>() <= bytes.len(),
        "more values than bytes"
    );
    for frame in &frames {
        if let Frame::Returned { value, .. } = frame {
            assert!(
                // A character that would disturb a line is escaped, as in `\u{2028}`.
                value.describe(40).chars().count() <= 40 * 12,
                "a description is short"
            );
            // A value with a part that has no counterpart among ours can be no answer.
            assert!(value.to_value().is_some() || !value.answers(&Value::None));
        }
    }
    assert!(
        flaw.is_some() || frames.len() * (NONCE.len() + 5) <= bytes.len(),
        "a frame is 13 bytes at least"
    );
    (frames, flaw)
}

#[test]
fn any_bytes_are_frames_or_a_flaw() {
    bolero::check!().for_each(|bytes: &[u8]| {
        check(bytes);
    });
}

#[test]
fn any_bodies_are_frames_or_a_flaw() {
    bolero::check!()
        .with_type::<(Vec<(u8, Vec<u8>)>, u16)>()
        .for_each(|(bodies, cut): &(Vec<(u8, Vec<u8>)>, u16)| {
            // The kinds that `frame.rs` knows.
            let kind = |n: u8| b"RSXAVEBZ"[usize::from(n % 8)];
            // Among random bytes the tags of values would be rare.
            let body = |(n, rest): &(u8, Vec<u8>)| [&[kind(*n)], rest.as_slice()].concat();
            let bytes: Vec<u8> = bodies.iter().flat_map(|one| framed(&body(one))).collect();
            let (whole, _) = check(&bytes);
            // What is cut off gives the same beginning, whatever was to follow.
            let (part, _) = check(&bytes[..usize::from(*cut).min(bytes.len())]);
            assert!(
                part.len() <= whole.len()
                    && format!("{part:?}") == format!("{:?}", &whole[..part.len()])
            );
        });
}

/// One step of building a value: what kind, and what it is made of.
type Step = (u8, i64, String);

/// A value out of any steps: the simple ones are put on a stack, the others take what is there.
fn build(steps: &[Step]) -> Value {
    let mut stack: Vec<Value> = Vec::new();
    for (kind, number, text) in steps.iter().take(200) {
        let value = match kind % 8 {
            0 => Value::None,
            1 => Value::Bool(*number > 0),
            // The square, so that many are beyond 64 bits: Python's integers have no limit.
            2 => Value::int(i128::from(*number) * i128::from(*number)),
            // NaN equals nothing, so what is read could not be compared with what was written.
            3 => Value::Float(
                Some(f64::from_bits(number.cast_unsigned()))
                    .filter(|x| !x.is_nan())
                    .unwrap_or(0.5),
            ),
            4 => Value::str(text.clone()),
            5 => Value::List(std::mem::take(&mut stack)),
            6 => Value::Tuple(stack.split_off(stack.len() / 2)),
            _ => {
                // As in any dictionary, no two keys are the same.
                let keys =
                    (0..).map(|n| Value::Tuple(vec![Value::int(n), Value::str(text.clone())]));
                Value::Dict(keys.zip(std::mem::take(&mut stack)).collect())
            }
        };
        // The runner writes no value that is nested deeper than 64.
        stack.push(if depth(&value) < 60 {
            value
        } else {
            Value::None
        });
    }
    Value::Tuple(stack)
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::List(items) | Value::Tuple(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Dict(pairs) => pairs
            .iter()
            .map(|(key, value)| depth(key).max(depth(value)))
            .max()
            .unwrap_or(0),
        _ => 0,
    }
}

/// As the runner writes it, by its description in `seen.rs`.
fn write(value: &Value, out: &mut Vec<u8>) {
    let mut head = |tag: u8, count: usize| {
        out.push(tag);
        out.extend(length(count));
    };
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(b) => out.push(if *b { b'T' } else { b'F' }),
        Value::Int(n) => {
            let bytes = n.to_signed_bytes_le();
            head(b'I', bytes.len());
            out.extend(bytes);
        }
        Value::Float(x) => {
            out.push(b'D');
            out.extend(x.to_le_bytes());
        }
        Value::Str(text) => {
            head(b'U', text.len());
            out.extend(text.as_bytes());
        }
        Value::List(items) | Value::Tuple(items) => {
            head(
                if matches!(value, Value::List(_)) {
                    b'L'
                } else {
                    b'P'
                },
                items.len(),
            );
            items.iter().for_each(|item| write(item, out));
        }
        Value::Dict(pairs) => {
            head(b'M', pairs.len());
            pairs
                .iter()
                .for_each(|(key, value)| [key, value].iter().for_each(|part| write(part, out)));
        }
    }
}

#[test]
fn any_value_that_is_written_is_read() {
    bolero::check!().with_type::<(Vec<Step>, u32)>().for_each(
        |(steps, case): &(Vec<Step>, u32)| {
            let value = build(steps);
            let mut body = [b"V".as_slice(), &case.to_le_bytes()].concat();
            write(&value, &mut body);
            let bytes = [framed(b"R\x07\0\0\0\0\0\0\0"), framed(&body), framed(b"Z")].concat();
            let (frames, flaw) = check(&bytes);
            let [
                Frame::Ready { cpu },
                Frame::Returned {
                    case: read_case,
                    value: seen,
                },
                Frame::End,
            ] = &frames[..]
            else {
                panic!("{frames:?} {flaw:?}");
            };
            assert_eq!((cpu.as_nanos(), read_case, flaw), (7, case, None));
            assert_eq!(seen.to_value().as_ref(), Some(&value));
            assert_eq!(seen.answers(&value), value.answers(&value));
            assert!(
                !seen.answers(&Value::List(vec![value])),
                "nothing equals a list of itself"
            );
        },
    );
}
