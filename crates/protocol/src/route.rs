//! The routes: paths below the control server's public URL.

/// Nonce for the first request.
pub const NONCE: &str = "/v1/nonce";
/// Enrolment.
pub const ENROL: &str = "/v1/enrol";
/// Address reports.
pub const ADDRESSES: &str = "/v1/addresses";
/// Certificate requests.
pub const CERTIFICATE: &str = "/v1/certificate";
/// Status of the certificate.
pub const CERTIFICATE_STATUS: &str = "/v1/certificate/status";
