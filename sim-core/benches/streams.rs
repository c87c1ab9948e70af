//! What one random number costs: `cargo bench -p sim-core --bench streams`.

use divan::{Bencher, black_box, counter::ItemsCount};
use sim_core::Stream;

const N: u32 = 1024;

fn main() {
    divan::main();
}

/// Draws `N` numbers per iteration from one stream.
fn draw<T>(bencher: Bencher, mut draw: impl FnMut(&mut Stream) -> T) {
    let mut stream = Stream::new(1, "bench");
    bencher.counter(ItemsCount::new(N)).bench_local(|| {
        for _ in 0..N {
            black_box(draw(&mut stream));
        }
    });
}

#[divan::bench]
fn next_u64(bencher: Bencher) {
    draw(bencher, Stream::next_u64);
}

#[divan::bench]
fn uniform(bencher: Bencher) {
    draw(bencher, Stream::uniform);
}

#[divan::bench]
fn below(bencher: Bencher) {
    draw(bencher, |s| s.below(1000));
}

#[divan::bench]
fn exponential(bencher: Bencher) {
    draw(bencher, Stream::exponential);
}

#[divan::bench]
fn normal(bencher: Bencher) {
    draw(bencher, Stream::normal);
}
