//! What a pasted terminal session leaves around configuration lines.

use super::super::lexer::Line;

/// The line without the prompt of a pasted session, `R1(config)#` or `R1#`; `None` when it has none.
pub(super) fn without_prompt<'text>(line: &Line<'text>) -> Option<Line<'text>> {
    let first = line.tokens.first()?;
    let end = first.text.find(['#', '>'])?;
    let name = &first.text[..end];
    let (host, mode) = name.split_once('(').unwrap_or((name, ")"));
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_host || !mode.ends_with(')') {
        return None;
    }
    let mut line = line.clone();
    let first = line.tokens.first_mut()?;
    first.text = &first.text[end + 1..];
    first.range.start += end + 1;
    let empty = usize::from(first.text.is_empty());
    Some(line.without_first(empty))
}

/// A heading of `show running-config`.
pub(super) fn is_preamble(line: &Line<'_>) -> bool {
    let mut words = line.tokens.iter().map(|token| token.text);
    match (words.next(), words.next()) {
        (Some("Building"), Some(second)) => second.starts_with("configuration"),
        (Some("Current"), Some(second)) => second == "configuration",
        (Some("Using"), Some(second)) => second.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}
