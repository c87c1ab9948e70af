//! stub
use crate::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
/// stub
pub struct Agenda<E> {
    heap: BinaryHeap<Reverse<(Time, u64, Wrap<E>)>>,
    seq: u64,
}
struct Wrap<E>(E);
impl<E> PartialEq for Wrap<E> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<E> Eq for Wrap<E> {}
impl<E> PartialOrd for Wrap<E> {
    fn partial_cmp(&self, o: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(o))
    }
}
impl<E> Ord for Wrap<E> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
impl<E: Copy> Agenda<E> {
    /// stub
    pub fn new() -> Self {
        Agenda { heap: BinaryHeap::new(), seq: 0 }
    }
    /// stub
    #[inline]
    pub fn post(&mut self, at: Time, event: E) {
        self.seq += 1;
        self.heap.push(Reverse((at, self.seq, Wrap(event))));
    }
    /// stub
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.heap.pop().map(|Reverse((t, _, Wrap(e)))| (t, e))
    }
    /// stub
    #[inline]
    pub fn peek(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((t, _, _))| *t)
    }
}
