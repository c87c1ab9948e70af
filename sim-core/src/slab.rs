//! Values in numbered places, for the things of a run that come and go: frames, connections.
//!
//! A place is named by a `u32` of its own type, so that a frame's number cannot be taken for a connection's. A place
//! that becomes free is the next to be used: its memory is still in the cache, and which place a value gets depends
//! on nothing but the order of insertions and removals.
//!
//! An identifier says nothing of *which* value was in the place when it was made. Whoever keeps one beyond the life of
//! the value (a timer that nobody cancels) keeps the [`generation`](Slab::generation) of the place beside it and
//! compares. It is counted apart from the values, so that a value of 64 bytes stays one cache line, and touched only
//! when a value is removed.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A number with a type of its own that names a place; made by [`id_type!`](crate::id_type).
pub trait Id: Copy + fmt::Debug {
    /// The identifier of the place `index`.
    fn new(index: u32) -> Self;
    /// The place.
    fn index(self) -> usize;
}

/// Declares an identifier: a `u32` that is no other `u32`.
///
/// ```
/// use sim_core::{Slab, id_type};
/// id_type! {
///     /// A frame on its way.
///     pub struct FrameId;
/// }
/// let mut frames: Slab<FrameId, &str> = Slab::new();
/// let syn = frames.insert("SYN");
/// assert_eq!(frames[syn], "SYN");
/// assert_eq!(size_of::<Option<FrameId>>(), 8);
/// ```
#[macro_export]
macro_rules! id_type {
    ($(#[$attribute:meta])* $visibility:vis struct $Name:ident;) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        $visibility struct $Name(u32);

        impl $crate::slab::Id for $Name {
            #[inline]
            fn new(index: u32) -> Self {
                $Name(index)
            }

            #[inline]
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

/// Values of type `T` in places named by `I`. Everything but growing takes constant time.
#[derive(Clone)]
pub struct Slab<I, T> {
    places: Vec<Place<T>>,
    generations: Vec<u32>,
    /// The place that was freed last.
    free: u32,
    len: usize,
    id: PhantomData<I>,
}

#[derive(Clone)]
enum Place<T> {
    Taken(T),
    /// The place that was freed before this one.
    Free(u32),
}

/// The end of the list of free places.
const NO_PLACE: u32 = u32::MAX;

impl<I: Id, T> Slab<I, T> {
    /// No values, no memory.
    pub const fn new() -> Slab<I, T> {
        Slab { places: Vec::new(), generations: Vec::new(), free: NO_PLACE, len: 0, id: PhantomData }
    }

    /// No values, memory for `capacity`.
    pub fn with_capacity(capacity: usize) -> Slab<I, T> {
        Slab {
            places: Vec::with_capacity(capacity),
            generations: Vec::with_capacity(capacity),
            free: NO_PLACE,
            len: 0,
            id: PhantomData,
        }
    }

    /// How many values there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many places there are, taken or free: all identifiers are below.
    #[inline]
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The identifier that the next [`insert`](Slab::insert) will return.
    #[inline]
    pub fn next_id(&self) -> I {
        I::new(if self.free == NO_PLACE { self.places.len() as u32 } else { self.free })
    }

    /// Puts a value into the place that was freed last, or into a new one.
    ///
    /// # Panics
    /// If there are 2³² − 1 values already.
    #[inline]
    pub fn insert(&mut self, value: T) -> I {
        self.len += 1;
        let id = self.next_id();
        if self.free == NO_PLACE {
            assert!(self.places.len() < NO_PLACE as usize, "a slab has 2^32 - 1 places");
            self.places.push(Place::Taken(value));
            self.generations.push(0);
            return id;
        }
        match std::mem::replace(&mut self.places[id.index()], Place::Taken(value)) {
            Place::Free(before) => self.free = before,
            Place::Taken(_) => panic!("{id:?} was taken and on the list of free places"),
        }
        id
    }

    /// Takes a value out; its place is the next to be used, under a new generation.
    ///
    /// # Panics
    /// If the place is free.
    #[inline]
    pub fn remove(&mut self, id: I) -> T {
        let freed = Place::Free(self.free);
        match self.places.get_mut(id.index()).map(|place| std::mem::replace(place, freed)) {
            Some(Place::Taken(value)) => {
                self.free = id.index() as u32;
                self.generations[id.index()] = self.generations[id.index()].wrapping_add(1);
                self.len -= 1;
                value
            }
            Some(Place::Free(_)) | None => gone(id),
        }
    }

    /// How many values have left this place: the same as long as the value in it is the same.
    ///
    /// # Panics
    /// If there never was a value in it.
    #[inline]
    pub fn generation(&self, id: I) -> u32 {
        self.generations[id.index()]
    }

    /// The value, if there is one.
    #[inline]
    pub fn get(&self, id: I) -> Option<&T> {
        match self.places.get(id.index()) {
            Some(Place::Taken(value)) => Some(value),
            Some(Place::Free(_)) | None => None,
        }
    }

    /// The value, if there is one.
    #[inline]
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        match self.places.get_mut(id.index()) {
            Some(Place::Taken(value)) => Some(value),
            Some(Place::Free(_)) | None => None,
        }
    }

    /// Whether there is a value.
    #[inline]
    pub fn contains(&self, id: I) -> bool {
        self.get(id).is_some()
    }

    /// All values in order of their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.places.iter().enumerate().filter_map(|(i, place)| match place {
            Place::Taken(value) => Some((I::new(i as u32), value)),
            Place::Free(_) => None,
        })
    }

    /// All values in order of their identifiers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        self.places.iter_mut().enumerate().filter_map(|(i, place)| match place {
            Place::Taken(value) => Some((I::new(i as u32), value)),
            Place::Free(_) => None,
        })
    }
}

impl<I: Id, T> Default for Slab<I, T> {
    fn default() -> Slab<I, T> {
        Slab::new()
    }
}

impl<I: Id, T> Index<I> for Slab<I, T> {
    type Output = T;

    /// The value.
    ///
    /// # Panics
    /// If the place is free.
    #[inline]
    fn index(&self, id: I) -> &T {
        match self.get(id) {
            Some(value) => value,
            None => gone(id),
        }
    }
}

impl<I: Id, T> IndexMut<I> for Slab<I, T> {
    #[inline]
    fn index_mut(&mut self, id: I) -> &mut T {
        match self.get_mut(id) {
            Some(value) => value,
            None => gone(id),
        }
    }
}

impl<I: Id, T: fmt::Debug> fmt::Debug for Slab<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cold]
#[inline(never)]
fn gone<I: Id>(id: I) -> ! {
    panic!("{id:?} names a free place: its value is gone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    id_type! {
        /// A place of these tests.
        struct PlaceId;
    }

    #[test]
    fn the_place_freed_last_is_used_first() {
        let mut slab: Slab<PlaceId, char> = Slab::new();
        let [a, b, c] = ['a', 'b', 'c'].map(|value| slab.insert(value));
        assert_eq!([a, b, c], [PlaceId(0), PlaceId(1), PlaceId(2)]);
        slab.remove(a);
        slab.remove(c);
        assert_eq!(slab.next_id(), c);
        assert_eq!([slab.insert('d'), slab.insert('e'), slab.insert('f')], [c, a, PlaceId(3)]);
        assert_eq!(
            format!("{slab:?}"),
            "{PlaceId(0): 'e', PlaceId(1): 'b', PlaceId(2): 'd', PlaceId(3): 'f'}"
        );
    }

    #[test]
    fn the_generation_tells_an_old_identifier() {
        let mut slab: Slab<PlaceId, char> = Slab::new();
        let id = slab.insert('a');
        let kept = slab.generation(id);
        slab[id] = 'b';
        assert_eq!(slab.generation(id), kept, "the same value, changed");
        slab.remove(id);
        assert_eq!(slab.insert('c'), id);
        assert_ne!(slab.generation(id), kept);
    }

    #[test]
    #[should_panic(expected = "PlaceId(0) names a free place")]
    fn a_value_is_removed_once() {
        let mut slab: Slab<PlaceId, ()> = Slab::new();
        let id = slab.insert(());
        slab.remove(id);
        slab.remove(id);
    }

    #[test]
    #[should_panic(expected = "PlaceId(7) names a free place")]
    fn a_place_that_never_was_holds_nothing() {
        let slab: Slab<PlaceId, u8> = Slab::new();
        assert_eq!(slab[PlaceId(7)], 0);
    }

    #[test]
    fn a_cache_line_stays_a_cache_line() {
        // A value with a niche, as any that holds an enum or a bool, needs no extra word for "free".
        assert_eq!(size_of::<Place<([u64; 7], u32, bool)>>(), 64);
    }

    proptest! {
        /// Insertions, removals and changes agree with a sorted map, in values, order and count.
        #[test]
        fn agrees_with_a_sorted_map(steps in prop::collection::vec((0u8..5, any::<u16>()), 0..300)) {
            let mut slab: Slab<PlaceId, u16> = Slab::with_capacity(8);
            let mut model: BTreeMap<PlaceId, u16> = BTreeMap::new();
            for (step, x) in steps {
                let chosen = model.keys().nth(x as usize % model.len().max(1)).copied();
                match (step, chosen) {
                    (0..=2, _) | (_, None) => prop_assert_eq!(model.insert(slab.insert(x), x), None),
                    (3, Some(id)) => prop_assert_eq!(Some(slab.remove(id)), model.remove(&id)),
                    (_, Some(id)) => {
                        slab[id] ^= x;
                        model.entry(id).and_modify(|value| *value ^= x);
                    }
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            prop_assert!(slab.iter().map(|(id, &value)| (id, value)).eq(model.clone()));
            prop_assert!((0..slab.places() as u32).all(|i| slab.contains(PlaceId(i)) == model.contains_key(&PlaceId(i))));
            slab.iter_mut().for_each(|(_, value)| *value = 0);
            prop_assert!(slab.iter().all(|(_, &value)| value == 0));
        }
    }
}
