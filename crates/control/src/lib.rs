//! The control server's face: the API that devices talk to, as an axum router over the engine.
//!
//! For whoever puts a control server together. [`device_api`] is a router: serve it over HTTPS
//! (`fleetcert-https` does), nest it, or put layers around it. It checks that a request is well-formed, bounded,
//! fresh (its nonce) and meant for this URL; everything else is the engine's to decide. The routes and messages
//! are those of [`fleetcert_protocol`].
//!
//! ```no_run
//! # use fleetcert_control::{DeviceApiOptions, device_api};
//! # fn engine() -> fleetcert_engine::Engine { unimplemented!() }
//! # fn ambient() -> fleetcert_control::Ambient { unimplemented!() }
//! let options = DeviceApiOptions::new("https://control.example.com");
//! let router: axum::Router = device_api(engine(), options, ambient());
//! ```

mod answer;
mod device_api;
mod nonces;
mod problem;

pub use device_api::{Ambient, DeviceApiOptions, device_api};
