//! A simulated server behaves as queueing theory says (derivations in `docs/theory.md`).

use net_model::addr::{Addr, Mac, Prefix};
use net_model::host::interface::AddressSpec;
use net_model::host::{InterfaceId, InterfaceKind};
use net_model::ipvs::Protocol;
use net_model::spec::{
    Arrivals, ClientSpec, Close, Discipline, LinkSpec, ReplyFrom, ServerSpec, Sources, Target,
};
use net_model::{HostId, Network, Options};
use sim_core::{Dist, Duration, Time, Timers};

const SERVER: Addr = Addr::v4(0x0a00_0001);

/// One client host and one server host on a cable that is as good as none.
fn set_up(seed: u64, rate: f64, server: ServerSpec, duration: Duration) -> Network {
    let options = Options { seed, timers: Timers::Ideal, sampling: Duration::from_secs(10) };
    let mut net = Network::new(options);
    let cable = LinkSpec {
        rate_bps: 1_000_000_000_000,
        delay: Duration::from_nanos(10),
        queue_bytes: u64::MAX,
        loss: 0.0,
    };
    let clients = host(&mut net, "clients", 1, Addr::v4(0x0a00_0002));
    let servers = host(&mut net, "server", 2, SERVER);
    net.connect_hosts(clients, servers, &cable);
    let pool = Prefix::new(Addr::v4(0x0a01_0000), 16);
    net.host_mut(clients.0).stack.add_local_prefix(pool).unwrap();
    let back = net_model::host::fib::RouteSpec::to(Prefix::new(Addr::v4(0), 0)).via(Addr::v4(0x0a00_0002));
    net.host_mut(servers.0).stack.add_route(&back).unwrap();
    net.add_server(servers.0, server);
    net.add_clients(
        clients.0,
        ClientSpec {
            name: "load".into(),
            sources: Sources::RoundRobin(pool),
            target: Target { protocol: Protocol::Tcp, addr: SERVER, port: 80 },
            arrivals: Arrivals::Poisson(rate),
            request_bytes: Dist::Constant(100.0),
            close: Close::Server,
            timeout: None,
            retries: 0,
            says: Vec::new(),
            start: Time::ZERO,
            stop: Time::ZERO + duration,
            limit: None,
        },
    );
    net
}

fn host(net: &mut Network, name: &str, number: u64, addr: Addr) -> (HostId, InterfaceId) {
    let id = net.add_host(name);
    let eth0 =
        net.add_interface(id, "eth0", InterfaceKind::Ethernet, Mac::from_bits(0x0200_0000_0000 + number));
    let stack = &mut net.host_mut(id).stack;
    stack.set_up(eth0, true);
    stack.add_address(eth0, AddressSpec::new(addr, 24)).unwrap();
    (id, eth0)
}

fn server(workers: u32, discipline: Discipline, service_time: Dist) -> ServerSpec {
    ServerSpec {
        protocol: Protocol::Tcp,
        ports: vec![80],
        workers,
        discipline,
        speed: 1.0,
        service_time,
        response_bytes: Dist::Constant(100.0),
        backlog: 1_000_000,
        reply_from: ReplyFrom::Asked,
    }
}

/// Mean time in the server in seconds, over `replicas` runs, and the half width of its 99 % confidence interval.
fn sojourn(rate: f64, server: &ServerSpec, duration: Duration, replicas: u64) -> (f64, f64) {
    let means: Vec<f64> = (1..=replicas)
        .map(|seed| {
            let mut net = set_up(seed, rate, server.clone(), duration);
            net.run_until(Time::ZERO + duration);
            let outcome = net.outcome();
            assert_eq!(
                outcome.frames.sent,
                outcome.frames.delivered + outcome.frames.dropped + outcome.frames.in_flight
            );
            outcome.servers[0].sojourn.mean().as_secs_f64()
        })
        .collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = 3.25; // Student's t, 9 degrees of freedom, 99 %
    (mean, t * (variance / n).sqrt())
}

fn agrees(what: &str, (mean, half): (f64, f64), theory: f64) {
    println!("{what}: {mean:.5} s ± {half:.5} s, theory {theory:.5} s");
    assert!(half < theory * 0.05, "{what}: the interval ±{half} is too wide to say anything");
    assert!((mean - theory).abs() <= half, "{what}: {mean} ± {half} does not contain {theory}");
}

#[test]
fn one_worker_is_an_m_m_1_queue() {
    // rho = 0.8, mean service 10 ms: T = s / (1 - rho) = 50 ms
    let server = server(1, Discipline::Fifo, Dist::Exponential { mean: 0.010 });
    agrees("M/M/1", sojourn(80.0, &server, Duration::from_secs(2_000), 10), 0.050);
}

#[test]
fn four_workers_are_an_m_m_c_queue() {
    // c = 4, rho = 0.9, s = 40 ms: Erlang C = 0.78775, T = s + C s / (c (1 - rho)) = 118.775 ms
    let server = server(4, Discipline::Fifo, Dist::Exponential { mean: 0.040 });
    agrees("M/M/4", sojourn(90.0, &server, Duration::from_secs(3_000), 10), 0.118_775);
}

#[test]
fn processor_sharing_does_not_see_the_distribution() {
    // M/G/1-PS: T = s / (1 - rho), whatever the distribution; here two exponentials, squared coefficient of variation 5.5
    let mixed = Dist::HyperExponential(vec![(0.9, 0.005), (0.1, 0.055)]);
    let server = server(1, Discipline::ProcessorSharing, mixed);
    agrees("M/G/1-PS", sojourn(70.0, &server, Duration::from_secs(3_000), 10), 0.010 / 0.3);
}
