use super::super::testing::{addr, at, tcp};
use super::*;
use crate::packet::{Flags, Icmp, Segment};

const CLIENT: &str = "192.168.1.10";
const SERVER: &str = "10.0.0.11";
const VIP: &str = "10.0.0.100";

fn segment(src: (&str, u16), dst: (&str, u16), flags: Flags) -> Packet {
    let segment = Segment { sport: src.1, dport: dst.1, flags, ..Segment::default() };
    Packet { payload: Payload::Tcp(segment), ..tcp(src.0, dst.0, 60) }
}

fn request(flags: Flags) -> Packet {
    segment((CLIENT, 1024), (SERVER, 80), flags)
}

fn answer(flags: Flags) -> Packet {
    segment((SERVER, 80), (CLIENT, 1024), flags)
}

fn datagram(src: (&str, u16), dst: (&str, u16)) -> Packet {
    let datagram = crate::packet::Datagram { sport: src.1, dport: dst.1 };
    Packet { payload: Payload::Udp(datagram), ..tcp(src.0, dst.0, 60) }
}

fn icmp(src: &str, kind: u8, quote: Option<Packet>) -> Packet {
    let icmp = Icmp { kind, code: 0, info: 7 << 16 | 1, quote: quote.map(Box::new) };
    Packet { payload: Payload::Icmp(icmp), ..tcp(src, CLIENT, 84) }
}

/// A packet passes all hooks: what it is to its connection.
fn pass(conntrack: &mut Conntrack, seconds: f64, packet: &Packet) -> State {
    conntrack.enter(at(seconds), packet);
    conntrack.confirm(at(seconds));
    conntrack.state()
}

const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);

/// What a router sees of an ordinary exchange.
#[test]
fn the_first_packet_is_new_and_all_others_are_established() {
    let mut router = Conntrack::default();
    let exchange = [
        (request(SYN), State::New),
        (answer(SYN_ACK), State::Established),
        (request(ACK), State::Established),
        (request(FIN_ACK), State::Established),
        (answer(FIN_ACK), State::Established),
        (request(ACK), State::Established),
    ];
    for (packet, expected) in exchange {
        assert_eq!(pass(&mut router, 0.0, &packet), expected, "{packet}");
    }
    assert_eq!(router.entries.len(), 1);
    assert_eq!(pass(&mut router, 1.0, &request(SYN)), State::New, "the port is used again");
}

/// A direct-routing director with `net.ipv4.vs.conntrack=1` sees one side alone. Recorded from Linux 6.1.
#[test]
fn without_the_answers_what_follows_a_syn_is_invalid() {
    let mut director = Conntrack::default();
    assert_eq!(pass(&mut director, 0.0, &request(SYN)), State::New);
    assert_eq!(pass(&mut director, 0.0, &request(SYN)), State::New, "it is repeated");
    for flags in [ACK, FIN_ACK] {
        assert_eq!(pass(&mut director, 0.0, &request(flags)), State::Invalid);
    }
}

/// With 0 nothing is remembered. Recorded from Linux 6.1: four times NEW, and the FIN is INVALID.
#[test]
fn what_ipvs_takes_out_of_tracking_begins_again_with_every_packet() {
    let mut director = Conntrack::default();
    for (flags, expected) in [(SYN, State::New), (ACK, State::New), (FIN_ACK, State::Invalid)] {
        director.enter(at(0.0), &request(flags));
        assert_eq!(director.state(), expected);
        director.forget_packet();
        let left_alone = if expected == State::Invalid { State::Invalid } else { State::Untracked };
        assert_eq!(director.state(), left_alone);
        director.confirm(at(0.0));
    }
    assert!(director.entries.is_empty());
}

/// Masquerading with 1: the answer comes from the real server.
#[test]
fn answers_of_a_masqueraded_server_are_expected() {
    let mut director = Conntrack::default();
    director.enter(at(0.0), &segment((CLIENT, 1024), (VIP, 80), SYN));
    director.expect_answer_to(&request(SYN));
    director.confirm(at(0.0));
    assert_eq!(pass(&mut director, 0.0, &answer(SYN_ACK)), State::Established);
    let next = segment((CLIENT, 1024), (VIP, 80), ACK);
    assert_eq!(pass(&mut director, 0.0, &next), State::Established);
}

#[test]
fn what_is_dropped_leaves_no_trace() {
    let mut host = Conntrack::default();
    host.enter(at(0.0), &request(SYN)); // and never confirmed
    assert_eq!(pass(&mut host, 0.0, &answer(SYN_ACK)), State::Invalid);
    assert!(host.entries.is_empty());
}

/// `net.netfilter.nf_conntrack_tcp_timeout_syn_sent` is 120, `…_udp_timeout` 30, `…_udp_timeout_stream` 120.
#[test]
fn connections_are_forgotten_in_time() {
    let mut host = Conntrack::default();
    pass(&mut host, 0.0, &request(SYN));
    assert_eq!(pass(&mut host, 119.9, &answer(SYN_ACK)), State::Established);
    let mut host = Conntrack::default();
    pass(&mut host, 0.0, &request(SYN));
    assert_eq!(pass(&mut host, 120.0, &answer(SYN_ACK)), State::Invalid);

    let (asked, answered) = (datagram((CLIENT, 1024), (SERVER, 53)), datagram((SERVER, 53), (CLIENT, 1024)));
    let mut host = Conntrack::default();
    assert_eq!(pass(&mut host, 0.0, &asked), State::New);
    assert_eq!(pass(&mut host, 0.1, &asked), State::New, "nobody has answered");
    assert_eq!(pass(&mut host, 0.2, &answered), State::Established);
    assert_eq!(pass(&mut host, 30.3, &answered), State::New, "30 s without a packet");
    assert_eq!(pass(&mut host, 30.4, &asked), State::Established);
    assert_eq!(pass(&mut host, 33.0, &asked), State::Established, "a stream");
    assert_eq!(pass(&mut host, 152.9, &answered), State::Established);
}

#[test]
fn errors_are_related_to_what_they_are_about() {
    let mut host = Conntrack::default();
    let asked = datagram((CLIENT, 1024), (SERVER, 99));
    let error = |about: &Packet| icmp(SERVER, 3, Some(about.clone()));
    assert_eq!(pass(&mut host, 0.0, &error(&asked)), State::Invalid, "of nothing known");
    pass(&mut host, 0.0, &asked);
    assert_eq!(pass(&mut host, 0.0, &error(&asked)), State::Related);
    // REJECT answers a packet that has not reached the last hook.
    let mut host = Conntrack::default();
    host.enter(at(0.0), &request(SYN));
    host.enter(at(0.0), &error(&request(SYN)));
    host.confirm(at(0.0));
    assert_eq!((host.state(), host.entries.len()), (State::Related, 0));
}

#[test]
fn an_echo_is_a_conversation() {
    let mut host = Conntrack::default();
    let asked = Packet { src: addr(CLIENT), dst: addr(SERVER), ..icmp(CLIENT, 8, None) };
    assert_eq!(pass(&mut host, 0.0, &icmp(SERVER, 0, None)), State::Invalid, "nobody has asked");
    assert_eq!(pass(&mut host, 0.0, &asked), State::New);
    assert_eq!(pass(&mut host, 0.0, &icmp(SERVER, 0, None)), State::Established);
    assert_eq!(pass(&mut host, 0.0, &asked), State::Established, "the next echo");
}

/// A real server without the virtual address: `-j REDIRECT --to-ports 8080`. The way back is the identity.
#[test]
fn a_redirected_connection_goes_elsewhere_and_answers_as_asked() {
    let mut server = Conntrack::default();
    let mut asked = segment((CLIENT, 1024), (VIP, 80), SYN);
    server.enter(at(0.0), &asked);
    assert!(server.asks_nat());
    server.redirect(addr(SERVER), Some((8080, 8080)));
    assert!(server.translate_destination(&mut asked));
    assert_eq!((asked.dst, asked.ports()), (addr(SERVER), Some((1024, 8080))));
    server.confirm(at(0.0));
    let mut answer = segment((SERVER, 8080), (CLIENT, 1024), SYN_ACK);
    server.enter(at(0.0), &answer);
    assert!(!server.asks_nat() && !server.translate_destination(&mut answer));
    assert!(server.translate_source(&mut answer));
    assert_eq!((answer.src, answer.ports()), (addr(VIP), Some((80, 1024))));
    assert_eq!(server.state(), State::Established);
    let mut next = segment((CLIENT, 1024), (VIP, 80), ACK);
    server.enter(at(0.0), &next);
    assert!(!server.asks_nat(), "only the first packet asks the rules");
    assert!(server.translate_destination(&mut next) && next.ports() == Some((1024, 8080)));
    // A port that is in the range stays.
    server.enter(at(0.0), &segment((CLIENT, 1025), (VIP, 80), SYN));
    server.redirect(addr(SERVER), Some((70, 90)));
    let mut other = segment((CLIENT, 1025), (VIP, 80), SYN);
    server.translate_destination(&mut other);
    assert_eq!(other.ports(), Some((1025, 80)));
}

/// Seen on Linux 6.1: the port unreachable about a redirected datagram comes from the virtual address, and quotes what
/// the client has sent.
#[test]
fn errors_about_redirected_packets_are_translated_inside_and_out() {
    let mut server = Conntrack::default();
    let mut asked = datagram((CLIENT, 1024), (VIP, 99));
    server.enter(at(0.0), &asked);
    server.redirect(addr(SERVER), Some((98, 98)));
    server.translate_destination(&mut asked);
    server.confirm(at(0.0));
    let mut error = icmp(SERVER, 3, Some(asked));
    server.enter(at(0.0), &error);
    assert_eq!(server.state(), State::Related);
    assert!(server.translate_source(&mut error));
    let quoted = quote(&error).unwrap();
    assert_eq!((error.src, quoted.dst, quoted.ports()), (addr(VIP), addr(VIP), Some((1024, 99))));
}

/// Seen on Linux 6.1: nobody listens, and the reset comes from where the client asked.
#[test]
fn a_reset_that_ends_a_redirected_connection_is_translated() {
    let mut server = Conntrack::default();
    server.enter(at(0.0), &segment((CLIENT, 1024), (VIP, 80), SYN));
    server.redirect(addr(SERVER), Some((81, 81)));
    server.confirm(at(0.0));
    let mut reset = segment((SERVER, 81), (CLIENT, 1024), Flags::RST.with(ACK));
    server.enter(at(0.0), &reset);
    assert!(server.translate_source(&mut reset));
    server.confirm(at(0.0));
    assert_eq!((reset.src, reset.ports()), (addr(VIP), Some((80, 1024))));
    assert_eq!((server.state(), server.index.len()), (State::Established, 0));
}

/// Recorded from Linux 6.1 (44-dr-conntrack): a reset that refuses what does not fit ends the connection for the tracker,
/// too, and the data behind it begins one in its middle.
#[test]
fn a_reset_in_the_name_of_the_receiver_is_tracked() {
    let mut director = Conntrack::default();
    pass(&mut director, 0.0, &request(SYN));
    assert_eq!(pass(&mut director, 0.0, &request(ACK)), State::Invalid);
    director.answer(at(0.0), &answer(Flags::RST));
    assert_eq!(pass(&mut director, 0.0, &request(ACK)), State::New);
    // The reset about a packet that fits is an error about its connection.
    director.enter(at(0.0), &segment((CLIENT, 1025), (SERVER, 80), SYN));
    director.answer(at(0.0), &segment((SERVER, 80), (CLIENT, 1025), Flags::RST));
    assert_eq!(director.state(), State::Related);
}

/// What goes through lo is not looked up again: its addresses have changed on the way.
#[test]
fn a_packet_to_the_host_itself_keeps_what_is_known() {
    let mut host = Conntrack::default();
    let mut asked = segment((CLIENT, 1024), (VIP, 80), SYN);
    host.enter(at(0.0), &asked);
    host.redirect(addr("127.0.0.1"), None);
    host.translate_destination(&mut asked);
    host.confirm(at(0.0));
    host.loop_back();
    host.enter_again(at(0.0), &asked);
    assert_eq!((host.state(), host.entries.len()), (State::New, 1));
    host.enter_again(at(0.0), &segment((CLIENT, 1024), (VIP, 80), ACK));
    assert_eq!(
        host.state(),
        State::Invalid,
        "nothing was on its way: it is looked up, and does not fit a SYN"
    );
}

/// The table does not grow with the number of connections that have been.
#[test]
fn dead_entries_are_swept_away() {
    let mut host = Conntrack::default();
    for second in 0..20_000u32 {
        let asked = datagram((CLIENT, 1024 + (second % 50_000) as u16), (SERVER, 53));
        assert_eq!(pass(&mut host, f64::from(second), &asked), State::New);
    }
    assert!(host.entries.len() <= 2 * FEW && host.index.len() <= 4 * FEW, "{}", host.entries.len());
}
