//! Rule 32: time and memory of the gate, over the corpus and over expensive input.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]
#![allow(clippy::disallowed_methods, reason = "time is what is measured")]

#[path = "corpus/rows.rs"]
#[allow(dead_code, reason = "keys in use are not judged here")]
mod corpus;

use std::time::{Duration, Instant};

use allocation_counter::measure;
use corpus::rows;
use fleetcert_x509::{CsrPolicy, VerifiedCsr};

/// Returns the shortest of several runs, so that other processes are not measured.
fn shortest(times: u32, mut run: impl FnMut()) -> Duration {
    let one = |_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    (0..times).map(one).min().unwrap()
}

#[test]
fn time_and_memory_over_the_corpus() {
    for row in ["good", "hostile"].into_iter().flat_map(rows) {
        let policy = row.policy();
        let took = shortest(5, || drop(VerifiedCsr::parse(&row.bytes, &policy)));
        // RSA of 4096 bits has 512 octets of key and 512 of signature.
        let limit = if row.bytes.len() > 1000 { 25 } else { 5 };
        assert!(took < Duration::from_millis(limit), "{}: {took:?}", row.file);
        let memory = measure(|| drop(VerifiedCsr::parse(&row.bytes, &policy)));
        assert!(memory.bytes_max < 128 * 1024, "{}: {memory:?}", row.file);
        assert!(memory.bytes_current == 0, "{}: {memory:?}", row.file);
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let header = match content.len() {
        0..0x80 => vec![tag, length[3]],
        0x80..0x100 => vec![tag, 0x81, length[3]],
        _ => vec![tag, 0x82, length[2], length[3]],
    };
    [&header, content].concat()
}

/// Longer hostile input may cost bytes in proportion, but only a fixed number of allocations.
#[test]
fn allocations_do_not_grow_with_hostile_input() {
    let nested = |levels: usize| (0..levels).fold(Vec::new(), |inner, _| element(0x30, &inner));
    type Maker = fn(usize) -> Vec<u8>;
    let makers: [(&str, Maker); 5] = [
        ("many empty elements", |size| element(0x30, &[0x30, 0].repeat(size / 2))),
        ("one long string", |size| element(0x30, &element(0x0c, &vec![b'a'; size]))),
        ("one long OID", |size| element(0x30, &element(0x06, &vec![0x81; size]))),
        ("a subject of many parts", |size| {
            let part = element(
                0x31,
                &element(0x30, &[&element(6, &[0x55, 4, 3])[..], &element(0x0c, b"a")].concat()),
            );
            element(0x30, &element(0x30, &[&[2, 1, 0][..], &element(0x30, &part.repeat(size / 20))].concat()))
        }),
        ("spaces and then PEM", |size| {
            [&vec![b' '; size][..], b"\n-----BEGIN CERTIFICATE REQUEST-----\n"].concat()
        }),
    ];
    for (what, make) in makers {
        let [small, large] = [500, 16_000].map(|size| {
            let bytes = make(size);
            measure(|| drop(VerifiedCsr::parse(&bytes, &CsrPolicy::device())))
        });
        assert!(large.count_total <= small.count_total + 2, "{what}: {small:?} and {large:?}");
        assert!(large.bytes_max < 100 * 1024, "{what}: {large:?}");
    }
    let [flat, deep] = [10, 3500].map(|levels| {
        let bytes = nested(levels);
        measure(|| drop(VerifiedCsr::parse(&bytes, &CsrPolicy::device())))
    });
    assert!(deep.count_total <= flat.count_total + 4, "{flat:?} and {deep:?}");
    let too_large = vec![b'-'; 10 << 20];
    let refused = measure(|| drop(VerifiedCsr::parse(&too_large, &CsrPolicy::device())));
    assert!(refused.bytes_total < 1024, "{refused:?}");
}

/// A signed CSR of many names, of which each is checked.
#[test]
fn many_names_cost_no_more_than_the_policy_allows() {
    let row = rows("hostile").into_iter().find(|row| row.file == "hostile/23-2000-names.der").unwrap();
    let memory = measure(|| drop(VerifiedCsr::parse(&row.bytes, &CsrPolicy::lets_encrypt())));
    assert!(memory.count_total < 500, "{memory:?}");
    assert!(memory.bytes_max < 64 * 1024, "{memory:?}");
}
