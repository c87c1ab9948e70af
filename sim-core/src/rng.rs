//! One stream of random numbers per named component.
//!
//! All streams of a run grow from one seed, but each component draws from its own: adding a client group changes
//! nobody else's numbers, and two variants of a scenario meet the same arrivals. The generator is ChaCha with eight
//! rounds; its 64-bit stream number is the FNV-1a hash of the component's name, so the order in which components
//! are made does not matter. The numbers are the same on every machine: integers by definition, floats because
//! they come from them by operations that IEEE 754 or `libm` fixes to the last bit.
//!
//! The generator makes 256 bytes at a time, so a stream is about 300 bytes: one for a group of clients, not one for
//! each client. A uniform number takes 3 ns, an exponential one 9 ns, a normal one 12 ns
//! (`cargo bench -p sim-core --bench streams`, one core of an AMD EPYC of the Zen 5 generation). Every sample is the inverse of a distribution function at one uniform number: a scenario with a
//! larger mean sees the same luck, which makes the comparison of variants sharper.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The distance of neighbouring uniform numbers.
const STEP: f64 = 1.0 / (1u64 << 53) as f64;

/// A component's random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// The stream of the component `name` under `seed`.
    ///
    /// ```
    /// use sim_core::Stream;
    /// let mut web = Stream::new(1, "web-clients");
    /// let mut again = Stream::new(1, "web-clients");
    /// assert_eq!(web.next_u64(), again.next_u64());
    /// ```
    pub fn new(seed: u64, name: &str) -> Stream {
        let mut generator = ChaCha8Rng::from_seed(expand(seed));
        generator.set_stream(fnv1a(name.as_bytes()));
        Stream { generator }
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.generator.next_u32()
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * STEP
    }

    /// Uniform in 0 … n − 1, without bias (Lemire, "Fast Random Integer Generation in an Interval", 2019); n > 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            // 2⁶⁴ mod n low halves are one too many: draw again if this is one of them.
            let surplus = n.wrapping_neg() % n;
            while (product as u64) < surplus {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// True with probability `p`: never for p ≤ 0 or undefined, always for p ≥ 1.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Exponential with mean 1.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Normal with mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        // The middle of the uniform's step: symmetric about ½, and neither 0 nor 1.
        normal_quantile(self.uniform() + STEP / 2.0)
    }
}

/// A 256-bit key from a 64-bit seed: four steps of SplitMix64, so that neighbouring seeds share no bits.
fn expand(seed: u64) -> [u8; 32] {
    let mut state = seed;
    let mut key = [0; 32];
    for word in key.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    key
}

/// The 64-bit FNV-1a hash of a name.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The x below which a standard normal variable lies with probability `p`, 0 < p < 1, to about 1e-15 relative:
/// the rational approximations of M. J. Wichura, "Algorithm AS 241" (Applied Statistics 37, 1988), PPND16.
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * ratio(r, &CENTRE);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let x = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -x } else { x }
}

/// Numerator and denominator of a rational function, lowest power first.
type Ratio = [[f64; 8]; 2];

fn ratio(r: f64, [numerator, denominator]: &Ratio) -> f64 {
    let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    polynomial(numerator) / polynomial(denominator)
}

/// For |p − ½| ≤ 0.425, in 0.425² − (p − ½)².
const CENTRE: Ratio = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
];
/// For r = √(−ln tail) ≤ 5, in r − 1.6.
const MIDDLE: Ratio = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
/// For r > 5 (tails below 1.4e-11), in r − 5.
const FAR: Ratio = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_7e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every result ever published depends on these: a change here is a change of all of them. The integers agree
    /// with an independent implementation of ChaCha8, SplitMix64 and FNV-1a.
    #[test]
    fn first_values_are_pinned() {
        let mut s = Stream::new(1, "web");
        let words = [9784796675726583066, 17586475837214504846, 16692469744037851217];
        assert_eq!([s.next_u64(), s.next_u64(), s.next_u64()], words);
        assert_eq!([s.next_u32(), s.next_u32()], [2725953813, 1171070639]);
        assert_eq!(s.uniform().to_bits(), 0x3fc5_3ad4_eba6_aba0);
        assert_eq!([s.below(10), s.below(1000)], [3, 377]);
        assert_eq!(s.exponential().to_bits(), 0x3ff8_24a1_a797_6726);
        assert_eq!(s.normal().to_bits(), 0x3ff0_5909_b76f_ff73);
    }

    #[test]
    fn fnv1a_agrees_with_its_published_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn seed_and_name_both_choose_the_numbers() {
        let first = |seed, name| Stream::new(seed, name).next_u64();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(0, ""), 0);
    }

    /// Streams of related names and seeds are as uncorrelated as chance allows: |r| < 4/√n.
    #[test]
    fn streams_are_independent() {
        const N: usize = 20_000;
        let draw = |seed, name| {
            let mut s = Stream::new(seed, name);
            (0..N).map(|_| s.uniform() - 0.5).collect::<Vec<_>>()
        };
        let streams = [draw(1, "web"), draw(1, "wec"), draw(1, "web1"), draw(2, "web"), draw(1 << 63, "web")];
        for (i, a) in streams.iter().enumerate() {
            for b in &streams[..i] {
                let r = 12.0 / N as f64 * a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                assert!(r.abs() < 4.0 / (N as f64).sqrt(), "correlation {r}");
            }
        }
    }

    #[test]
    fn uniform_fills_the_unit_interval_evenly() {
        let mut s = Stream::new(3, "u");
        let mut counts = [0u32; 100];
        for _ in 0..1_000_000 {
            counts[(s.uniform() * 100.0) as usize] += 1;
        }
        // Chi-square with 99 degrees of freedom: 61 … 148 is the central 99.9 %.
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        assert!((61.0..148.0).contains(&chi2), "chi-square {chi2}");
    }

    #[test]
    fn below_is_unbiased_where_the_remainder_matters() {
        // Three quarters of 2⁶⁴: a plain multiplication or remainder would favour every third value two to one.
        let n = 3 << 62;
        let mut s = Stream::new(4, "b");
        let third = (0..300_000).filter(|_| s.below(n).is_multiple_of(3)).count();
        assert!((99_000..101_000).contains(&third), "{third} of 300 000 are multiples of 3");
        assert!((0..100).all(|_| s.below(1) == 0));
    }

    #[test]
    #[should_panic(expected = "no number below 0")]
    fn below_zero_is_refused() {
        Stream::new(1, "x").below(0);
    }

    #[test]
    fn chance_knows_its_ends() {
        let mut s = Stream::new(5, "c");
        assert!((0..1000).all(|_| s.chance(1.0) && !s.chance(0.0) && !s.chance(f64::NAN)));
        let hits = (0..100_000).filter(|_| s.chance(0.3)).count();
        assert!((29_400..30_600).contains(&hits), "{hits} of 100 000 at p = 0.3");
    }

    #[test]
    fn exponential_and_normal_have_their_moments() {
        let mut s = Stream::new(6, "m");
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let n = 1_000_000;
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..n {
                let x = draw();
                sum += x;
                squares += x * x;
            }
            let mean = sum / f64::from(n);
            (mean, squares / f64::from(n) - mean * mean)
        };
        let (mean, variance) = moments(&mut || s.exponential());
        assert!((mean - 1.0).abs() < 0.004 && (variance - 1.0).abs() < 0.012, "{mean} {variance}");
        let (mean, variance) = moments(&mut || s.normal());
        assert!(mean.abs() < 0.004 && (variance - 1.0).abs() < 0.006, "{mean} {variance}");
    }

    #[test]
    fn normal_quantile_inverts_the_error_function() {
        for i in 1..4000 {
            let x = f64::from(i) * 0.002 - 8.0;
            let p = libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0;
            let back = normal_quantile(p);
            assert!((back - x).abs() < 1e-12 * x.abs().max(1.0), "{x} became {back}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        // The farthest values a stream can draw.
        assert!(normal_quantile(2f64.powi(-54)) > -8.4 && normal_quantile(1.0 - 2f64.powi(-53)) < 8.4);
    }
}
