//! The bodies of the fuzz targets, which ordinary tests replay over the corpora: nothing that a network
//! sends may panic, and no list may be made up.

use maas_client::{
    BootResource, Controller, Device, DnsResource, Error, Event, Fabric, IpRange, Machine, Node,
    Script, ScriptSet, Subnet, VmHost, VolumeGroup,
};

/// An answer that is no success: the first byte is its status above 300, the rest its body.
pub fn errors(data: &[u8]) {
    let [status, body @ ..] = data else { return };
    let text = String::from_utf8_lossy(body);
    let error = Error::from_answer(u16::from(*status) + 300, &text);
    let shown = format!("{error} {error:?}");
    // A sentence stays one, however long the page was.
    assert!(shown.len() < 16_000, "{} bytes", shown.len());
    assert!(error.body().len() <= 2_000);
    // What may have been done is never offered for repetition.
    assert!(!(error.is_unclear() && error.is_retryable()));
    let _ = (
        error.is_already_exists(),
        error.is_images_unknown(),
        error.is_no_machine(),
        error.is_false_conflict(),
        error.field_errors().len(),
        error.hint().map(str::len),
    );
}

/// A list of anything.
pub fn lists(data: &[u8]) {
    fn read<T: serde::de::DeserializeOwned + serde::Serialize>(data: &[u8]) {
        match maas_client::decode::<Vec<T>>(data) {
            Ok(list) => {
                // What was read can be written and read again.
                if let Ok(text) = serde_json::to_vec(&list) {
                    let again = maas_client::decode::<Vec<T>>(&text).map(|l| l.len());
                    assert_eq!(again.ok(), Some(list.len()));
                }
            }
            Err(error) => assert!(error.to_string().len() < 16_000),
        }
    }
    let _ = maas_client::NodeDetails::from_bson(&data.to_vec().into());
    read::<Machine>(data);
    read::<Node>(data);
    read::<Device>(data);
    read::<Controller>(data);
    read::<Fabric>(data);
    read::<Subnet>(data);
    read::<IpRange>(data);
    read::<VmHost>(data);
    read::<BootResource>(data);
    read::<Event>(data);
    read::<ScriptSet>(data);
    read::<Script>(data);
    read::<DnsResource>(data);
    read::<VolumeGroup>(data);
}
