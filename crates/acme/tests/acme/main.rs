//! The client and the driver against a small scripted CA, over HTTPS on loopback.

#[cfg(test)]
mod account_file;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod issue;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod script;
#[cfg(test)]
mod scripted_ca;
#[cfg(test)]
mod setting;
