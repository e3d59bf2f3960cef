//! White space at the beginning of lines.

/// White space at the beginning, bytes.
pub(super) fn indent(line: &[u8]) -> usize {
    line.iter()
        .take_while(|&&byte| byte == b' ' || byte == b'\t')
        .count()
}

/// White space at the beginning, columns; a tab counts as four.
pub(super) fn columns(line: &[u8]) -> usize {
    line[..indent(line)]
        .iter()
        .map(|&byte| if byte == b'\t' { 4 } else { 1 })
        .sum()
}
