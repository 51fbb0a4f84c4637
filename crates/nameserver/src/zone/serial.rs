//! Serial numbers of zones (RFC 1982).

/// The serial number after `current`: the Unix time, unless that is not later; then one more.
pub(super) fn next(current: u32, unix_time: u32) -> u32 {
    if is_later(unix_time, current) { unix_time } else { current.wrapping_add(1) }
}

/// Whether `a` is later than `b` (RFC 1982 section 3.2).
fn is_later(a: u32, b: u32) -> bool {
    (1..1 << 31).contains(&a.wrapping_sub(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_follows_the_clock_and_never_goes_back() {
        assert_eq!(next(1000, 2000), 2000);
        assert_eq!(next(2000, 2000), 2001);
        assert_eq!(next(2000, 1000), 2001);
        assert_eq!(next(u32::MAX, 1000), 1000);
        assert_eq!(next(u32::MAX, u32::MAX), 0);
    }

    proptest! {
        #[test]
        fn the_next_is_always_later(current: u32, unix_time: u32) {
            prop_assert!(is_later(next(current, unix_time), current));
        }
    }
}
