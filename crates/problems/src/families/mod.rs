//! The eight families, one file each, and what they share: expressions, balanced words, wrong
//! solutions.

mod arithmetic;
mod count_vowels;
mod dyck;
mod expression;
mod gcd;
mod parentheses;
mod registry;
mod reverse_words;
mod rpn;
mod sum_digits;
mod to_binary;
mod wrong;

pub use registry::{by_name, families, rule_by_id, solutions};
