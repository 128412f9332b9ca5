//! Since when LXD has the API extensions that calls of this crate need
//! (LXD's `doc/api-extensions.md` and release notes).

/// The first release with an extension.
pub(crate) fn since(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "projects" => "3.6",
        "virtual-machines" => "3.19",
        "custom_block_volumes" => "3.23",
        "instances" | "instance_pool_move" => "3.19",
        "image_source_project" => "4.19",
        "certificate_token" => "4.21",
        "instance_all_projects" => "4.20",
        "cloud_init" => "4.19",
        "network_acl" => "4.11",
        "network_forward" => "4.17",
        "metrics" => "4.16",
        "warnings" => "4.13",
        "instance_file_head" => "5.0",
        "resources" => "2.19",
        "operation_wait" => "5.0.3",
        "explicit_trust_token" => "5.21.2",
        "directory_manipulation" => "2.0.9",
        "file_delete" => "2.14",
        "container_exec_recording" => "2.4",
        "network_state" => "2.20",
        "network_leases" => "3.1",
        "storage" => "2.9",
        _ => return None,
    })
}
