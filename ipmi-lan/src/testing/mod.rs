//! A BMC simulator over real UDP.
