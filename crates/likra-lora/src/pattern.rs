//! Regular expressions of PEFT's configurations, which are Python's.

use std::collections::BTreeMap;

use onig::{Regex, RegexOptions, Syntax};

use crate::{Error, Result};

/// Whether the whole of `text` matches, as `re.fullmatch(pattern, text)`.
pub(crate) fn full_match(key: &'static str, pattern: &str, text: &str) -> Result<bool> {
    let whole = format!(r"\A(?:{pattern})\Z");
    let regex = Regex::with_options(&whole, RegexOptions::REGEX_OPTION_NONE, Syntax::python());
    let regex = regex.map_err(|error| Error::Pattern {
        key,
        pattern: pattern.into(),
        message: error.to_string(),
    })?;
    Ok(regex.is_match(text))
}

/// The value of the pattern that fits the end of `module` (`get_pattern_key` of PEFT).
///
/// PEFT takes the first in the order of the file, which is lost when the file is read: several patterns
/// for one module must have one value.
pub(crate) fn chosen<T: Copy + PartialEq>(
    key: &'static str,
    patterns: &BTreeMap<String, T>,
    module: &str,
) -> Result<Option<T>> {
    let mut found = None;
    for (pattern, value) in patterns {
        if !full_match(key, &format!(r"(.*\.)?({pattern})"), module)? {
            continue;
        }
        if found.is_some_and(|found| found != *value) {
            return Err(Error::Ambiguous {
                key,
                module: module.into(),
            });
        }
        found = Some(*value);
    }
    Ok(found)
}
