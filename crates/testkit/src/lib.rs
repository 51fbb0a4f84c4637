//! A certificate authority in the test process that validates dns-01 for real.
