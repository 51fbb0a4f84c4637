//! CSRs as rcgen and as this crate write them: `rust rcgen|fleetcert OUT KEY NAME [CN]`. Part of `tests/corpus/make`.

use std::error::Error;

use fleetcert_x509::{KeyPair, csr_for};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [writer, out, key, name, rest @ ..] = arguments.as_slice() else {
        return Err("rcgen|fleetcert OUT KEY NAME [CN]".into());
    };
    let key = std::fs::read_to_string(key)?;
    let csr = match writer.as_str() {
        "fleetcert" => csr_for(&name.parse()?, &KeyPair::from_pem(&key)?)?,
        _ => {
            let mut parameters = rcgen::CertificateParams::new([name.clone()])?;
            parameters.distinguished_name = rcgen::DistinguishedName::new();
            if let Some(common_name) = rest.first() {
                parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name.as_str());
            }
            parameters.serialize_request(&rcgen::KeyPair::from_pem(&key)?)?.der().to_vec()
        }
    };
    Ok(std::fs::write(out, csr)?)
}
