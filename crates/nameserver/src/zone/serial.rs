//! Serial numbers of zones (RFC 1982).

/// Returns the serial number after `current`: the Unix time, or `current` plus one if that is later.
pub(super) fn next(current: u32, unix_time: u32) -> u32 {
    if is_later(unix_time, current) { unix_time } else { current.wrapping_add(1) }
}

/// Returns whether `a` is later than `b` (RFC 1982 section 3.2).
fn is_later(a: u32, b: u32) -> bool {
    (1..1 << 31).contains(&a.wrapping_sub(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn serial_follows_the_clock_and_never_decreases() {
        assert_eq!(next(1000, 2000), 2000);
        assert_eq!(next(2000, 2000), 2001);
        assert_eq!(next(2000, 1000), 2001);
        assert_eq!(next(u32::MAX, 1000), 1000);
        assert_eq!(next(u32::MAX, u32::MAX), 0);
    }

    proptest! {
        #[test]
        fn next_serial_is_always_later(current: u32, unix_time: u32) {
            prop_assert!(is_later(next(current, unix_time), current));
        }
    }
}
