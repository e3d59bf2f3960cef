//! Whole numbers beyond 64 bits in JSON. The parser would round them to floats, and Python writes them as they are: here they get the
//! form that a `Value` is read from, `{"$int": "…"}`. Changes nothing else, and leaves what is wrong for the parser to find.

use std::borrow::Cow;

/// Fewer digits always fit.
const FITTING: usize = 18;

/// The same JSON with every long whole number tagged.
pub fn tagged(json: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut copied, mut at) = (Vec::new(), 0, 0);
    while at < json.len() {
        match json[at] {
            b'"' => at = end_of_string(json, at),
            b'-' | b'0'..=b'9' => {
                let end = at + json[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                if is_long_integer(&json[at..end]) {
                    out.extend([&json[copied..at], b"{\"$int\":\"", &json[at..end], b"\"}"].concat());
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.extend(&json[copied..]);
    Cow::Owned(out)
}

/// Behind the quote that ends the string which begins at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.eE".contains(&byte)
}

/// `0` stands before no other digit in JSON; such a number is left to the parser, which refuses it.
fn is_long_integer(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    digits.len() > FITTING && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use groklab_domain::Value;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn read(json: &str) -> Option<Value> {
        serde_json::from_slice(&tagged(json.as_bytes())).ok()
    }

    #[test]
    fn only_long_whole_numbers_change() {
        for same in
            ["123456789012345678", "1.2345678901234567890", "\"1234567890123456789012\"", "1e400", "\"\\\"12345678901234567890\"", "\"\\"]
        {
            assert!(matches!(tagged(same.as_bytes()), Cow::Borrowed(_)), "{same}");
        }
        assert_eq!(&*tagged(b"[-1234567890123456789, \"a\"]"), b"[{\"$int\":\"-1234567890123456789\"}, \"a\"]");
        assert_eq!((read("00000000000000000000000001"), read("-")), (None, None));
    }

    proptest! {
        #[test]
        fn whole_numbers_of_any_size_are_read(digits in "-?[1-9][0-9]{0,60}", text in ".{0,20}") {
            let json = serde_json::json!([text]).to_string();
            let want = Value::List(vec![Value::Int(digits.parse::<BigInt>().unwrap()), Value::List(vec![Value::str(text)])]);
            prop_assert_eq!(read(&format!("[{digits},{json}]")), Some(want));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'1')], 0..100)) {
            tagged(&bytes);
        }
    }
}
