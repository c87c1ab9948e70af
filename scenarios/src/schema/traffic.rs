//! Servers and clients: what they do, and how often.

use crate::decode::{List, Spanned};
use crate::units::{Bytes, Endpoint, Fraction, PerSecond, Period, SourceAddresses};
use schemars::JsonSchema;
use serde::Deserialize;

/// A program that serves requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerText {
    /// Ports it listens on; all share the workers. 80 if left out.
    #[serde(default)]
    pub ports: List<Spanned<u16>>,
    /// tcp or udp; tcp if left out.
    pub protocol: Option<Spanned<ProtocolText>>,
    /// Requests served at a time, 8 if left out.
    pub workers: Option<Spanned<u32>>,
    /// How the workers share the work; `fifo` if left out.
    pub discipline: Option<Spanned<DisciplineText>>,
    /// Speed: a server of speed 2 needs half the time. 1 if left out.
    pub speed: Option<Spanned<f64>>,
    /// Time a worker needs for a request at speed 1; 1ms if left out.
    pub service_time: Option<Spanned<Distribution<Period>>>,
    /// Bytes of an answer; 1kB if left out.
    pub response: Option<Spanned<Distribution<Bytes>>>,
    /// Connections that may wait to be accepted (UDP: datagrams that may wait), 511 if left out.
    pub backlog: Option<Spanned<u32>>,
    /// Which address UDP answers come from; `asked` if left out.
    pub reply_from: Option<Spanned<ReplyFromText>>,
}

/// Which source address a UDP server's answers have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyFromText {
    /// The address that was asked: the server is bound to it.
    #[default]
    Asked,
    /// The address that routing selects: the server is bound to 0.0.0.0, which fails behind direct routing and tunnels.
    Routed,
}

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolText {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
}

/// How workers share the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisciplineText {
    /// First come, first served.
    #[default]
    Fifo,
    /// Processor sharing: all requests at once share the workers.
    Ps,
}

/// A distribution; a value alone is constant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution<Q> {
    /// Always the same.
    Constant(Q),
    /// Uniform between `low` and `high`.
    Uniform(Uniform<Q>),
    /// Exponential with this mean.
    Exponential(Q),
    /// Lognormal.
    Lognormal(Lognormal<Q>),
    /// Pareto, cut off at `max`.
    Pareto(Pareto<Q>),
    /// Weibull.
    Weibull(Weibull<Q>),
    /// A mixture of exponentials.
    Hyperexponential(List<Phase<Q>>),
    /// Measured values from a file, one a line; drawn at random.
    Empirical(Spanned<String>),
}

impl<Q: Default> Default for Distribution<Q> {
    fn default() -> Distribution<Q> {
        Distribution::Constant(Q::default())
    }
}

/// See [`Distribution::Uniform`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uniform<Q> {
    /// Smallest value.
    pub low: Q,
    /// Largest value.
    pub high: Q,
}

/// See [`Distribution::Lognormal`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lognormal<Q> {
    /// Half of the values are smaller.
    pub median: Q,
    /// Standard deviation of the logarithm.
    pub sigma: f64,
}

/// See [`Distribution::Pareto`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pareto<Q> {
    /// Smallest value.
    pub min: Q,
    /// Tail index: the smaller, the heavier the tail.
    pub shape: f64,
    /// Largest value.
    pub max: Q,
}

/// See [`Distribution::Weibull`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weibull<Q> {
    /// Scale.
    pub scale: Q,
    /// Shape.
    pub shape: f64,
}

/// One exponential of a mixture.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase<Q> {
    /// How often it is drawn.
    pub share: Fraction,
    /// Its mean.
    pub mean: Q,
}

/// A group of clients on one host.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientText {
    /// The host they run on; with `cluster:` it is `client` if left out.
    pub on: Option<Spanned<String>>,
    /// Where they connect to; with `cluster:` it is the first service if left out. A trace has its own targets.
    pub to: Option<Spanned<Endpoint>>,
    /// When exchanges begin.
    pub arrivals: Spanned<ArrivalsText>,
    /// Source addresses: `host` (its own), or a prefix that the host answers for.
    pub sources: Option<Spanned<SourceAddresses>>,
    /// Bytes of a request, 200B if left out.
    pub request: Option<Spanned<Distribution<Bytes>>>,
    /// Who closes the connection after the answer; `server` if left out.
    pub close: Option<Spanned<CloseText>>,
    /// A client gives up after this time; the kernel's own limits if left out.
    pub timeout: Option<Spanned<Period>>,
    /// How often a failed exchange is tried again, 0 if left out.
    pub retries: Option<Spanned<u32>>,
    /// What datagrams say, in turn, such as SIP messages with their Call-ID; only their length counts if left out.
    #[serde(default)]
    pub say: List<Spanned<String>>,
    /// When the first exchange may begin, 0s if left out.
    pub start: Option<Spanned<Period>>,
    /// When the last exchange may begin; the end of the run if left out.
    pub stop: Option<Spanned<Period>>,
    /// At most so many exchanges.
    pub limit: Option<Spanned<u64>>,
}

/// Who closes a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseText {
    /// The server, right after the answer.
    #[default]
    Server,
    /// The client, once it has the answer.
    Client,
    /// The client, with a reset.
    Reset,
    /// Nobody: the connection stays open.
    None,
}

/// When exchanges begin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsText {
    /// A Poisson process: independent of one another, so many a second on average.
    Poisson(Spanned<PerSecond>),
    /// At equal distances.
    Constant(Spanned<PerSecond>),
    /// A Poisson process that is switched on and off.
    Bursts(BurstsText),
    /// A Poisson process whose rate follows straight lines between points, over the day for example.
    Curve(List<CurvePoint>),
    /// Users who wait for the answer, think, and ask again.
    Users(UsersText),
    /// Recorded exchanges from a CSV file, named relative to the scenario.
    Trace(Spanned<String>),
}

impl Default for ArrivalsText {
    fn default() -> ArrivalsText {
        ArrivalsText::Users(UsersText::default())
    }
}

/// See [`ArrivalsText::Bursts`].
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BurstsText {
    /// Exchanges a second while on.
    pub rate: Spanned<PerSecond>,
    /// Length of the busy periods.
    pub on: Spanned<Distribution<Period>>,
    /// Length of the quiet periods.
    pub off: Spanned<Distribution<Period>>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// When.
    pub at: Spanned<Period>,
    /// Exchanges a second at that time.
    pub rate: Spanned<PerSecond>,
}

/// See [`ArrivalsText::Users`].
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersText {
    /// How many.
    pub count: Spanned<u32>,
    /// How long they think between an answer and the next request.
    pub think: Spanned<Distribution<Period>>,
}
