//! What a version of the server can do.

/// Whether the server has the change types `EXTEND` and `PRUNE`: from 4.9.12 in the line 4.9, from 5.0.2 in 5.0, and
/// after it. Of a version that cannot be read the answer is no.
pub(super) fn has_single_record_changes(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '~', '+']).map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else { return false };
    let patch = numbers.next().unwrap_or(0);
    match (major, minor) {
        (4, 9) => patch >= 12,
        (5, 0) => patch >= 2,
        _ => (major, minor) > (5, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (version, has) in [
            ("4.7.3", false),
            ("4.9.11", false),
            ("4.9.12", true),
            ("4.9.14-1pdns.bookworm", true),
            ("5.0.0", false),
            ("5.0.0-beta1", false),
            ("5.0.2", true),
            ("5.1.0-alpha0", true),
            ("6.0", true),
            ("", false),
            ("0.0.20140613.4896.fa88ceb", false),
            ("git-5.1", false),
        ] {
            assert_eq!(has_single_record_changes(version), has, "{version}");
        }
    }
}
