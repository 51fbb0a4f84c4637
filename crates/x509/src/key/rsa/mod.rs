//! RSA moduli that anyone can factor: the four checks of a CA.
//!
//! All checks use only the public modulus. A refused key is certainly broken, except for the ROCA fingerprint, which
//! one good key in a hundred million has. A key that passes is not proved good. In particular, it is not checked that
//! the modulus is composite: that would take longer than the rest of the gate.

mod close_primes;
mod perfect_power;
mod roca;
mod small_factor;

use std::fmt;

use num_bigint::BigUint;

/// A way to factor a modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// This prime is a factor.
    SmallFactor(u32),
    /// It is a power with this exponent.
    PerfectPower(u32),
    /// Its factors are close to each other.
    ClosePrimes,
    /// It has the fingerprint of CVE-2017-15361.
    Roca,
}

/// Returns the first weakness of an odd modulus of a whole number of 32-bit words.
pub(crate) fn weakness(modulus: &[u8]) -> Option<Weakness> {
    if let Some(prime) = small_factor::small_factor(modulus) {
        return Some(Weakness::SmallFactor(prime));
    }
    let number = BigUint::from_bytes_be(modulus);
    if let Some(exponent) = perfect_power::exponent(modulus, &number) {
        return Some(Weakness::PerfectPower(exponent));
    }
    if close_primes::are_close(&number) {
        return Some(Weakness::ClosePrimes);
    }
    roca::has_fingerprint(modulus).then_some(Weakness::Roca)
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallFactor(prime) => write!(f, "its RSA modulus is divisible by {prime}"),
            Self::PerfectPower(exponent) => {
                write!(f, "its RSA modulus is a perfect power with the exponent {exponent}")
            }
            Self::ClosePrimes => write!(
                f,
                "the two small_primes_are_recognised of its RSA modulus are too close to each other"
            ),
            Self::Roca => write!(f, "its RSA modulus has the fingerprint of ROCA (CVE-2017-15361)"),
        }
    }
}

/// Returns `number` modulo `divisor`; the number is in big-endian octets, a whole number of 32-bit words.
fn residue(number: &[u8], divisor: u32) -> u32 {
    let (words, rest) = number.as_chunks::<4>();
    debug_assert!(rest.is_empty(), "the sizes of RSA keys are multiples of 32 bits");
    let divisor = u64::from(divisor);
    let residue = words
        .iter()
        .fold(0u64, |residue, word| (residue << 32 | u64::from(u32::from_be_bytes(*word))) % divisor);
    // Smaller than the divisor, which is one word.
    residue as u32
}

/// Returns the octets of a number, padded to whole words like those of a modulus.
#[cfg(test)]
fn whole_words(number: &BigUint) -> Vec<u8> {
    let octets = number.to_bytes_be();
    [&vec![0; octets.len().next_multiple_of(4) - octets.len()][..], &octets].concat()
}

/// Returns whether a number of one word is prime, by trial division.
const fn is_prime(number: u32) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= number {
        if number.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    number >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residues_match_those_of_big_integers() {
        assert_eq!(residue(&[0, 0, 0, 7], 5), 2);
        assert_eq!(residue(&[0, 0, 0, 1, 0, 0, 0, 0], 3), 1);
        assert_eq!(residue(&[0xff; 8], u32::MAX), 0);
        assert_eq!(residue(&[0xff; 512], 65_537), 0);
        let number = BigUint::from_bytes_be(&[0x5b; 256]);
        for divisor in [3, 751, 1_000_003, u32::MAX - 1] {
            assert_eq!(BigUint::from(residue(&[0x5b; 256], divisor)), &number % divisor);
        }
    }

    #[test]
    fn small_primes_are_recognised() {
        let small_primes_are_recognised = (0..30).filter(|number| is_prime(*number)).collect::<Vec<_>>();
        assert_eq!(small_primes_are_recognised, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(751) && !is_prime(751 * 751));
    }
}
