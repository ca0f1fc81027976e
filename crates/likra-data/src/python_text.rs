//! Python's way with text, where it is not Rust's.
//!
//! The tests compare with `CPython` 3.11 over all of its characters (`fixtures/data/make_text.py`). Rust
//! knows some that came into Unicode later.

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
        'Ǆ'..='ǆ' => vec![['ǅ', 'ǈ', 'ǋ'][(character as usize - 'Ǆ' as usize) / 3]],
        'Ǳ'..='ǳ' => vec!['ǲ'],
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
