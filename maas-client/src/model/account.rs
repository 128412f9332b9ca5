//! Users, keys, version, tags, zones, pools.

use crate::ids::{PoolId, SshKeyId, SslKeyId, ZoneId};
use crate::macros::model;

model! {
    /// What `/version/` answers.
    Version {
        [
            /// The version, such as `3.4.10`.
            version: String,
        ]
        /// The build, such as `14000-g.9d34090c1`.
        subversion: String,
        /// Names of what this MAAS can do.
        capabilities: Vec<String>,
    }
}

impl Version {
    /// Major and minor number, where the version starts with two numbers.
    pub fn series(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split(['.', '-', '~']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

model! {
    /// What the login page tells anybody.
    LoginStatus {
        /// Whether the asker is logged in.
        authenticated: bool,
        /// Where logins go that MAAS does not check itself.
        external_auth_url: Option<String>,
        /// No user exists yet: the region is initialised but has no administrator.
        no_users: bool,
    }
}

model! {
    /// A user.
    User {
        [
            /// The login name.
            username: String,
        ]
        /// The mail address.
        email: String,
        /// Whether the user is an administrator.
        is_superuser: bool,
        /// Whether MAAS itself checks the password.
        is_local: bool,
    }
}

model! {
    /// An SSH key that is put on deployed machines.
    SshKey {
        [
            /// Its id.
            id: SshKeyId,
            /// The public key, as in `authorized_keys`.
            key: String,
        ]
        /// Where it was imported from (`lp:name`, `gh:name`).
        keysource: Option<String>,
    }
}

model! {
    /// An SSL key of a user.
    SslKey {
        [
            /// Its id.
            id: SslKeyId,
            /// The certificate in PEM form.
            key: String,
        ]
    }
}

model! {
    /// An authorisation token of the user, named; its `token` is a whole API key.
    TokenName {
        /// The consumer's name.
        name: String,
    }
}

model! {
    /// A tag.
    Tag {
        [
            /// Its name.
            name: String,
        ]
        /// The XPath expression that sets it, empty for a tag set by hand.
        definition: String,
        /// What it is for.
        comment: String,
        /// Kernel options for the machines that have it.
        kernel_opts: String,
    }
}

model! {
    /// What `update_nodes` of a tag did.
    TagUpdate {
        [
            /// Nodes that have the tag now and had it not, or had it already.
            added: u64,
            /// Nodes that lost it.
            removed: u64,
        ]
    }
}

model! {
    /// An availability zone.
    Zone {
        [
            /// Its name.
            name: String,
        ]
        /// Its id.
        id: ZoneId,
        /// What it is.
        description: String,
    }
}

model! {
    /// A resource pool.
    ResourcePool {
        [
            /// Its id.
            id: PoolId,
        ]
        /// Its name.
        name: String,
        /// What it is.
        description: String,
    }
}
