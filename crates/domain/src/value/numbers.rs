//! Numbers in JSON as Python reads them, where the parser would not: whole numbers beyond 64 bits,
//! which it rounds to floats, get the form `{"$int": "…"}`; `-0` is the int 0, which it takes for
//! the float -0.0. Refuses a number beyond every float. Changes nothing else, and leaves what is
//! wrong for the parser to find.

use std::borrow::Cow;

use super::Malformed;

/// Fewer digits always fit.
const FITTING: usize = 18;
/// A number that has no exponent and fewer digits than this is within the range of floats.
const SMALL: usize = 300;

/// The same JSON with the numbers that the parser would change in a form that it does not.
pub(super) fn as_python(json: &str) -> Result<Cow<'_, str>, Malformed> {
    let bytes = json.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = at
                    + bytes[at..]
                        .iter()
                        .take_while(|byte| is_of_number(**byte))
                        .count();
                if let Some(form) = other_form(&json[at..end])? {
                    out.push_str(&json[copied..at]);
                    out.push_str(&form);
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(json));
    }
    out.push_str(&json[copied..]);
    Ok(Cow::Owned(out))
}

/// What the parser is to read instead of this number, if it is not the number itself.
fn other_form(number: &str) -> Result<Option<Cow<'static, str>>, Malformed> {
    // Python has no negative integer zero; `-0.0` is another value and stays.
    if number == "-0" {
        return Ok(Some(Cow::Borrowed("0")));
    }
    if is_long_integer(number.as_bytes()) {
        return Ok(Some(Cow::Owned(format!("{{\"$int\":\"{number}\"}}"))));
    }
    // Parsing each number twice would cost time, and hardly any is so large.
    let may_be_large = number.len() > SMALL || number.contains(['e', 'E']);
    if may_be_large && number.parse().is_ok_and(f64::is_infinite) {
        let shown = super::shown(number);
        return Err(Malformed(format!(
            "`{shown}` is beyond every float; infinity is written `{{\"$float\": \"inf\"}}`"
        )));
    }
    Ok(None)
}

/// Behind the quote that ends the string which begins at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < json.len() && json[at] != b'"' {
        // A backslash takes the next byte along, which may be a quote that does not end the string.
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
    use crate::Value;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn read(json: &str) -> Option<Value> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn only_numbers_that_the_parser_changes_are_rewritten() {
        for same in [
            "123456789012345678",
            "1.2345678901234567890",
            "\"1234567890123456789012\"",
            "[-0.0, -0e0, -0E+1, -01, 0, \"-0\"]",
            "1e308",
            "\"1e400\"",
            "\"\\\"12345678901234567890\"",
            "\"\\",
        ] {
            assert!(matches!(as_python(same), Ok(Cow::Borrowed(_))), "{same}");
        }
        assert_eq!(
            as_python("[-1234567890123456789, \"a\"]").unwrap(),
            "[{\"$int\":\"-1234567890123456789\"}, \"a\"]"
        );
        assert_eq!(as_python("[-0,{\"-0\":-0}]").unwrap(), "[0,{\"-0\":0}]");
        assert_eq!(
            (read("00000000000000000000000001"), read("-")),
            (None, None)
        );
    }

    #[test]
    fn a_number_beyond_every_float_is_refused() {
        for large in [
            "1e400",
            "-1E+400",
            "1e309",
            &format!("{}.5", "9".repeat(400)),
        ] {
            let reason = as_python(large).unwrap_err().to_string();
            assert!(
                reason
                    .contains("is beyond every float; infinity is written `{\"$float\": \"inf\"}`"),
                "{reason}"
            );
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_of_any_size_are_read(digits in "-?[1-9][0-9]{0,60}", text in ".{0,20}") {
            let json = serde_json::json!([text]).to_string();
            let want = Value::List(vec![Value::Int(digits.parse::<BigInt>().unwrap()), Value::List(vec![Value::str(text)])]);
            prop_assert_eq!(read(&format!("[{digits},{json}]")), Some(want));
        }

        #[test]
        fn any_text_is_taken(text in "[\"1\\\\\u{e9}0e+.-]{0,100}|.{0,100}") {
            let _ = as_python(&text);
            let _ = read(&text);
        }
    }
}
