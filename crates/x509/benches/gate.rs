//! Compares the gate with x509-parser and rcgen in one run: `cargo bench -p fleetcert-x509 --bench gate`.
//!
//! The candidates take turns, so that the load of the machine affects all alike; the result is the median of the
//! turns.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints, and ends where it cannot go on"
)]
#![allow(clippy::disallowed_methods, reason = "time is what is measured")]

#[path = "../tests/corpus/rows.rs"]
#[allow(dead_code, reason = "keys in use are not judged here")]
mod corpus;

use std::hint::black_box;
use std::time::{Duration, Instant};

use corpus::{Row, rows};
use fleetcert_x509::VerifiedCsr;
use rcgen::CertificateSigningRequestParams;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

const TURNS: usize = 41;
/// Minimum duration of a turn.
const TURN: Duration = Duration::from_millis(8);

type Work<'a> = (&'a str, Box<dyn Fn() + 'a>);

/// Returns the median time of each candidate, in nanoseconds.
fn medians(works: &[Work<'_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); works.len()];
    for _ in 0..TURNS {
        for ((_, work), times) in works.iter().zip(&mut times) {
            let begun = Instant::now();
            let mut count = 0u32;
            while begun.elapsed() < TURN || count == 0 {
                work();
                count += 1;
            }
            times.push(begun.elapsed().as_nanos() as f64 / f64::from(count));
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.iter_mut().map(median).collect()
}

fn show(works: &[Work<'_>]) -> Vec<f64> {
    let medians = medians(works);
    for ((what, _), nanoseconds) in works.iter().zip(&medians) {
        println!("{what:<46} {:>10.1} us {:>10.0} a second", nanoseconds / 1e3, 1e9 / nanoseconds);
    }
    medians
}

fn row(folder: &str, name: &str) -> Row {
    rows(folder).into_iter().find(|row| row.file.contains(name)).unwrap()
}

fn gate(row: &Row) -> impl Fn() + use<> {
    let (policy, row) = (row.policy(), row.clone());
    move || drop(black_box(VerifiedCsr::parse(black_box(&row.bytes), &policy)))
}

fn main() {
    println!("P-256, all checks, beside others:");
    let p256 = row("good", "openssl-p256-der");
    let der = p256.bytes.clone().into();
    let of_p256 = show(&[
        ("this gate", Box::new(gate(&p256))),
        (
            "x509-parser, parse and verify",
            Box::new(|| {
                let (_, csr) = X509CertificationRequest::from_der(black_box(&p256.bytes)).unwrap();
                csr.verify_signature().unwrap();
                black_box(&csr);
            }),
        ),
        (
            "rcgen, parse and verify",
            Box::new(|| {
                black_box(CertificateSigningRequestParams::from_der(black_box(&der)).unwrap());
            }),
        ),
    ]);
    println!(
        "this gate takes {:.2} times as long as the faster of the two",
        of_p256[0] / of_p256[1].min(of_p256[2])
    );

    println!("\nValid CSRs, all checks:");
    let files = [
        ("P-384", "openssl-p384.pem"),
        ("RSA-2048, all checks", "openssl-rsa2048.pem"),
        ("RSA-3072, all checks", "openssl-rsa3072.pem"),
        ("RSA-4096, all checks", "openssl-rsa4096.pem"),
        ("P-256 with 100 names", "python-hundred-names"),
    ];
    let good = files.map(|(what, file)| (what, Box::new(gate(&row("good", file))) as Box<dyn Fn()>));
    show(&good);

    println!("\nHostile CSRs:");
    let files = [
        ("over 16 KiB", "01-too-large.der"),
        ("a byte after the end", "03-after-byte"),
        ("3,500 levels", "04-deep-subject"),
        ("a point off the curve", "11-off-curve"),
        ("one letter changed, P-256", "08-name-changed"),
        ("2,000 names, validly signed", "23-2000-names"),
        ("RSA-4096 with close primes", "14-close-4096"),
        ("RSA-2048 of ROCA", "15-roca.der"),
        ("RSA-8192", "09-rsa-8192"),
    ];
    let hostile = files.map(|(what, file)| (what, Box::new(gate(&row("hostile", file))) as Box<dyn Fn()>));
    show(&hostile);
    let all = rows("hostile").iter().map(gate).collect::<Vec<_>>();
    let per_file = medians(&[("", Box::new(|| all.iter().for_each(|judge| judge())))])[0] / all.len() as f64;
    println!("all {} hostile files of the corpus, on average {:.1} us", all.len(), per_file / 1e3);
}
