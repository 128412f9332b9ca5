//! Objects of an answer, decoded in place: a field that is absent or null keeps its default, one that nobody knows is passed over.
//! A model's status has a hundred thousand of them: `derive(Deserialize)` would hold each field apart and move them all at the end.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// Something whose fields can be set one by one.
pub(crate) trait Object<'de>: Default {
    /// A field's name.
    type Name: Deserialize<'de>;

    /// Takes the value that `map` has next into the field.
    fn take<A: MapAccess<'de>>(&mut self, name: Self::Name, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object.
pub(crate) fn read<'de, T: Object<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    d.deserialize_map(Fields(PhantomData))
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Object<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(name) = map.next_key()? {
            object.take(name, &mut map)?;
        }
        Ok(object)
    }
}

/// The place of a field's value.
pub(crate) struct Place<'a, T>(pub(crate) &'a mut T);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Place<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_option(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Place<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        *self.0 = T::deserialize(d)?;
        Ok(())
    }
}

/// A struct whose fields are called as on the wire, in kebab case.
macro_rules! object {
    ($(#[$meta:meta])* pub struct $name:ident $(<$param:ident>)? { $($(#[$about:meta])* pub $field:ident: $kind:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct $name $(<$param>)? { $($(#[$about])* pub $field: $kind,)+ }

        const _: () = {
            #[derive(Deserialize)]
            #[serde(field_identifier, rename_all = "kebab-case")]
            // Named by the trait's implementation, whence `pub`.
            #[allow(non_camel_case_types, unreachable_pub)]
            pub enum Name { $($field,)+ #[serde(other)] Unknown }

            impl<'de $(, $param: Deserialize<'de> + Default)?> $crate::api::object::Object<'de> for $name $(<$param>)? {
                type Name = Name;

                fn take<A: serde::de::MapAccess<'de>>(&mut self, which: Name, map: &mut A) -> std::result::Result<(), A::Error> {
                    match which {
                        $(Name::$field => map.next_value_seed($crate::api::object::Place(&mut self.$field)),)+
                        Name::Unknown => map.next_value::<serde::de::IgnoredAny>().map(drop),
                    }
                }
            }

            impl<'de $(, $param: Deserialize<'de> + Default)?> Deserialize<'de> for $name $(<$param>)? {
                fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
                    $crate::api::object::read(d)
                }
            }
        };
    };
}
pub(crate) use object;
