//! CSRs as BoringSSL writes them: `corpus-boringssl OUT KEY.pem NAME [CN]`. Part of `tests/corpus/make`.

use std::error::Error;

use boring::hash::MessageDigest;
use boring::pkey::PKey;
use boring::stack::Stack;
use boring::x509::extension::SubjectAlternativeName;
use boring::x509::{X509NameBuilder, X509ReqBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [out, key, name, rest @ ..] = arguments.as_slice() else {
        return Err("OUT KEY.pem NAME [CN]".into());
    };
    let key = PKey::private_key_from_pem(&std::fs::read(key)?)?;
    let mut request = X509ReqBuilder::new()?;
    request.set_version(0)?;
    let mut subject = X509NameBuilder::new()?;
    if let Some(common_name) = rest.first() {
        subject.append_entry_by_text("CN", common_name)?;
    }
    request.set_subject_name(&subject.build())?;
    request.set_pubkey(&key)?;
    let names = SubjectAlternativeName::new().dns(name).build(&request.x509v3_context(None))?;
    let mut extensions = Stack::new()?;
    extensions.push(names)?;
    request.add_extensions(&extensions)?;
    request.sign(&key, MessageDigest::sha256())?;
    Ok(std::fs::write(out, request.build().to_pem()?)?)
}
