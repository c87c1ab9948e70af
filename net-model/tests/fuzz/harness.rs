//! Runs many random cases in parallel, each made from its own seed, and makes the first that fails small.
//!
//! `LVSIM_FUZZ` is the number of cases, `LVSIM_FUZZ_SEED` the first seed: what a failure prints runs that case alone.
#![allow(unsafe_code)] // an allocator is unsafe by its trait; this one counts and passes on

use rayon::prelude::*;
use sim_core::Stream;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes that are in use, and the most that ever were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        if now > MOST.load(Ordering::Relaxed) {
            MOST.fetch_max(now, Ordering::Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs cases until one fails. A case is what `make` draws from its stream, a list of steps; it fails if `run` panics.
/// All cases together never need more than `bytes` of memory.
pub(crate) fn fuzz<Step: Clone + Debug + Send + Sync>(
    default: u64,
    bytes: usize,
    make: impl Fn(&mut Stream) -> Vec<Step> + Sync,
    run: impl Fn(&[Step]) + Sync,
) {
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| text.parse().expect("LVSIM_FUZZ… is a whole number"))
    };
    let first = number("LVSIM_FUZZ_SEED", 0);
    let count = number("LVSIM_FUZZ", default);
    let steps_of = |seed: u64| make(&mut Stream::new(seed, "fuzz"));
    let fails = |steps: &[Step]| catch_unwind(AssertUnwindSafe(|| run(steps))).is_err();
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {})); // the last run of a case that fails will say why
    let failed = (first..first + count).into_par_iter().find_any(|seed| fails(&steps_of(*seed)));
    let smallest = failed.map(|seed| (seed, shrink(steps_of(seed), fails)));
    std::panic::set_hook(loud);
    if let Some((seed, steps)) = smallest {
        println!("LVSIM_FUZZ=1 LVSIM_FUZZ_SEED={seed} fails, and so do these steps alone: {steps:#?}");
        run(&steps);
        unreachable!("it failed before");
    }
    let most = MOST.load(Ordering::Relaxed);
    println!("{count} cases from seed {first}, at most {most} bytes of memory in use");
    assert!(most < bytes, "{most} bytes of memory in use");
}

/// Leaves out as many steps as possible so that the case still fails.
fn shrink<Step: Clone>(mut steps: Vec<Step>, fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut piece = steps.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + piece).min(steps.len()));
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    steps
}

/// One of them.
pub(crate) fn one<T: Copy>(stream: &mut Stream, of: &[T]) -> T {
    of[stream.below(of.len() as u64) as usize]
}
