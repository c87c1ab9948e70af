//! What holds for every command line, sensible or not.

use net_model::addr::Addr;
use net_model::ipvs::{Director, Kernel, Path, Surroundings, Timers};
use proptest::prelude::*;
use scenarios::console::Command;
use scenarios::console::ipvsadm::{self, Call, Console, Output, Tool};
use scenarios::console::names::Names;
use sim_core::{Stream, Time};

/// A host without addresses of its own.
struct Elsewhere;

impl Surroundings for Elsewhere {
    fn is_local(&self, _: Addr) -> bool {
        false
    }

    fn route(&self, _: Addr) -> Option<Path> {
        None
    }
}

fn director() -> Director {
    Director::new(Kernel::New, Timers::ideal(), Stream::new(1, "director"))
}

fn run(director: &mut Director, args: &[&str], stdin: &str) -> Output {
    call(director, Tool::Ipvsadm, args, stdin)
}

fn call(director: &mut Director, tool: Tool, args: &[&str], stdin: &str) -> Output {
    let names = Names::default();
    let args = args.iter().map(ToString::to_string).collect();
    let mut console = Console {
        director,
        host: &Elsewhere,
        links: &[],
        names: &names,
        now: Time::ZERO,
        program: "ipvsadm",
        missing_schedulers: &[],
        is_root: true,
    };
    console.call(&Call { tool, args, input: None, output: None }, stdin)
}

/// Words that mean something somewhere, and some that mean nothing.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(
        "ipvsadm ip addr add del dev lo eth0:0 label route default via rule fwmark lookup link set up mtu neigh \
         lladdr ifconfig netmask sysctl -w echo > iptables arptables -t mangle -A PREROUTING -j MARK --set-mark -D -P \
         -F INPUT -C -R -S -a -e -d -L -l -Z --set --start-daemon master -n -c -u -f -s rr mh -p 60 -M 24 -r -g -i -m \
         -x -y --stats --rate --nosort --syncid -X -6 -o --pe sip -b mh-port --tun-type gue --tun-port ! -Lnc -- - \
         10.0.0.1:80 [::1]:443 10.0.0.100/32 0/0 [ ] : :: 10.0.0.1 1.2.3.4.5 255.255.255.0 99999999999999999999"
            .split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>(),
    );
    prop_oneof![6 => known, 1 => ".{0,6}", 1 => "[-a-zA-Z0-9:./\\[\\]=,+!#'\"\\\\é：]{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_refusal_points_into_the_line(words in prop::collection::vec(word(), 0..9)) {
        let line = words.join(" ");
        let length = line.chars().count();
        let names = Names::default();
        let refused = [Command::parse(&line, &names).err(), Command::parse_rule(&line, &names).err()];
        for error in refused.into_iter().flatten() {
            prop_assert!(error.columns.start <= error.columns.end && error.columns.end <= length, "{error:?}");
            prop_assert!(!error.problem.is_empty() && !error.cure.is_empty(), "{error:?}");
        }
    }

    #[test]
    fn ipvsadm_answers_every_command_line(words in prop::collection::vec(word(), 0..9)) {
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = run(&mut director(), &args, &words.join("\n"));
        prop_assert!([0, 1, 2, 255].contains(&answer.status));
        prop_assert!(answer.status == 0 || !answer.stderr.is_empty(), "a failure says why: {args:?}");
        if let Err(refusal) = ipvsadm::parse("ipvsadm", &args, &Names::default()) {
            prop_assert!(refusal.word.is_none_or(|word| word < args.len()));
            prop_assert!(!refusal.cure.is_empty());
        }
    }
}

/// Lines that build a table without what -S cannot say: thresholds, nameless flags, marks of 2³¹ and more.
fn table() -> impl Strategy<Value = Vec<String>> {
    let service = prop_oneof![
        (0..4u8, 0..3u16).prop_map(|(host, port)| format!("-t 10.0.0.{host}:{}", 80 + port)),
        (0..4u8).prop_map(|host| format!("-u 192.168.0.{host}:53")),
        (1..4u8).prop_map(|host| format!("-t [2001:db8::{host}]:443")),
        (1..9u32).prop_map(|mark| format!("-f {mark}")),
    ];
    let options = prop::sample::select(vec![
        "",
        "-s rr",
        "-s wrr -p 60",
        "-s sh -b sh-port,sh-fallback",
        "-s mh -b mh-port -p",
        "-p 300 -M 64",
        "-s lblc",
    ]);
    let server =
        (1..9u8, prop::sample::select(vec!["-g", "-m", "-i", "-i --tun-type gre --tun-csum"]), 0..5u8);
    let line = prop_oneof![
        (service.clone(), options).prop_map(|(service, options)| format!("-A {service} {options}")),
        (service, server).prop_map(|(service, (host, method, weight))| {
            let addr =
                if service.contains('[') { format!("2001:db8::1:{host}") } else { format!("10.1.0.{host}") };
            format!("-a {service} -r {addr} {method} -w {weight}")
        }),
    ];
    prop::collection::vec(line, 1..40)
}

proptest! {
    #[test]
    fn what_is_saved_can_be_restored(lines in table()) {
        let mut first = director();
        run(&mut first, &["-R"], &lines.join("\n"));
        let saved = run(&mut first, &["-S", "-n"], "").stdout;
        let mut second = director();
        let answer = run(&mut second, &["-R"], &saved);
        prop_assert_eq!((answer.stderr.as_str(), answer.status), ("", 0));
        prop_assert_eq!(&run(&mut second, &["-S", "-n"], "").stdout, &saved);
        let listed = run(&mut second, &["-L", "-n"], "").stdout;
        prop_assert_eq!(listed, run(&mut first, &["-L", "-n"], "").stdout);
        // A second copy has the very list order of the first: saving sorts, restoring reverses.
        let mut third = director();
        run(&mut third, &["-R"], &run(&mut second, &["-S", "-n"], "").stdout);
        // The companions do the same, and what was there before is gone.
        let companion = call(&mut second, Tool::Save, &["-n"], "");
        prop_assert_eq!(&companion, &run(&mut second, &["-S", "-n"], ""));
        run(&mut first, &["-A", "-t", "10.9.9.9:80"], "");
        prop_assert_eq!(call(&mut first, Tool::Restore, &[], &format!("# saved\n{saved}")), Output::default());
        prop_assert_eq!(call(&mut first, Tool::Save, &["-n"], ""), companion);
        let order = |director: &mut Director| run(director, &["-L", "-n", "--nosort"], "").stdout;
        prop_assert_eq!(order(&mut third), order(&mut second));
    }
}
