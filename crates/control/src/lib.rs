//! The control server's face: the API that devices talk to, as an axum router over the engine.
//!
//! For whoever puts a control server together. [`device_api`] is a router: serve it over HTTPS
//! (`fleetcert-https` does), nest it, or put layers around it. It checks that a request is well-formed, bounded,
//! fresh (its nonce) and meant for this URL; everything else is the engine's to decide. The routes and messages
//! are those of [`fleetcert_protocol`].
//!
//! ```
//! use fleetcert_ambient::Ambient;
//! use fleetcert_control::{DeviceApiOptions, device_api};
//! use fleetcert_engine::Engine;
//! use std::sync::Arc;
//!
//! fn control_server(engine: Engine) -> axum::Router {
//!     let options = DeviceApiOptions::new("https://control.example.com");
//!     device_api(engine, options, Ambient::system())
//! }
//! ```

mod answer;
mod bad_signatures;
mod device_api;
mod nonces;
mod problem;

pub use device_api::{DeviceApiOptions, device_api};
