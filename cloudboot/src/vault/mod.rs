//! The six Vault calls.
