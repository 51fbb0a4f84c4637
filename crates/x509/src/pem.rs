//! Strict PEM (RFC 7468), bounded by its input.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::X509Error;

pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";

/// One block. It may contain a private key, so it is wiped when dropped.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Returns all blocks of `text`, at most `most`. Text between blocks is skipped (RFC 7468 section 2).
pub(crate) fn blocks(text: &[u8], most: usize) -> Result<Vec<Block<'_>>, X509Error> {
    let text = std::str::from_utf8(text).map_err(|_| X509Error::malformed("PEM must be text"))?;
    let mut lines = text.lines().map(str::trim_ascii_end);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "-----BEGIN ") else {
            if line.starts_with("-----") {
                return Err(X509Error::malformed("a PEM boundary is misplaced or cut off"));
            }
            continue;
        };
        if blocks.len() == most {
            return Err(X509Error::malformed(format!("there are more than {most} PEM blocks")));
        }
        // Reserve all space at once, so that no part of a key is left behind; but not more, as the rest may be long.
        let body = lines.clone().take_while(|line| !line.starts_with("-----END "));
        let mut base64 = Zeroizing::new(Vec::with_capacity(body.map(str::len).sum()));
        loop {
            let line = lines.next().ok_or_else(|| X509Error::malformed("a PEM block has no end"))?;
            if boundary(line, "-----END ") == Some(label) {
                break;
            }
            base64.extend_from_slice(line.as_bytes());
        }
        blocks.push(Block { label, der: decode(&base64)? });
    }
    Ok(blocks)
}

fn boundary<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

fn decode(base64: &[u8]) -> Result<Zeroizing<Vec<u8>>, X509Error> {
    let mut der = Zeroizing::new(vec![0; base64.len() / 4 * 3 + 3]);
    let length = STANDARD
        .decode_slice(base64, &mut der)
        .map_err(|_| X509Error::malformed("a PEM block contains something other than base64"))?;
    der.truncate(length);
    Ok(der)
}

/// Returns one block as text, in lines of 64 characters.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    // The capacity is sufficient, so that no partial copy of a key stays in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(der.len() / 48 * 65 + 2 * label.len() + 128));
    text.extend(["-----BEGIN ", label, "-----\n"]);
    for line in der.chunks(48) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_texts_are_rejected() {
        for bad in [
            "-----BEGIN A-----\nAAAA\n",
            "-----BEGIN A-----\nAAAA\n-----END B-----\n",
            "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nAAAA\n-----END A-----\n",
            "-----BEGIN A-----\nAAA\n-----END A-----\n",
            "-----BEGIN A-----\n-----BEGIN A-----\nAAAA\n-----END A-----\n",
            "-----END A-----\n",
            "-----BEGIN A-----\nAAAA\n-----END A-----\n-----BEGIN A",
            "-----BEGIN A-----\nAAAA\n-----END A-----\n-----BEGIN A-----\nAAAA\n-----END A-----\n",
        ] {
            assert!(blocks(bad.as_bytes(), 1).is_err(), "{bad}");
        }
        assert!(blocks(b"\xff", 1).is_err());
    }

    #[test]
    fn surrounding_text_and_other_line_ends_are_accepted() {
        let text = "subject=x\r\n-----BEGIN A-----\r\nAAAA \r\n-----END A-----\r\nmore";
        let blocks = blocks(text.as_bytes(), 1).unwrap();
        assert_eq!((blocks[0].label, blocks[0].der.as_slice()), ("A", &[0, 0, 0][..]));
    }

    proptest! {
        #[test]
        fn encoded_block_is_read_back(der: Vec<u8>) {
            let text = encode(CERTIFICATE, &der);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            let blocks = blocks(text.as_bytes(), 1).unwrap();
            prop_assert_eq!(blocks[0].label, CERTIFICATE);
            prop_assert_eq!(&*blocks[0].der, &der);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = blocks(&bytes, 3);
        }
    }
}
