//! The control server's HTTP interface: the API that devices use, as an axum router over the engine.
//!
//! Use this crate to assemble a control server. [`device_api`] returns a router: serve it over HTTPS
//! (`fleetcert-https` does), nest it, or put layers around it. It checks that a request is well-formed, bounded,
//! fresh (its nonce) and meant for this URL; the engine decides everything else. The routes and messages are those
//! of [`fleetcert_protocol`].
//!
//! ```
//! use fleetcert_ambient::Ambient;
//! use fleetcert_control::{DeviceApiOptions, device_api};
//! use fleetcert_engine::Engine;
//! use fleetcert_https::{Certificates, Limits, Server};
//! use tokio_util::sync::CancellationToken;
//!
//! /// Serves devices and runs the engine's workers until `shutdown`.
//! async fn control_server(
//!     engine: Engine,
//!     certificates: Certificates,
//!     shutdown: CancellationToken,
//! ) -> std::io::Result<()> {
//!     let options = DeviceApiOptions::new("https://control.example.com");
//!     let api = device_api(engine.clone(), options, Ambient::system());
//!     let server = Server::bind("0.0.0.0:443".parse().unwrap(), certificates).await?;
//!     tokio::join!(
//!         server.serve(api, Limits::default(), shutdown.clone()),
//!         engine.run(shutdown),
//!     );
//!     Ok(())
//! }
//! ```

mod answer;
mod bad_signatures;
mod device_api;
mod nonces;
mod origin;
mod refusal;

pub use device_api::{DeviceApiOptions, device_api};
pub use origin::ClientAddress;
