//! Typed handles to steps' outputs, and how a step's needs are read through them.

use std::fmt;
use std::marker::PhantomData;

use super::StepId;
use super::graph::Outputs;

/// The output of a step that was added to a graph: what later steps hold to read it.
pub struct Handle<T> {
    graph: u64,
    index: usize,
    id: StepId,
    output: PhantomData<fn() -> T>,
}

impl<T> Handle<T> {
    pub(super) fn new(graph: u64, index: usize, id: StepId) -> Self {
        Self {
            graph,
            index,
            id,
            output: PhantomData,
        }
    }

    /// The step's name.
    pub fn id(&self) -> &StepId {
        &self.id
    }

    pub(super) fn graph(&self) -> u64 {
        self.graph
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self {
            graph: self.graph,
            index: self.index,
            id: self.id.clone(),
            output: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}

/// Names a step of a graph: made from a handle or a [`StepId`].
#[derive(Clone, Debug)]
pub struct Key(pub(super) KeyOf);

#[derive(Clone, Debug)]
pub(super) enum KeyOf {
    Handle {
        graph: u64,
        index: usize,
        id: StepId,
    },
    Id(StepId),
}

impl<T> From<Handle<T>> for Key {
    fn from(handle: Handle<T>) -> Self {
        Self(KeyOf::Handle {
            graph: handle.graph,
            index: handle.index,
            id: handle.id,
        })
    }
}

impl<T> From<&Handle<T>> for Key {
    fn from(handle: &Handle<T>) -> Self {
        handle.clone().into()
    }
}

impl From<StepId> for Key {
    fn from(id: StepId) -> Self {
        Self(KeyOf::Id(id))
    }
}

impl From<&StepId> for Key {
    fn from(id: &StepId) -> Self {
        id.clone().into()
    }
}

impl From<&str> for Key {
    fn from(id: &str) -> Self {
        StepId::new(id).into()
    }
}

/// Reads the values behind handles once they are known.
pub(super) type Reader<V> = Box<dyn Fn(&Outputs) -> Option<V> + Send + Sync>;

mod sealed {
    pub trait Sealed {}
}

/// What a step holds of earlier ones: nothing `()`, a handle, a list of handles, or a tuple of these.
///
/// The step's [`Step::Needs`](super::Step::Needs) is then `()`, the output, a list of outputs, or a tuple of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name the outputs of earlier steps",
    note = "give `()`, `&Handle<A>`, `Vec<Handle<A>>`, `Option<Handle<A>>`, or a tuple of up to 8 of these"
)]
pub trait Needs: sealed::Sealed {
    /// What is read behind the handles.
    type Values: Send + Sync + 'static;

    #[doc(hidden)]
    fn wire(self, wiring: &mut Wiring) -> Wired<Self::Values>;
}

/// Collects the edges of a step that is being added.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Wiring {
    pub(super) keys: Vec<Key>,
}

/// How a step's needs are read.
#[doc(hidden)]
pub struct Wired<V>(pub(super) Reader<V>);

impl<V> fmt::Debug for Wired<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wired")
    }
}

impl sealed::Sealed for () {}
impl Needs for () {
    type Values = ();

    fn wire(self, _: &mut Wiring) -> Wired<()> {
        Wired(Box::new(|_| Some(())))
    }
}

impl<T> sealed::Sealed for Handle<T> {}
impl<T: Clone + Send + Sync + 'static> Needs for Handle<T> {
    type Values = T;

    fn wire(self, wiring: &mut Wiring) -> Wired<T> {
        let index = self.index;
        wiring.keys.push(self.into());
        Wired(Box::new(move |outputs| {
            outputs.get(&index)?.downcast_ref::<T>().cloned()
        }))
    }
}

impl<T> sealed::Sealed for &Handle<T> {}
impl<T: Clone + Send + Sync + 'static> Needs for &Handle<T> {
    type Values = T;

    fn wire(self, wiring: &mut Wiring) -> Wired<T> {
        self.clone().wire(wiring)
    }
}

// For lists of handles only, not of any needs: so an empty list needs no type written out.
impl<T> sealed::Sealed for Vec<Handle<T>> {}
impl<T: Clone + Send + Sync + 'static> Needs for Vec<Handle<T>> {
    type Values = Vec<T>;

    fn wire(self, wiring: &mut Wiring) -> Wired<Self::Values> {
        let readers: Vec<_> = self.into_iter().map(|needs| needs.wire(wiring).0).collect();
        Wired(Box::new(move |outputs| {
            readers.iter().map(|read| read(outputs)).collect()
        }))
    }
}

impl<T> sealed::Sealed for Option<Handle<T>> {}
impl<T: Clone + Send + Sync + 'static> Needs for Option<Handle<T>> {
    type Values = Option<T>;

    fn wire(self, wiring: &mut Wiring) -> Wired<Self::Values> {
        let reader = self.map(|needs| needs.wire(wiring).0);
        Wired(Box::new(move |outputs| match &reader {
            Some(read) => read(outputs).map(Some),
            None => Some(None),
        }))
    }
}

macro_rules! tuple_of_needs {
    ($($name:ident $place:tt),+) => {
        impl<$($name),+> sealed::Sealed for ($($name,)+) {}
        impl<$($name: Needs),+> Needs for ($($name,)+) {
            type Values = ($($name::Values,)+);

            fn wire(self, wiring: &mut Wiring) -> Wired<Self::Values> {
                let readers = ($(self.$place.wire(wiring).0,)+);
                Wired(Box::new(move |outputs| Some(($((readers.$place)(outputs)?,)+))))
            }
        }
    };
}
tuple_of_needs!(A 0);
tuple_of_needs!(A 0, B 1);
tuple_of_needs!(A 0, B 1, C 2);
tuple_of_needs!(A 0, B 1, C 2, D 3);
tuple_of_needs!(A 0, B 1, C 2, D 3, E 4);
tuple_of_needs!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple_of_needs!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple_of_needs!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
