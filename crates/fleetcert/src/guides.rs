//! The manual: what the crates' own pages do not say.

#[doc = include_str!("../docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("../docs/backends.md")]
pub mod backends {}

#[doc = include_str!("../docs/benchmarks.md")]
pub mod benchmarks {}

// The table of files quotes hostile names, some of which are URLs.
#[allow(rustdoc::bare_urls)]
#[doc = include_str!("../docs/csr-gate.md")]
pub mod csr_gate {}

#[doc = include_str!("../docs/diagnose.md")]
pub mod diagnose {}

#[doc = include_str!("../docs/quickstart.md")]
pub mod quickstart {}

#[doc = include_str!("../docs/scheduling.md")]
pub mod scheduling {}

#[doc = include_str!("../docs/webhook.md")]
pub mod webhook {}
