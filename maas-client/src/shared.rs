//! What many objects of one answer hold, kept once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{
    BlockDevice, DefaultGateways, Domain, Interface, InterfaceSettings, PodRef, ResourcePool,
    Subnet, Vlan, Zone,
};

/// A part of an answer that other parts may hold too: every machine of a list repeats its zone, its pool, its
/// subnets, and names the disk and the interface that it boots from a second and a third time. Equal ones of one
/// answer are one in memory.
///
/// It reads as a `T`; [`into_inner`](Self::into_inner) gives one of your own.
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// The only one so far.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// One's own: a copy where others hold it too.
    pub fn into_inner(self) -> T
    where
        T: Clone,
    {
        Arc::unwrap_or_clone(self.0)
    }

    /// Whether both are one in memory.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> AsRef<T> for Shared<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(s)
    }
}

impl<'de, T: Pooled + Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = T::deserialize(d)?;
        Ok(POOLS.with_borrow_mut(|pools| match pools {
            Some(pools) => T::pool(pools).share(value),
            None => Self::new(value),
        }))
    }
}

impl<T> crate::macros::Lean for Shared<T> {}

thread_local! {
    /// Of the answer that this thread is reading.
    static POOLS: RefCell<Option<Pools>> = const { RefCell::new(None) };
}

/// Reads an answer, in which what is equal is shared.
pub(crate) fn sharing<T>(read: impl FnOnce() -> T) -> T {
    struct Reset(Option<Pools>);
    impl Drop for Reset {
        fn drop(&mut self) {
            let own = POOLS.with_borrow_mut(|pools| std::mem::replace(pools, self.0.take()));
            drop(own);
        }
    }
    let _reset = Reset(POOLS.with_borrow_mut(|pools| pools.replace(Pools::default())));
    read()
}

/// Of one type, by id.
pub(crate) struct Pool<T>(BTreeMap<i64, Shared<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Pooled> Pool<T> {
    /// The disks of ten thousand machines need not all be remembered: their own machine's are the last ones.
    const REMEMBERED: usize = 256;

    fn share(&mut self, value: T) -> Shared<T> {
        let key = value.key();
        if let Some(known) = self.0.get(&key)
            && **known == value
        {
            return known.clone();
        }
        if self.0.len() >= Self::REMEMBERED {
            self.0.clear();
        }
        let new = Shared::new(value);
        self.0.insert(key, new.clone());
        new
    }
}

/// What can be shared.
pub(crate) trait Pooled: PartialEq + Sized {
    /// What tells it from others of its type, as far as a number can.
    fn key(&self) -> i64;
    /// Where others of its type are.
    fn pool(pools: &mut Pools) -> &mut Pool<Self>;
}

macro_rules! pooled {
    ($($field:ident: $type:ident by $key:expr;)*) => {
        #[derive(Default)]
        pub(crate) struct Pools { $($field: Pool<$type>,)* }

        $(impl Pooled for $type {
            fn key(&self) -> i64 {
                let key: fn(&$type) -> i64 = $key;
                key(self)
            }

            fn pool(pools: &mut Pools) -> &mut Pool<Self> {
                &mut pools.$field
            }
        })*
    };
}

pooled! {
    vlans: Vlan by |it| it.id.0;
    subnets: Subnet by |it| it.id.0;
    zones: Zone by |it| it.id.0;
    pools: ResourcePool by |it| it.id.0;
    domains: Domain by |it| it.id.0;
    vm_hosts: PodRef by |it| it.id.unwrap_or(0);
    gateways: DefaultGateways by |it| {
        let link = it.ipv4.as_ref().or(it.ipv6.as_ref()).and_then(|g| g.link_id);
        link.map_or(0, |id| id.0)
    };
    interfaces: Interface by |it| it.id.0;
    settings: InterfaceSettings by |it| i64::from(it.is_empty());
    disks: BlockDevice by |it| it.id.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_in_one_answer_is_one() {
        let json =
            r#"[{"id":1,"name":"a"},{"id":1,"name":"a"},{"id":1,"name":"b"},{"id":2,"name":"a"}]"#;
        let read = || serde_json::from_str::<Vec<Shared<ResourcePool>>>(json).unwrap();
        let list = sharing(read);
        assert!(list[0].is_same(&list[1]));
        assert_eq!(list[2].name, "b");
        assert!(!list[0].is_same(&list[2]) && !list[0].is_same(&list[3]));
        let again = read();
        assert_eq!(list, again);
        assert!(!again[0].is_same(&again[1]), "nothing outlives its answer");
        assert_eq!(list[0].clone().into_inner().name, "a");
        assert_eq!(serde_json::to_value(&list[0]).unwrap()["name"], "a");
    }

    #[test]
    fn a_pool_forgets() {
        let mut pool = Pool::default();
        let make =
            |id| -> ResourcePool { serde_json::from_str(&format!(r#"{{"id":{id}}}"#)).unwrap() };
        for id in 0..10_000 {
            pool.share(make(id));
        }
        assert!(pool.0.len() <= Pool::<ResourcePool>::REMEMBERED);
    }
}
