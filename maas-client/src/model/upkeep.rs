//! Scripts, files, messages, repositories and the like.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ids::{NotificationId, PackageRepositoryId, ScriptId, SystemId};
use crate::macros::model;
use crate::model::{NodeRef, ScriptParameter, ScriptResultKind, User};

model! {
    /// A licence key of an operating system's release.
    LicenceKey {
        /// The operating system.
        osystem: String,
        /// The release.
        distro_series: String,
        /// The key.
        license_key: String,
    }
}

model! {
    /// An older version of something.
    Revision {
        /// Its id.
        id: i64,
        /// Why it was made.
        comment: String,
        /// When.
        created: String,
        /// What it held.
        value: String,
    }
}

model! {
    /// A commissioning or testing script.
    Script {
        [
            /// Its name.
            name: String,
        ]
        /// Its id.
        id: Option<ScriptId>,
        /// What people read.
        title: String,
        /// What it does.
        description: String,
        /// Tags.
        tags: Vec<String>,
        /// 0 commissioning, 2 testing, 3 release.
        r#type: i64,
        /// The same in words.
        type_name: String,
        /// What kind of hardware it is for, as a number.
        hardware_type: i64,
        /// The same in words.
        hardware_type_name: String,
        /// Whether it runs beside others, as a number.
        parallel: i64,
        /// The same in words.
        parallel_name: String,
        /// How long it may run.
        timeout: String,
        /// Whether it destroys data.
        destructive: bool,
        /// Whether it is MAAS's own.
        default: bool,
        /// Hardware it is for, as ids.
        for_hardware: Vec<String>,
        /// Whether it may boot the machine.
        may_reboot: bool,
        /// Whether commissioning runs again after it.
        recommission: bool,
        /// Whether it runs with the network as it is configured.
        apply_configured_networking: bool,
        /// Its parameters by name.
        parameters: BTreeMap<String, ScriptParameter>,
        /// What it reports, by name.
        results: BTreeMap<String, ScriptResultKind>,
        /// Packages that it wants, by the kind of package (`apt`, `snap`, `url`).
        packages: BTreeMap<String, Vec<String>>,
        /// Its versions.
        history: Vec<Revision>,
    }
}

model! {
    /// A commissioning script, as before MAAS 2.3.
    CommissioningScript {
        /// Its name.
        name: String,
        /// Its content, base64.
        content: Option<String>,
    }
}

model! {
    /// A result, as before MAAS 2.0.
    InstallationResult {
        /// Its name.
        name: String,
        /// The script's exit status.
        script_result: i64,
        /// What kind of result, as a number.
        result_type: i64,
        /// The node.
        node: Option<NodeRef>,
        /// When it was last changed.
        updated: String,
        /// The output, base64.
        data: String,
    }
}

model! {
    /// A file that a user keeps in MAAS.
    StoredFile {
        /// Its name.
        filename: String,
        /// Where anybody can get it.
        anon_resource_uri: String,
        /// Its content, base64 (only when it is read alone).
        content: Option<String>,
    }
}

model! {
    /// A message to users.
    Notification {
        [
            /// Its id.
            id: NotificationId,
        ]
        /// A name by which a program finds it again.
        ident: Option<String>,
        /// To one user.
        user: Option<User>,
        /// To all users.
        users: bool,
        /// To all administrators.
        admins: bool,
        /// The text; may hold HTML.
        message: String,
        /// Values for the text.
        context: Map<String, Value>,
        /// `error`, `warning`, `success` or `info`.
        category: String,
        /// Whether a user can take it off.
        dismissable: bool,
    }
}

model! {
    /// Where deployed machines get packages.
    PackageRepository {
        [
            /// Its id.
            id: PackageRepositoryId,
        ]
        /// Its name.
        name: String,
        /// Its URL.
        url: String,
        /// Its distributions.
        distributions: Vec<String>,
        /// Pockets not used.
        disabled_pockets: Vec<String>,
        /// Components not used.
        disabled_components: Vec<String>,
        /// Whether sources are left out.
        disable_sources: bool,
        /// Its components.
        components: Vec<String>,
        /// Its architectures.
        arches: Vec<String>,
        /// The key that signs it.
        key: String,
        /// Whether it is used.
        enabled: bool,
    }
}

model! {
    /// What rebuilding a tag answers.
    TagRebuild {
        [
            /// The tag.
            rebuilding: String,
        ]
    }
}

model! {
    /// What a scan of the network did.
    ScanResult {
        /// What happened, in words.
        result: String,
        /// How many racks were asked in vain.
        failed_to_connect_to: Vec<RackName>,
        /// Which racks began.
        scan_started_on: Vec<RackName>,
        /// Which racks failed.
        scan_failed_on: Vec<RackName>,
    }
}

model! {
    /// A rack, named.
    RackName {
        /// Its id.
        system_id: Option<SystemId>,
        /// Its name.
        hostname: String,
    }
}
