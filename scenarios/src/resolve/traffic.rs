//! Clients and servers: distributions, rates, traces, and what is absurd about them.

use super::Resolver;
use crate::decode::{List, Spanned};
use crate::scenario::ClientGroup;
use crate::schema::{
    ArrivalsText, ClientText, CloseText, DisciplineText, Distribution, Document, ProtocolText, ReplyFromText,
    ServerText,
};
use crate::source::Span;
use crate::units::{Bytes, PerSecond, Period};
use net_model::addr::Addr;
use net_model::ipvs::Protocol;
use net_model::spec::{Arrivals, ClientSpec, Close, Discipline, ReplyFrom, ServerSpec, Sources, Target};
use sim_core::{Dist, Duration, Time};
use std::sync::Arc;

/// More exchanges a second than this are refused.
const MAX_RATE: f64 = 1e8;
/// More users than this in one group are refused.
const MAX_USERS: u32 = 10_000_000;
/// More workers than this in one server are refused.
const MAX_WORKERS: u32 = 1_000_000;

/// A quantity that distributions are made of.
pub(super) trait Amount: Copy + std::str::FromStr<Err = String> {
    /// In the base unit: seconds or bytes.
    fn amount(self) -> f64;
}

impl Amount for Period {
    fn amount(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl Amount for Bytes {
    fn amount(self) -> f64 {
        self.0 as f64
    }
}

impl Resolver<'_> {
    pub(super) fn servers(&mut self, list: &List<Spanned<ServerText>>) -> Arc<[ServerSpec]> {
        list.0.iter().map(|server| self.server(server)).collect()
    }

    fn server(&mut self, text: &Spanned<ServerText>) -> ServerSpec {
        let mut ports: Vec<u16> = text.ports.0.iter().map(|port| port.value).collect();
        if let Some(port) = text.ports.0.iter().find(|port| port.value == 0) {
            self.error(port.span, "a program cannot listen on port 0", "ports are 1 to 65535");
        }
        if ports.is_empty() {
            ports.push(80);
        }
        let workers = text.workers.map_or(8, |workers| workers.value);
        if let Some(bad) = text.workers.filter(|workers| !(1..=MAX_WORKERS).contains(&workers.value)) {
            self.error(
                bad.span,
                format!("{} workers", bad.value),
                format!("a server has 1 to {MAX_WORKERS} workers"),
            );
        }
        let speed = text.speed.map_or(1.0, |speed| speed.value);
        if let Some(bad) = text.speed.filter(|speed| !(1e-6..=1e6).contains(&speed.value)) {
            self.error(
                bad.span,
                format!("a speed of {}", bad.value),
                "speeds are positive; 1 is normal, 2 is twice as fast",
            );
        }
        let protocol = text.protocol.map_or_else(Default::default, |protocol| protocol.value);
        ServerSpec {
            protocol: match protocol {
                ProtocolText::Tcp => Protocol::Tcp,
                ProtocolText::Udp => Protocol::Udp,
            },
            ports,
            workers,
            discipline: match text.discipline.map_or_else(Default::default, |discipline| discipline.value) {
                DisciplineText::Fifo => Discipline::Fifo,
                DisciplineText::Ps => Discipline::ProcessorSharing,
            },
            speed,
            service_time: self.dist(text.service_time.as_ref(), 1e-3),
            response_bytes: self.dist(text.response.as_ref(), 1e3),
            backlog: text.backlog.map_or(511, |backlog| backlog.value),
            reply_from: match text.reply_from.map_or_else(Default::default, |from| from.value) {
                ReplyFromText::Asked => ReplyFrom::Asked,
                ReplyFromText::Routed => ReplyFrom::Routed,
            },
        }
    }

    /// A distribution in base units; `default` (a constant) if there is none.
    fn dist<Q: Amount>(&mut self, text: Option<&Spanned<Distribution<Q>>>, default: f64) -> Dist {
        let Some(text) = text else { return Dist::Constant(default) };
        let span = text.span;
        match &text.value {
            Distribution::Constant(value) => Dist::Constant(value.amount()),
            Distribution::Uniform(bounds) => {
                let (low, high) = (bounds.low.amount(), bounds.high.amount());
                self.must(low <= high, span, "`low` is above `high`", "put the smaller value into `low`");
                Dist::Uniform { low, high }
            }
            Distribution::Exponential(mean) => {
                self.must(
                    mean.amount() > 0.0,
                    span,
                    "a mean of 0",
                    "write `constant` for a value that never varies",
                );
                Dist::Exponential { mean: mean.amount() }
            }
            Distribution::Lognormal(d) => {
                let good = d.median.amount() > 0.0 && (0.0..=20.0).contains(&d.sigma);
                self.must(
                    good,
                    span,
                    "no lognormal distribution",
                    "the median is above 0, sigma from 0 to 20",
                );
                Dist::LogNormal { median: d.median.amount(), sigma: d.sigma }
            }
            Distribution::Pareto(d) => {
                let (min, max) = (d.min.amount(), d.max.amount());
                let good = min > 0.0 && min <= max && d.shape > 0.0;
                self.must(
                    good,
                    span,
                    "no Pareto distribution",
                    "min is above 0, max not below min, shape above 0",
                );
                Dist::Pareto { min, shape: d.shape, max }
            }
            Distribution::Weibull(d) => {
                let good = d.scale.amount() > 0.0 && d.shape > 0.0;
                self.must(good, span, "no Weibull distribution", "scale and shape are above 0");
                Dist::Weibull { scale: d.scale.amount(), shape: d.shape }
            }
            Distribution::Hyperexponential(phases) => {
                let sum: f64 = phases.0.iter().map(|phase| phase.share.0).sum();
                let good = (sum - 1.0).abs() < 1e-6 && phases.0.iter().all(|phase| phase.mean.amount() > 0.0);
                self.must(good, span, "no mixture", "the shares sum to 100%, and every mean is above 0");
                Dist::HyperExponential(
                    phases.0.iter().map(|phase| (phase.share.0, phase.mean.amount())).collect(),
                )
            }
            Distribution::Empirical(name) => Dist::Empirical(self.empirical::<Q>(name).into()),
        }
    }

    fn must(&mut self, holds: bool, span: Span, message: &str, help: &str) {
        if !holds {
            self.error(span, message, help);
        }
    }

    /// Measured values: one a line, with units; blank lines and `#` lines do not count.
    fn empirical<Q: Amount>(&mut self, name: &Spanned<String>) -> Vec<f64> {
        let Some((source, text)) = self.file(name) else { return vec![0.0] };
        let mut values = Vec::new();
        let mut at = 0;
        for raw in text.split('\n') {
            let line = raw.trim();
            if !line.is_empty() && !line.starts_with('#') {
                match line.parse::<Q>() {
                    Ok(value) => values.push(value.amount()),
                    Err(why) => {
                        let (message, help) = why.split_once('\n').unwrap_or((&why, ""));
                        let problem =
                            crate::problem::Problem::error(Span::new(at, at + raw.len()), message).help(help);
                        self.problems.push(crate::problem::Problem { source, ..problem });
                        return vec![0.0];
                    }
                }
            }
            at += raw.len() + 1;
        }
        if values.is_empty() {
            self.error(name.span, "the file has no values", "one value a line, with its unit: 12.5ms");
            values.push(0.0);
        }
        values
    }

    pub(super) fn clients(&mut self, document: &Document, duration: Duration) -> Vec<ClientGroup> {
        let mut groups = Vec::new();
        for (name, text) in &document.clients.0 {
            let Some(on) = &text.on else {
                self.error(name.span, "on which host do these clients run?", "add `on: HOST`");
                continue;
            };
            let arrivals = self.arrivals(&text.arrivals);
            let target = self.target(name.span, text, &arrivals);
            let start = Time::ZERO + text.start.map_or(Duration::ZERO, |start| start.value.0);
            let stop = Time::ZERO + text.stop.map_or(duration, |stop| stop.value.0);
            if start >= stop && duration > Duration::ZERO {
                let span = text.start.or(text.stop).map_or(name.span, |given| given.span);
                self.error(
                    span,
                    "these clients stop before they start",
                    "`start` lies before `stop` and before the end of the run",
                );
            }
            let Some(host) = self.host(on) else { continue };
            let spec = ClientSpec {
                name: name.value.clone(),
                sources: text.sources.map_or(Sources::Host, |sources| sources.value.0),
                target,
                arrivals,
                request_bytes: self.dist(text.request.as_ref(), 200.0),
                close: match text.close.map_or_else(Default::default, |close| close.value) {
                    CloseText::Server => Close::Server,
                    CloseText::Client => Close::Client,
                    CloseText::Reset => Close::Reset,
                    CloseText::None => Close::None,
                },
                timeout: text.timeout.map(|timeout| timeout.value.0),
                retries: text.retries.map_or(0, |retries| retries.value),
                start,
                stop,
                limit: text.limit.map(|limit| limit.value),
            };
            groups.push(ClientGroup { host, span: name.span, spec });
        }
        groups
    }

    fn target(&mut self, span: Span, text: &ClientText, arrivals: &Arrivals) -> Target {
        match (&text.to, arrivals) {
            (Some(to), _) => to.value.0,
            (None, Arrivals::Trace(rows)) if !rows.is_empty() => rows[0].target,
            (None, arrivals) => {
                if !matches!(arrivals, Arrivals::Trace(_)) {
                    self.error(span, "where do these clients connect to?", "add `to: ADDRESS:PORT`");
                }
                Target { protocol: Protocol::Tcp, addr: Addr::UNSPECIFIED_V4, port: 0 }
            }
        }
    }

    fn arrivals(&mut self, text: &Spanned<ArrivalsText>) -> Arrivals {
        match &text.value {
            ArrivalsText::Poisson(rate) => Arrivals::Poisson(self.rate(rate, true)),
            ArrivalsText::Constant(rate) => Arrivals::Constant(self.rate(rate, true)),
            ArrivalsText::Bursts(bursts) => {
                let rate = self.rate(&bursts.rate, true);
                let [on, off] = [&bursts.on, &bursts.off].map(|text| self.dist(Some(text), 1.0));
                let help = "give `on` a length above 0";
                self.must(on.mean() > 0.0, bursts.on.span, "bursts of no length begin no exchange", help);
                Arrivals::Bursts { rate, on, off }
            }
            ArrivalsText::Curve(points) => {
                let curve: Vec<(Time, f64)> =
                    points.0.iter().map(|p| (Time::ZERO + p.at.value.0, self.rate(&p.rate, false))).collect();
                if let Some(at) = (1..curve.len()).find(|at| curve[*at].0 <= curve[at - 1].0) {
                    let help = "each `at` is later than the one before it";
                    self.error(
                        points.0[at].at.span,
                        "the points of the curve are not in order of time",
                        help,
                    );
                }
                if curve.iter().all(|(_, rate)| *rate == 0.0) {
                    self.error(
                        text.span,
                        "a curve that never leaves 0",
                        "give at least one point a rate above 0",
                    );
                }
                Arrivals::Curve(curve)
            }
            ArrivalsText::Users(users) => {
                if !(1..=MAX_USERS).contains(&users.count.value) {
                    let help = format!("a group has 1 to {MAX_USERS} users");
                    self.error(users.count.span, format!("{} users", users.count.value), help);
                }
                Arrivals::Users { users: users.count.value, think: self.dist(Some(&users.think), 1.0) }
            }
            ArrivalsText::Trace(name) => {
                let Some((source, rows)) = self.file(name) else { return Arrivals::Trace(Arc::new([])) };
                Arrivals::Trace(crate::trace::read(&rows, source, self.problems).into())
            }
        }
    }

    fn rate(&mut self, rate: &Spanned<PerSecond>, positive: bool) -> f64 {
        let value = rate.value.0;
        if value == 0.0 && positive {
            self.error(
                rate.span,
                "a rate of 0 never begins an exchange",
                "give a rate above 0, or remove the group",
            );
        }
        if value > MAX_RATE {
            let help = format!("at most {MAX_RATE:e} exchanges a second are simulated");
            self.error(rate.span, format!("{value:e} exchanges a second"), help);
        }
        value
    }
}
