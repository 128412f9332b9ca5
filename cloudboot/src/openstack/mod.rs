//! The cloud, once it stands: Keystone v3, the Nova calls that a machine's life needs, a look at Placement, the dashboard's login page,
//! and the access files (`clouds.yaml`, `openrc`) that put it into the user's hands.
//!
//! Everything is verified against the one CA that is given (Vault's root CA) and nothing else.
//! Source: the API references (<https://docs.openstack.org/api-ref/>), held to Keystone 22 and Nova 26.

pub mod access;
mod catalog;
mod dashboard;
mod identity;
mod keystone;
pub mod nova;
mod placement;

pub use crate::rest::{Error, ErrorKind, Reach, Result};
pub use access::Access;
pub use catalog::{Catalog, Endpoint, Interface, ServiceEntry};
pub use dashboard::{LoginPage, login_page};
pub use identity::{Credential, Scope};
pub use keystone::{Keystone, Token};
pub use nova::Nova;
pub use placement::{Placement, ResourceProvider};
