//! Nothing is allocated for an event: once everything has its size, a million events pass without the allocator.
#![allow(unsafe_code)] // an allocator is unsafe by its trait; this one counts and passes on

use net_model::ipvs::Forwarding;
use net_model::workload::Workload;
use sim_core::{Duration, Time};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Connections, ARP, timers, IPVS expiry: all of W1, at a rate at which what lives for minutes has come to its size
/// soon. Series of samples grow by design, so there are none here.
#[test]
fn a_million_events_allocate_nothing() {
    for forwarding in [Forwarding::Route, Forwarding::Masquerade] {
        let workload = Workload {
            clients: 4,
            servers: 4,
            rate: 250.0,
            forwarding,
            sampling: Duration::from_secs(1_000_000),
            ..Workload::default()
        };
        let mut net = workload.build();
        net.run_until(Time::ZERO + Duration::from_secs(200));
        let (events, before) = (net.events(), ALLOCATIONS.load(Ordering::Relaxed));
        assert!(before > 0, "the allocator counts");
        net.run_until(Time::ZERO + Duration::from_secs(380));
        let (events, after) = (net.events() - events, ALLOCATIONS.load(Ordering::Relaxed));
        assert!(events > 1_000_000, "{events} events are too few to say anything");
        assert_eq!(after - before, 0, "allocations in {events} events under {forwarding:?}");
    }
}
