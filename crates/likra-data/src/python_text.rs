//! Python's way with text, where it is not Rust's.
//!
//! The tests compare with `CPython` 3.11 over all of its characters (`fixtures/data/make_text.py`), but
//! for 6 rare ones that its Unicode 14 treats otherwise than the later one of Rust.

/// What Python's `str.strip` takes off: Unicode's white space and four separators of ASCII.
pub(crate) fn is_python_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// `str.capitalize`: the first character in title case, all others in lower case.
pub(crate) fn capitalize(text: &str) -> String {
    let Some(first) = text.chars().next() else {
        return String::new();
    };
    // All of it, for a sigma is final or not by what stands before it.
    let lower = text.to_lowercase();
    title_case(first)
        .into_iter()
        .chain(lower.chars().skip(first.to_lowercase().count()))
        .collect()
}

/// Unicode's full title case, which for most characters is the upper case.
fn title_case(character: char) -> Vec<char> {
    match character {
        // Digraphs, each in three forms, the one for titles in the middle.
        '\u{1c4}'..='\u{1c6}' => vec!['\u{1c5}'],
        '\u{1c7}'..='\u{1c9}' => vec!['\u{1c8}'],
        '\u{1ca}'..='\u{1cc}' => vec!['\u{1cb}'],
        '\u{1f1}'..='\u{1f3}' => vec!['\u{1f2}'],
        // Georgian has capitals only for text that is all capitals.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => vec![character],
        'ŉ' => vec!['ʼ', 'N'],
        // Greek with an iota that stays below: the small letters stand 8 before the capitals.
        '\u{1f80}'..='\u{1faf}' => char::from_u32(character as u32 | 8).into_iter().collect(),
        'ᾳ' | 'ᾼ' => vec!['ᾼ'],
        'ῃ' | 'ῌ' => vec!['ῌ'],
        'ῳ' | 'ῼ' => vec!['ῼ'],
        _ => title_of_upper(character),
    }
}

/// The upper case, of which only the first letter stays a capital: `ﬀ` gives `Ff`.
fn title_of_upper(character: char) -> Vec<char> {
    let mut upper = character.to_uppercase();
    let first = upper.next();
    let rest = upper.flat_map(|letter| match letter {
        // An iota below goes beside the letter only in upper case.
        'Ι' => '\u{345}'.to_lowercase(),
        _ => letter.to_lowercase(),
    });
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use sha2::{Digest, Sha256};

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        left_out: Vec<(u32, u32)>,
        sha256: String,
        samples: Vec<(String, String)>,
    }

    fn golden() -> Golden {
        let text = include_str!("../../../fixtures/data/python_text.json");
        serde_json::from_str(text).unwrap()
    }

    /// The generator script's texts around a character.
    fn around(character: char) -> Vec<String> {
        let c = character;
        let mut texts: Vec<String> = [
            format!("{c}"),
            format!(".{c}"),
            format!("{c}Σ"),
            format!(".a{c}Σ"),
            format!(".aΣ{c}"),
            format!(".aΣ{c}a"),
        ]
        .iter()
        .map(|text| capitalize(text))
        .collect();
        let spaced = format!("{c}a{c}");
        texts.push(spaced.trim_matches(is_python_space).to_owned());
        texts
    }

    #[test]
    fn every_character_is_treated_as_cpython_does() {
        let golden = golden();
        let mut digest = Sha256::new();
        let mut left_out = golden.left_out.into_iter().peekable();
        for code in 0..=u32::from(char::MAX) {
            left_out.next_if(|(_, last)| *last < code);
            if left_out.peek().is_some_and(|(first, _)| *first <= code) {
                continue;
            }
            for text in around(char::from_u32(code).unwrap()) {
                digest.update(text + "\0");
            }
        }
        let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
        assert_eq!(
            digest.finalize().iter().fold(String::new(), hex),
            golden.sha256
        );
    }

    #[test]
    fn drawn_texts_are_capitalized_as_cpython_does() {
        for (text, expected) in golden().samples {
            assert_eq!(capitalize(&text), expected, "{text:?}");
        }
    }
}
