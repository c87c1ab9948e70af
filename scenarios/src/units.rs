//! Quantities as people write them: `10Gbps`, `5us`, `1.5MB`, `200/s`, `0.1%`, `10.0.0.1/24`.
//!
//! Every unit is written out; a bare number is refused where it could mean several things.

use net_model::addr::{Addr, Mac, Prefix};
use net_model::ipvs::Protocol;
use net_model::spec::{Sources, Target};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use sim_core::Duration;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// A quantity that is written as one word.
pub trait Quantity: FromStr<Err = String> + Default {
    /// Its name in the JSON Schema.
    const NAME: &'static str;
    /// What it looks like, for the JSON Schema.
    const PATTERN: &'static str;
    /// Examples.
    const EXAMPLES: &'static [&'static str];
}

/// Reads a quantity from its text.
struct Reader<Q>(PhantomData<Q>);

impl<Q: Quantity> Visitor<'_> for Reader<Q> {
    type Value = Q;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one value such as {}", Q::EXAMPLES[0])
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Q, E> {
        text.parse().map_err(E::custom)
    }
}

/// Declares quantities: their type, what they hold, their schema, and that they are read through `FromStr`.
macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $default:expr, $pattern:literal, [$($example:literal),*];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Debug)]
        pub struct $name(pub $inner);

        impl Quantity for $name {
            const NAME: &'static str = stringify!($name);
            const PATTERN: &'static str = $pattern;
            const EXAMPLES: &'static [&'static str] = &[$($example),*];
        }

        /// Stands in for a value that could not be read.
        impl Default for $name {
            fn default() -> $name {
                $name($default)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_str(Reader(PhantomData))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $name::NAME.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "number"], "pattern": $name::PATTERN, "examples": $name::EXAMPLES })
            }
        }
    )*};
}

quantities! {
    /// A length of time.
    Period(Duration) = Duration::ZERO, r"^(0|\d[\d_.]*\s*(ns|us|µs|ms|s|sec|min|h|d))$", ["5us", "200ms", "1.5s", "10min", "24h"];
    /// A bit rate in bits per second.
    BitRate(u64) = 0, r"^\d[\d_.]*\s*[kMGT]?(bps|bit/s|bit)$", ["10Gbps", "100 Mbit/s"];
    /// A number of bytes.
    Bytes(u64) = 0, r"^\d[\d_.]*\s*([kMGT]i?)?B?$", ["1500B", "64kB", "1.5MB", "64KiB"];
    /// Something that happens so many times a second.
    PerSecond(f64) = 0.0, r"^\d[\d_.]*k?/(s|min|h|d)$", ["200/s", "12k/s", "90/min"];
    /// A share of one.
    Fraction(f64) = 0.0, r"^\d[\d.]*%?$", ["0.1%", "0.001"];
    /// An IP address with the length of its network: one, or a range for a group of hosts. `preferred_lft 0`: it speaks for
    /// its host only if no other address can (IPv6).
    Cidr(AddrRange) = AddrRange { first: Addr::UNSPECIFIED_V4, last: Addr::UNSPECIFIED_V4, len: 32, deprecated: false }, r"^[0-9a-fA-F.:]+(-[0-9a-fA-F.:]+)?/\d+( preferred_lft 0)?$", ["10.0.0.1/24", "10.0.1.1-10.0.1.250/16", "2001:db8::100/128 preferred_lft 0"];
    /// A network prefix.
    Network(Prefix) = Prefix::host(Addr::UNSPECIFIED_V4), r"^[0-9a-fA-F.:]+/\d+$", ["10.0.0.0/24"];
    /// One IP address.
    Ip(Addr) = Addr::UNSPECIFIED_V4, r"^[0-9a-fA-F.:]+$", ["10.0.0.100"];
    /// An Ethernet address.
    MacAddress(Mac) = Mac::ZERO, r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$", ["02:00:00:00:00:0d"];
    /// Where clients connect to: protocol (tcp if left out), address, port.
    Endpoint(Target) = Target { protocol: Protocol::Tcp, addr: Addr::UNSPECIFIED_V4, port: 0 }, r"^((tcp|udp) )?(\[[0-9a-fA-F:.]+\]|[0-9.]+):\d+$", ["10.0.0.100:80", "udp 10.0.0.100:53"];
    /// Source addresses of a client group.
    SourceAddresses(Sources) = Sources::Host, r"^(host|[0-9a-fA-F.:]+/\d+( in turn)?)$", ["host", "10.1.0.0/16", "10.1.0.0/16 in turn"];
}

/// Consecutive addresses with the length of their network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddrRange {
    /// First address.
    pub first: Addr,
    /// Last address; the first if there is one only.
    pub last: Addr,
    /// Length of the network prefix in bits.
    pub len: u8,
    /// `preferred_lft 0`
    pub deprecated: bool,
}

impl AddrRange {
    /// How many addresses.
    pub fn count(self) -> u128 {
        (self.last.to_bits() - self.first.to_bits()).saturating_add(1)
    }
}

impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Period, String> {
        const CURE: &str = "write a number and a unit: 5us, 200ms, 1.5s, 10min, 24h";
        let (number, unit) = split(text, "a duration", CURE)?;
        let seconds = match unit {
            "" if number == 0.0 => 0.0,
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(bad(text, "a duration", CURE)),
        };
        let seconds = number * seconds;
        // Virtual time is a u64 of nanoseconds: 584 years.
        if seconds > 1.8e10 {
            return Err(format!("`{text}` is longer than virtual time (584 years)\n{CURE}"));
        }
        Ok(Period(Duration::from_secs_f64(seconds)))
    }
}

impl FromStr for BitRate {
    type Err = String;
    fn from_str(text: &str) -> Result<BitRate, String> {
        const CURE: &str = "write a number and a unit: 10Gbps, 100Mbit/s, 64kbps";
        let (number, unit) = split(text, "a bit rate", CURE)?;
        let (power, unit) = prefix(unit);
        if !matches!(unit, "bps" | "bit/s" | "bit") {
            return Err(bad(text, "a bit rate", CURE));
        }
        let rate = number * power;
        if rate > 1e15 {
            return Err(format!("`{text}` is more than a petabit per second\n{CURE}"));
        }
        Ok(BitRate(rate as u64))
    }
}

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Bytes, String> {
        const CURE: &str = "write a number and a unit: 1500B, 64kB, 1.5MB, 64KiB";
        let (number, unit) = split(text, "a size", CURE)?;
        let factor = match unit {
            "" | "B" => 1.0,
            "kB" | "KB" | "k" => 1e3,
            "MB" | "M" => 1e6,
            "GB" | "G" => 1e9,
            "TB" => 1e12,
            "KiB" | "kiB" => 1024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            _ => return Err(bad(text, "a size", CURE)),
        };
        let bytes = number * factor;
        if bytes > 1e15 {
            return Err(format!("`{text}` is more than a petabyte\n{CURE}"));
        }
        Ok(Bytes(bytes as u64))
    }
}

impl FromStr for PerSecond {
    type Err = String;
    fn from_str(text: &str) -> Result<PerSecond, String> {
        const CURE: &str = "write a number per unit of time: 200/s, 12k/s, 90/min, 5/h";
        let (number, unit) = split(text, "a rate", CURE)?;
        let (power, unit) = prefix(unit);
        let seconds = match unit {
            "/s" => 1.0,
            "/min" => 60.0,
            "/h" => 3_600.0,
            "/d" => 86_400.0,
            _ => return Err(bad(text, "a rate", CURE)),
        };
        Ok(PerSecond(number * power / seconds))
    }
}

impl FromStr for Fraction {
    type Err = String;
    fn from_str(text: &str) -> Result<Fraction, String> {
        const CURE: &str = "write a share of one: 0.1% or 0.001";
        let (number, unit) = split(text, "a share", CURE)?;
        let share = match unit {
            "%" => number / 100.0,
            "" => number,
            _ => return Err(bad(text, "a share", CURE)),
        };
        if share > 1.0 {
            return Err(format!("`{text}` is more than all\n{CURE}"));
        }
        Ok(Fraction(share))
    }
}

impl FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Cidr, String> {
        const CURE: &str =
            "write address/length, as in 10.0.0.1/24; for a group first-last/length: 10.0.1.1-10.0.1.250/16";
        let bad = || bad(text, "an address with its network", CURE);
        let (addresses, len) = text.split_once('/').ok_or_else(bad)?;
        let (first, last) = addresses.split_once('-').unwrap_or((addresses, addresses));
        let first: Addr = first.trim().parse().map_err(|_| bad())?;
        let last: Addr = last.trim().parse().map_err(|_| bad())?;
        let (len, rest) = len.split_once(' ').unwrap_or((len, ""));
        let deprecated = rest.trim() == "preferred_lft 0";
        let len: u8 = len.parse().map_err(|_| bad())?;
        if !(rest.is_empty() || deprecated) || len > first.width() || first.family() != last.family() {
            return Err(bad());
        }
        if first > last {
            return Err(format!("the range runs from {first} down to {last}\nput the smaller address first"));
        }
        Ok(Cidr(AddrRange { first, last, len, deprecated }))
    }
}

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Network, String> {
        const CURE: &str = "write network address/length, as in 10.0.0.0/24";
        let bad = || bad(text, "a network", CURE);
        let (addr, len) = text.split_once('/').ok_or_else(bad)?;
        let addr: Addr = addr.parse().map_err(|_| bad())?;
        let len: u8 = len.parse().map_err(|_| bad())?;
        if len > addr.width() {
            return Err(bad());
        }
        let prefix = Prefix::new(addr, len);
        if prefix.addr() != addr {
            return Err(format!("`{text}` has bits set outside its length\nthe network is {prefix}"));
        }
        Ok(Network(prefix))
    }
}

impl FromStr for Ip {
    type Err = String;
    fn from_str(text: &str) -> Result<Ip, String> {
        text.parse().map(Ip).map_err(|_| bad(text, "an IP address", "as in 10.0.0.100 or 2001:db8::100"))
    }
}

impl FromStr for MacAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<MacAddress, String> {
        let bad = || bad(text, "an Ethernet address", "six bytes in hexadecimal, as in 02:00:00:00:00:0d");
        let bytes: Vec<&str> = text.split(':').collect();
        if bytes.len() != 6 || bytes.iter().any(|byte| byte.len() != 2) {
            return Err(bad());
        }
        let bits = bytes.iter().try_fold(0_u64, |bits, byte| {
            u8::from_str_radix(byte, 16).map(|byte| bits << 8 | u64::from(byte)).map_err(|_| bad())
        })?;
        let mac = Mac::from_bits(bits);
        if mac.is_group() || mac == Mac::ZERO {
            return Err(format!(
                "`{text}` cannot be the address of an interface\nthe first byte must be even and not all may be 0: begin with 02:"
            ));
        }
        Ok(MacAddress(mac))
    }
}

impl FromStr for Endpoint {
    type Err = String;
    fn from_str(text: &str) -> Result<Endpoint, String> {
        const CURE: &str = "write address:port, as in 10.0.0.100:80, udp 10.0.0.100:53 or [2001:db8::100]:80";
        let bad = || bad(text, "a target", CURE);
        let (protocol, rest) = match text.split_once(' ') {
            None => (Protocol::Tcp, text),
            Some(("tcp", rest)) => (Protocol::Tcp, rest.trim()),
            Some(("udp", rest)) => (Protocol::Udp, rest.trim()),
            Some(_) => return Err(bad()),
        };
        let socket: std::net::SocketAddr = rest.parse().map_err(|_| bad())?;
        if socket.port() == 0 {
            return Err(format!("port 0 cannot be connected to\n{CURE}"));
        }
        Ok(Endpoint(Target { protocol, addr: socket.ip().into(), port: socket.port() }))
    }
}

impl FromStr for SourceAddresses {
    type Err = String;
    fn from_str(text: &str) -> Result<SourceAddresses, String> {
        if text == "host" {
            return Ok(SourceAddresses(Sources::Host));
        }
        let prefix = |text: &str| {
            let cure = "write `host`, a prefix (10.1.0.0/16), or a prefix whose addresses take turns (10.1.0.0/16 in turn)";
            text.parse::<Network>().map(|network| network.0).map_err(|why| {
                match why.contains("has bits set") {
                    true => why,
                    false => bad(text, "a choice of source addresses", cure),
                }
            })
        };
        match text.strip_suffix("in turn") {
            Some(text) => Ok(SourceAddresses(Sources::RoundRobin(prefix(text.trim_end())?))),
            None => Ok(SourceAddresses(Sources::Uniform(prefix(text)?))),
        }
    }
}

/// Number and unit of `1.5 MB`; finite and not negative.
fn split<'a>(text: &'a str, what: &str, cure: &str) -> Result<(f64, &'a str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_')).unwrap_or(text.len());
    // 1e6 is a number, too; 1e would be the beginning of nothing.
    let end = match text[end..].strip_prefix(['e', 'E']) {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 { end + 1 + digits } else { end }
        }
        None => end,
    };
    let (number, unit) = text.split_at(end);
    match number.replace('_', "").parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number, unit.trim_start())),
        _ if text.starts_with('-') => Err(format!("`{text}` is negative\n{cure}")),
        _ => Err(bad(text, what, cure)),
    }
}

/// The decimal prefix of a unit and the rest: `Gbps` is (1e9, `bps`).
fn prefix(unit: &str) -> (f64, &str) {
    let power = match unit.as_bytes().first() {
        Some(b'k' | b'K') => 1e3,
        Some(b'M') => 1e6,
        Some(b'G') => 1e9,
        Some(b'T') => 1e12,
        _ => return (1.0, unit),
    };
    (power, &unit[1..])
}

fn bad(text: &str, what: &str, cure: &str) -> String {
    format!("`{text}` is not {what}\n{cure}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let nanos = |text: &str| text.parse::<Period>().map(|p| p.0.as_nanos());
        assert_eq!(nanos("5us"), Ok(5_000));
        assert_eq!(nanos("1.5 ms"), Ok(1_500_000));
        assert_eq!(nanos("10min"), Ok(600_000_000_000));
        assert_eq!(nanos("0"), Ok(0));
        for bad in ["5", "5 lightyears", "-1s", "", "s", "1e999s", "nan s"] {
            assert!(nanos(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_and_sizes() {
        assert_eq!("10Gbps".parse(), Ok(BitRate(10_000_000_000)));
        assert_eq!("100 Mbit/s".parse(), Ok(BitRate(100_000_000)));
        assert_eq!("1.5MB".parse(), Ok(Bytes(1_500_000)));
        assert_eq!("64KiB".parse(), Ok(Bytes(65_536)));
        assert_eq!("1500".parse(), Ok(Bytes(1_500)));
        assert_eq!("200/s".parse(), Ok(PerSecond(200.0)));
        assert_eq!("12k/s".parse(), Ok(PerSecond(12_000.0)));
        assert_eq!("1e6/s".parse(), Ok(PerSecond(1e6)));
        assert_eq!("90/min".parse(), Ok(PerSecond(1.5)));
        assert_eq!("0.1%".parse(), Ok(Fraction(0.001)));
        assert!("10GB/s".parse::<BitRate>().is_err(), "bytes are no bits");
        assert!("150%".parse::<Fraction>().is_err());
    }

    #[test]
    fn addresses() {
        let range = "10.0.1.1-10.0.4.232/16".parse::<Cidr>().unwrap().0;
        assert_eq!(range.count(), 1000);
        let spoken = |text: &str| text.parse::<Cidr>().map(|range| range.0.deprecated).ok();
        assert_eq!(spoken("2001:db8::100/128 preferred_lft 0"), Some(true));
        assert_eq!(spoken("2001:db8::100/128"), Some(false));
        assert_eq!(spoken("2001:db8::100/128 preferred_lft 1"), None);
        assert!("10.0.0.1".parse::<Cidr>().unwrap_err().contains("address/length"));
        assert!("10.0.0.1/24".parse::<Network>().unwrap_err().contains("10.0.0.0/24"));
        assert!("01:00:00:00:00:01".parse::<MacAddress>().is_err(), "multicast");
        let target = "udp [2001:db8::1]:53".parse::<Endpoint>().unwrap().0;
        assert_eq!((target.protocol, target.port), (Protocol::Udp, 53));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
            let _ = (text.parse::<Period>(), text.parse::<BitRate>(), text.parse::<Bytes>());
            let _ = (text.parse::<PerSecond>(), text.parse::<Fraction>(), text.parse::<Cidr>());
            let _ = (text.parse::<Network>(), text.parse::<MacAddress>(), text.parse::<Endpoint>());
        }
    }
}
