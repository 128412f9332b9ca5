//! Drivers for a region that stands alone: everything works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::types::{
    ComposeSpec, Composed, HostPool, HostResources, Power, PowerAction, PowerDriver, VmHostDriver,
};

/// BMCs that do what they are told.
#[derive(Default)]
pub(crate) struct AlwaysPower(Mutex<BTreeMap<String, bool>>);

#[async_trait]
impl PowerDriver for AlwaysPower {
    async fn power(
        &self,
        power_type: &str,
        params: &Map<String, Value>,
        action: PowerAction,
    ) -> Result<Power, String> {
        if power_type.is_empty() || power_type == "manual" {
            return Ok(Power::Unknown);
        }
        let text = |key: &str| params.get(key).and_then(Value::as_str).unwrap_or("");
        let which = format!("{} {}", text("power_address"), text("instance_name"));
        let mut on = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = on.entry(which).or_default();
        match action {
            PowerAction::On | PowerAction::Cycle => *state = true,
            PowerAction::Off => *state = false,
            PowerAction::Query => {}
        }
        Ok(if *state { Power::On } else { Power::Off })
    }
}

/// A VM host with room for a small cloud.
#[derive(Default)]
pub(crate) struct SpareHost(AtomicU64);

#[async_trait]
impl VmHostDriver for SpareHost {
    async fn discover(&self, _: &Map<String, Value>) -> Result<HostResources, String> {
        let pools = vec![HostPool {
            name: "default".into(),
            kind: "dir".into(),
            total: 2_000_000_000_000,
        }];
        Ok(HostResources {
            cores: 64,
            memory_mb: 262_144,
            pools,
            version: "5.0.2".into(),
        })
    }

    async fn compose(
        &self,
        _: &Map<String, Value>,
        spec: &ComposeSpec,
    ) -> Result<Composed, String> {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Composed {
            macs: vec![format!(
                "00:16:3e:00:{:02x}:{:02x}",
                (n >> 8) & 0xff,
                n & 0xff
            )],
            instance: spec.hostname.clone(),
        })
    }

    async fn remove(&self, _: &Map<String, Value>, _: &str) -> Result<(), String> {
        Ok(())
    }
}
