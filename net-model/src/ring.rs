//! A queue whose first value stands in front: most queues of a network hold one value at a time. The others follow in a
//! ring whose length is a power of two: what each frame passes twice is a mask and an index.

/// A value that a ring holds.
pub(crate) trait Held: Default {
    /// Takes the value away: what is left is worth nothing. It should move part by part. As a whole it would go through
    /// memory, where each part would have to be waited for.
    fn take(&mut self) -> Self;
}

/// A first-in, first-out queue of values of which there is an empty one.
#[derive(Debug, Default)]
pub(crate) struct Ring<T> {
    /// The value that has waited longest.
    first: T,
    /// The others. A power of two long, or empty.
    slots: Box<[T]>,
    /// Where in the slots the second value is, modulo 2^32.
    second: u32,
    len: u32,
}

impl<T: Held> Ring<T> {
    /// How many values wait.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Does none wait?
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Is there no place for another one?
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.len() > self.slots.len()
    }

    /// The value that has waited longest.
    #[inline(always)]
    pub(crate) fn front(&self) -> Option<&T> {
        (self.len > 0).then_some(&self.first)
    }

    /// Puts a value behind all others.
    pub(crate) fn push_back(&mut self, value: T) {
        *self.next_slot() = value;
    }

    /// Puts a value behind all others: its place, in which the caller writes it.
    #[inline(always)]
    pub(crate) fn next_slot(&mut self) -> &mut T {
        if self.is_full() {
            self.grow();
        }
        self.len += 1;
        if self.len == 1 { &mut self.first } else { self.value_mut(self.len - 1) }
    }

    /// Takes the value that has waited longest.
    #[inline(always)]
    pub(crate) fn pop_front(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        let first = self.first.take();
        if self.len > 0 {
            let place = self.second as usize & self.slots.len().wrapping_sub(1);
            self.second = self.second.wrapping_add(1);
            self.first = self.slots[place].take();
        }
        Some(first)
    }

    /// Puts a value behind those for which `is_earlier` holds: the first so many of the queue. Its place in the queue.
    pub(crate) fn insert_behind(&mut self, value: T, is_earlier: impl Fn(&T) -> bool) -> usize {
        self.push_back(value);
        let mut at = self.len - 1;
        while at > 0 && !is_earlier(self.value(at - 1)) {
            let later = std::mem::take(self.value_mut(at));
            let earlier = std::mem::replace(self.value_mut(at - 1), later);
            *self.value_mut(at) = earlier;
            at -= 1;
        }
        at as usize
    }

    /// The values, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).map(|at| self.value(at))
    }

    /// The value with this number in the queue, from 0.
    fn value(&self, at: u32) -> &T {
        if at == 0 { &self.first } else { &self.slots[self.place(at)] }
    }

    #[inline(always)]
    fn value_mut(&mut self, at: u32) -> &mut T {
        let place = self.place(at);
        if at == 0 { &mut self.first } else { &mut self.slots[place] }
    }

    #[inline(always)]
    fn place(&self, at: u32) -> usize {
        self.second.wrapping_add(at).wrapping_sub(1) as usize & self.slots.len().wrapping_sub(1)
    }

    #[inline(never)]
    fn grow(&mut self) {
        let used = self.slots.len();
        let mut slots = std::mem::take(&mut self.slots).into_vec();
        let front = self.second as usize & used.wrapping_sub(1);
        slots.rotate_left(front.min(used)); // the ring is full, or was never used
        slots.resize_with((used * 2).max(4), T::default);
        (self.second, self.slots) = (0, slots.into_boxed_slice());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    impl Held for u32 {
        fn take(&mut self) -> u32 {
            std::mem::take(self)
        }
    }

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
            let mut ring = Ring { second: start, ..Ring::default() };
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
