//! Regular expressions of PEFT's configurations, which are Python's.

use std::collections::BTreeMap;

use onig::{MatchParam, Regex, RegexOptions, SearchOptions, Syntax};

use crate::{Error, Result};

/// Whether the whole of `text` matches, as `re.fullmatch(pattern, text)`.
pub(crate) fn full_match(key: &'static str, pattern: &str, text: &str) -> Result<bool> {
    let whole = format!(r"\A(?:{pattern})\Z");
    let refused = |error: onig::Error| Error::Pattern(key, pattern.into(), error.to_string());
    let regex = Regex::with_options(&whole, RegexOptions::REGEX_OPTION_NONE, Syntax::python());
    let (none, limits) = (SearchOptions::SEARCH_OPTION_NONE, MatchParam::default());
    // `is_match` panics where a pattern takes too many tries.
    let found = regex
        .map_err(refused)?
        .match_with_param(text, 0, none, None, limits);
    Ok(found.map_err(refused)?.is_some())
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
        let matches = full_match(key, &format!(r"(.*\.)?({pattern})"), module)?;
        if matches && found.replace(*value).is_some_and(|other| other != *value) {
            return Err(Error::Ambiguous(key, module.into()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_takes_too_many_tries_is_refused() {
        let pattern = ".*.*.*.*.*.*.*.*.*.*up_projx|.*(gate|up)_proj";
        let module = "model.layers.10.mlp.experts.up_proj.and.more.and.more.gate";
        let error = full_match("target_modules", pattern, module);
        assert!(error.unwrap_err().to_string().contains("target_modules"));
        assert!(full_match("target_modules", ".*(gate|up)_proj", "a.up_proj").unwrap());
        assert!(!full_match("target_modules", "up", "a.up").unwrap());
    }
}
