//! The typed calls for disks and what is made of them.

use maas_client::*;
use serde_json::Value;

use super::dispatch::Asked;
use super::dispatch_more::{get, u, v, without};

pub async fn call(c: &Client, a: &Asked) -> Option<Result<Value>> {
    let segments: Vec<&str> = a.segments.iter().map(String::as_str).collect();
    let sys = |text: &str| -> SystemId { text.parse().unwrap() };
    macro_rules! id {
        ($text:expr) => {
            $text.parse().ok()?
        };
    }
    Some(
        match (a.method.as_str(), segments.as_slice(), a.op.as_deref()) {
            ("GET", ["nodes", node, "blockdevices"], None) => {
                v(c.block_devices().list(&sys(node)).await)
            }
            ("POST", ["nodes", node, "blockdevices"], None) => v(c
                .block_devices()
                .create(
                    &sys(node),
                    &BlockDeviceParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("GET", ["nodes", node, "blockdevices", id], None) => {
                v(c.block_devices().read(&sys(node), id!(id)).await)
            }
            ("PUT", ["nodes", node, "blockdevices", id], None) => v(c
                .block_devices()
                .update(
                    &sys(node),
                    id!(id),
                    &BlockDeviceParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["nodes", node, "blockdevices", id], None) => {
                u(c.block_devices().delete(&sys(node), id!(id)).await)
            }
            ("POST", ["nodes", node, "blockdevices", id], Some("add_tag")) => v(c
                .block_devices()
                .add_tag(&sys(node), id!(id), get(&a.form, "tag"))
                .await),
            ("POST", ["nodes", node, "blockdevices", id], Some("remove_tag")) => v(c
                .block_devices()
                .remove_tag(&sys(node), id!(id), get(&a.form, "tag"))
                .await),
            ("POST", ["nodes", node, "blockdevices", id], Some("format")) => v(c
                .block_devices()
                .format(
                    &sys(node),
                    id!(id),
                    get(&a.form, "fstype"),
                    &FormatParams::from_pairs(&without(&a.form, &["fstype"])),
                )
                .await),
            ("POST", ["nodes", node, "blockdevices", id], Some("unformat")) => {
                v(c.block_devices().unformat(&sys(node), id!(id)).await)
            }
            ("POST", ["nodes", node, "blockdevices", id], Some("mount")) => v(c
                .block_devices()
                .mount(
                    &sys(node),
                    id!(id),
                    get(&a.form, "mount_point"),
                    &MountParams::from_pairs(&without(&a.form, &["mount_point"])),
                )
                .await),
            ("POST", ["nodes", node, "blockdevices", id], Some("unmount")) => {
                v(c.block_devices().unmount(&sys(node), id!(id)).await)
            }
            ("POST", ["nodes", node, "blockdevices", id], Some("set_boot_disk")) => {
                u(c.block_devices().set_boot_disk(&sys(node), id!(id)).await)
            }
            ("GET", ["nodes", node, "blockdevices", device, "partitions"], None) => {
                v(c.partitions().list(&sys(node), id!(device)).await)
            }
            ("POST", ["nodes", node, "blockdevices", device, "partitions"], None) => v(c
                .partitions()
                .create(
                    &sys(node),
                    id!(device),
                    &PartitionParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("GET", ["nodes", node, "blockdevices", device, "partition", id], None) => {
                v(c.partitions().read(&sys(node), id!(device), id!(id)).await)
            }
            ("DELETE", ["nodes", node, "blockdevices", device, "partition", id], None) => u(c
                .partitions()
                .delete(&sys(node), id!(device), id!(id))
                .await),
            ("POST", ["nodes", node, "blockdevices", device, "partition", id], Some("add_tag")) => {
                v(c.partitions()
                    .add_tag(&sys(node), id!(device), id!(id), get(&a.form, "tag"))
                    .await)
            }
            (
                "POST",
                ["nodes", node, "blockdevices", device, "partition", id],
                Some("remove_tag"),
            ) => v(c
                .partitions()
                .remove_tag(&sys(node), id!(device), id!(id), get(&a.form, "tag"))
                .await),
            ("POST", ["nodes", node, "blockdevices", device, "partition", id], Some("format")) => {
                v(c.partitions()
                    .format(
                        &sys(node),
                        id!(device),
                        id!(id),
                        get(&a.form, "fstype"),
                        &FormatParams::from_pairs(&without(&a.form, &["fstype"])),
                    )
                    .await)
            }
            (
                "POST",
                ["nodes", node, "blockdevices", device, "partition", id],
                Some("unformat"),
            ) => v(c
                .partitions()
                .unformat(&sys(node), id!(device), id!(id))
                .await),
            ("POST", ["nodes", node, "blockdevices", device, "partition", id], Some("mount")) => {
                v(c.partitions()
                    .mount(
                        &sys(node),
                        id!(device),
                        id!(id),
                        get(&a.form, "mount_point"),
                        &MountParams::from_pairs(&without(&a.form, &["mount_point"])),
                    )
                    .await)
            }
            ("POST", ["nodes", node, "blockdevices", device, "partition", id], Some("unmount")) => {
                v(c.partitions()
                    .unmount(&sys(node), id!(device), id!(id))
                    .await)
            }
            ("GET", ["nodes", node, "volume-groups"], None) => {
                v(c.volume_groups().list(&sys(node)).await)
            }
            ("POST", ["nodes", node, "volume-groups"], None) => v(c
                .volume_groups()
                .create(
                    &sys(node),
                    &VolumeGroupParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("GET", ["nodes", node, "volume-group", id], None) => {
                v(c.volume_groups().read(&sys(node), id!(id)).await)
            }
            ("PUT", ["nodes", node, "volume-group", id], None) => v(c
                .volume_groups()
                .update(
                    &sys(node),
                    id!(id),
                    &VolumeGroupParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["nodes", node, "volume-group", id], None) => {
                u(c.volume_groups().delete(&sys(node), id!(id)).await)
            }
            ("POST", ["nodes", node, "volume-group", id], Some("create_logical_volume")) => v(c
                .volume_groups()
                .create_logical_volume(
                    &sys(node),
                    id!(id),
                    get(&a.form, "name"),
                    &LogicalVolumeParams::from_pairs(&without(&a.form, &["name"])),
                )
                .await),
            ("POST", ["nodes", node, "volume-group", id], Some("delete_logical_volume")) => u(c
                .volume_groups()
                .delete_logical_volume(&sys(node), id!(id), get(&a.form, "id").parse().ok()?)
                .await),
            ("GET", ["nodes", node, "raids"], None) => v(c.raids().list(&sys(node)).await),
            ("POST", ["nodes", node, "raids"], None) => v(c
                .raids()
                .create(&sys(node), &RaidParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["nodes", node, "raid", id], None) => {
                v(c.raids().read(&sys(node), id!(id)).await)
            }
            ("PUT", ["nodes", node, "raid", id], None) => v(c
                .raids()
                .update(
                    &sys(node),
                    id!(id),
                    &RaidParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["nodes", node, "raid", id], None) => {
                u(c.raids().delete(&sys(node), id!(id)).await)
            }
            ("GET", ["nodes", node, "bcaches"], None) => v(c.bcaches().list(&sys(node)).await),
            ("POST", ["nodes", node, "bcaches"], None) => v(c
                .bcaches()
                .create(
                    &sys(node),
                    &BcacheParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("GET", ["nodes", node, "bcache", id], None) => {
                v(c.bcaches().read(&sys(node), id!(id)).await)
            }
            ("PUT", ["nodes", node, "bcache", id], None) => v(c
                .bcaches()
                .update(
                    &sys(node),
                    id!(id),
                    &BcacheParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["nodes", node, "bcache", id], None) => {
                u(c.bcaches().delete(&sys(node), id!(id)).await)
            }
            ("GET", ["nodes", node, "bcache-cache-sets"], None) => {
                v(c.cache_sets().list(&sys(node)).await)
            }
            ("POST", ["nodes", node, "bcache-cache-sets"], None) => v(c
                .cache_sets()
                .create(
                    &sys(node),
                    &CacheSetParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("GET", ["nodes", node, "bcache-cache-set", id], None) => {
                v(c.cache_sets().read(&sys(node), id!(id)).await)
            }
            ("PUT", ["nodes", node, "bcache-cache-set", id], None) => v(c
                .cache_sets()
                .update(
                    &sys(node),
                    id!(id),
                    &CacheSetParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["nodes", node, "bcache-cache-set", id], None) => {
                u(c.cache_sets().delete(&sys(node), id!(id)).await)
            }
            ("GET", ["nodes", node, "vmfs-datastores"], None) => {
                v(c.vmfs_datastores().list(&sys(node)).await)
            }
            ("POST", ["nodes", node, "vmfs-datastores"], None) => v(c
                .vmfs_datastores()
                .create(&sys(node), &VmfsParams::from_pairs(&without(&a.form, &[])))
                .await),
            ("GET", ["nodes", node, "vmfs-datastore", id], None) => {
                v(c.vmfs_datastores().read(&sys(node), id!(id)).await)
            }
            ("PUT", ["nodes", node, "vmfs-datastore", id], None) => v(c
                .vmfs_datastores()
                .update(
                    &sys(node),
                    id!(id),
                    &VmfsParams::from_pairs(&without(&a.form, &[])),
                )
                .await),
            ("DELETE", ["nodes", node, "vmfs-datastore", id], None) => {
                u(c.vmfs_datastores().delete(&sys(node), id!(id)).await)
            }
            _ => return None,
        },
    )
}
