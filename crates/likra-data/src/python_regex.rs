//! Python's `re.sub`, by Oniguruma, where that is not Python.

use std::sync::LazyLock;

use onig::{Regex, RegexOptions, Region, SearchOptions, Syntax};

/// `re.sub(pattern, replacement, text, count)`; all matches without a count.
///
/// # Errors
///
/// If a pattern or replacement is not understood or takes too long, or Python would find other words.
pub(crate) fn sub(
    pattern: &str,
    replacement: &str,
    text: &str,
    count: Option<usize>,
) -> Result<String, String> {
    let refused = |message: String| format!("{pattern}: {message}");
    let mut classes = ["\\w", "\\W", "\\b", "\\B"].iter();
    let is_word = classes.any(|class| pattern.contains(class));
    if is_word && text.chars().any(is_word_elsewhere) {
        let message = "words of a text with combining marks or numerals other than digits";
        return Err(refused(format!("{message} are not supported")));
    }
    let regex = |option| {
        let regex = Regex::with_options(pattern, option, Syntax::python());
        regex.map_err(|error| refused(error.to_string()))
    };
    let any = regex(RegexOptions::REGEX_OPTION_NONE)?;
    let not_empty = regex(RegexOptions::REGEX_OPTION_FIND_NOT_EMPTY)?;
    // The library panics on a pattern that takes too many steps.
    let replaced = || replaced([&any, &not_empty], text, replacement, count);
    let replaced = likra_files::guarded(replaced).map_err(refused)?;
    replaced.map_err(|message| format!("{replacement}: {message}"))
}

/// Whether Python takes a character for one of a word and the library does not, or the other way around.
fn is_word_elsewhere(c: char) -> bool {
    static UNLIKE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"[\p{M}\p{No}\p{Nl}\p{Pc}&&[^_]]").ok());
    !c.is_ascii()
        && UNLIKE
            .as_ref()
            .is_none_or(|unlike| unlike.is_match(c.encode_utf8(&mut [0; 4])))
}

/// A text with the first `count` matches replaced: also empty ones that begin where another ends.
fn replaced(
    [any, not_empty]: [&Regex; 2],
    text: &str,
    replacement: &str,
    count: Option<usize>,
) -> Result<String, String> {
    let (mut result, mut region) = (String::new(), Region::new());
    let (mut done, mut from, mut is_empty) = (0, 0, false);
    let none = SearchOptions::SEARCH_OPTION_NONE;
    for _ in 0..count.unwrap_or(usize::MAX) {
        region.clear();
        // After an empty match another may begin at the same place that is not.
        let again =
            is_empty.then(|| not_empty.match_with_options(text, from, none, Some(&mut region)));
        if again == Some(None) {
            from += text[from..].chars().next().map_or(1, char::len_utf8);
        }
        if again.flatten().is_none() && from <= text.len() {
            any.search_with_options(text, from, text.len(), none, Some(&mut region));
        }
        let Some((start, end)) = region.pos(0) else {
            break;
        };
        result += &text[done..start];
        result += &expand(replacement, &region, text)?;
        (done, from, is_empty) = (end, end, start == end);
    }
    Ok(result + &text[done..])
}

/// A replacement with its groups `\1` put in.
fn expand(replacement: &str, groups: &Region, text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = replacement.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('\\') => result.push('\\'),
            Some(digit @ '1'..='9') => {
                let group = digit as usize - '0' as usize;
                if group >= groups.len() {
                    return Err(format!("no group {group}"));
                }
                let found = groups.pos(group);
                result += found.map_or("", |(start, end)| &text[start..end]);
            }
            _ => return Err("an escape other than \\1 to \\9".into()),
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by `CPython` 3.11.
    #[test]
    fn matches_are_replaced_as_in_python() {
        for (pattern, replacement, text, count, expected) in [
            (r"\[(.*?)\]", r"<\1>", "a[b]c [d", None, "a<b>c [d"),
            ("a", "b", "aa", Some(1), "ba"),
            ("x*", "-", "abxd", None, "-a-b--d-"),
            ("|a", "-", "aé", None, "---é-"),
            ("$", r"\n", "aé", None, "aé\n"),
            (r"\w+", "w", "één twee", None, "w w"),
        ] {
            let found = sub(pattern, replacement, text, count);
            assert_eq!(found.as_deref(), Ok(expected), "{pattern}");
        }
        for (pattern, replacement, text) in [
            ("(a+)+$", "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
            (r"\w", "x", "u\u{308} m\u{b2}"),
            ("a", r"\1", "a"),
            ("(", "", "a"),
        ] {
            assert!(sub(pattern, replacement, text, None).is_err(), "{pattern}");
        }
    }
}
