//! The six Vault calls that bring a Vault into service (HashiCorp Vault or OpenBao): health, seal status, initialise, unseal,
//! create a token, look it up. [`keys`] keeps the one-shot keys in the order that loses none.
//!
//! Source: the HTTP API (<https://developer.hashicorp.com/vault/api-docs/system>), held to OpenBao 2.7.2.

mod client;
pub mod keys;
mod types;

pub use crate::rest::{Error, ErrorKind, Reach, Result};
pub use client::Client;
pub use types::{Health, InitKeys, SealStatus, Shares, State, Token, TokenInfo};
