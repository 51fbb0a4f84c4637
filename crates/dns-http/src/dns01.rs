//! Services that take dns-01 values and no other texts.

use fleetcert_dns::{BackendError, BackendErrorKind, Change};

use crate::client::Call;

/// That every text of the list is a dns-01 value: 43 letters of base64url (RFC 8555 section 8.4).
pub(crate) fn require_dns01_texts(call: &Call<'_>, changes: &[Change]) -> Result<(), BackendError> {
    let texts = changes.iter().filter_map(|change| match change {
        Change::AddTxt { value, .. } | Change::RemoveTxt { value, .. } => Some(value.as_bytes()),
        Change::SetAddresses { .. } => None,
    });
    if texts.into_iter().all(is_dns01) {
        return Ok(());
    }
    let why = "a text is not the 43 characters of a dns-01 value, and this service takes no other";
    Err(call.error(BackendErrorKind::InvalidInput, why))
}

fn is_dns01(text: &[u8]) -> bool {
    text.len() == 43 && text.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert!(is_dns01(b"gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sA"));
        for text in [
            "",
            "gfj9Xq",
            "gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9s=",
            "gfj9Xq-Rg85nM_LoFdkNKZOjHaEDZ7rX1tbGqdNA9sAA",
        ] {
            assert!(!is_dns01(text.as_bytes()), "{text}");
        }
    }
}
