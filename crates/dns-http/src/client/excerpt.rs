//! The beginning of an answer, fit to be shown.

/// Maximum characters of an answer that are shown.
const MAX_SHOWN: usize = 200;

/// The beginning of a body as one line without control characters. Secrets must be gone from it before: a cut could
/// leave a part of one that no search finds.
pub(super) fn excerpt(text: &str) -> String {
    let words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    let mut characters = words.flat_map(str::chars);
    let mut shown: String = characters.by_ref().take(MAX_SHOWN).flat_map(visible).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn visible(character: char) -> impl Iterator<Item = char> {
    // Quotes stay as they are: most answers are JSON.
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_short_line() {
        assert_eq!(excerpt(" a\r\n\t{\"b\":  1}\x1b "), "a {\"b\": 1}\\u{1b}");
        assert_eq!(excerpt(&"x".repeat(201)), format!("{}…", "x".repeat(200)));
        assert_eq!(excerpt(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(excerpt(""), "");
    }
}
