//! A queue in a ring whose length is a power of two: what each frame passes twice is a mask and an index.

/// A first-in, first-out queue of values of which there is an empty one.
#[derive(Debug, Default)]
pub(crate) struct Ring<T> {
    /// A power of two long, or empty.
    slots: Vec<T>,
    /// Values taken and values put so far, modulo 2^32.
    taken: u32,
    put: u32,
}

impl<T: Default> Ring<T> {
    /// How many values wait.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.put.wrapping_sub(self.taken) as usize
    }

    /// Does none wait?
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.put == self.taken
    }

    /// Is there no place for another one?
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.len() == self.slots.len()
    }

    /// The value that has waited longest.
    #[inline(always)]
    pub(crate) fn front(&self) -> Option<&T> {
        if self.put == self.taken {
            return None;
        }
        self.slots.get(self.place(self.taken))
    }

    /// Puts a value behind all others.
    pub(crate) fn push_back(&mut self, value: T) {
        *self.next_slot() = value;
    }

    /// Puts a value behind all others: its place, in which the caller writes it.
    #[inline(always)]
    pub(crate) fn next_slot(&mut self) -> &mut T {
        if self.len() == self.slots.len() {
            self.grow();
        }
        let place = self.place(self.put);
        self.put = self.put.wrapping_add(1);
        &mut self.slots[place]
    }

    /// Takes the value that has waited longest.
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.take_slot().map(std::mem::take)
    }

    /// Takes the value that has waited longest: its place, out of which the caller takes it.
    #[inline(always)]
    pub(crate) fn take_slot(&mut self) -> Option<&mut T> {
        if self.put == self.taken {
            return None;
        }
        let place = self.place(self.taken);
        self.taken = self.taken.wrapping_add(1);
        self.slots.get_mut(place)
    }

    /// Puts a value behind those for which `is_earlier` holds: the first so many of the queue. Its place in the queue.
    pub(crate) fn insert_behind(&mut self, value: T, is_earlier: impl Fn(&T) -> bool) -> usize {
        self.push_back(value);
        let mut at = self.len() - 1;
        while at > 0 && !is_earlier(&self.slots[self.place_of(at - 1)]) {
            let (here, before) = (self.place_of(at), self.place_of(at - 1));
            self.slots.swap(here, before);
            at -= 1;
        }
        at
    }

    /// The values, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).map(|at| &self.slots[self.place_of(at)])
    }

    #[inline(always)]
    fn place(&self, number: u32) -> usize {
        number as usize & self.slots.len().wrapping_sub(1)
    }

    fn place_of(&self, at: usize) -> usize {
        self.place(self.taken.wrapping_add(at as u32))
    }

    #[inline(never)]
    fn grow(&mut self) {
        let len = self.len();
        let first = self.place(self.taken).min(len); // the ring is full, or was never used
        self.slots.rotate_left(first);
        (self.taken, self.put) = (0, len as u32);
        self.slots.resize_with((len * 2).max(4), T::default);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u32),
        Insert(u32),
        Pop,
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// It is the queue of the standard library.
        #[test]
        fn as_a_deque(steps in prop::collection::vec(
            prop_oneof![
                3 => (0u32..100).prop_map(Step::Push),
                1 => (0u32..100).prop_map(Step::Insert),
                3 => Just(Step::Pop),
            ],
            0..300,
        ), start in any::<u32>()) {
            let mut ring = Ring { slots: Vec::new(), taken: start, put: start };
            let mut deque = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push(value) => {
                        ring.push_back(value);
                        deque.push_back(value);
                    }
                    Step::Insert(value) => {
                        let place = deque.iter().rposition(|v| *v <= value).map_or(0, |at| at + 1);
                        deque.insert(place, value);
                        prop_assert_eq!(ring.insert_behind(value, |v| *v <= value), place);
                    }
                    Step::Pop => prop_assert_eq!(ring.pop_front(), deque.pop_front()),
                }
                prop_assert_eq!(ring.front(), deque.front());
                prop_assert_eq!(ring.len(), deque.len());
                prop_assert!(ring.iter().eq(deque.iter()));
            }
        }
    }
}
