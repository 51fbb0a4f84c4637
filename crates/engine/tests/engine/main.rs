//! The engine over real parts.
