//! The host itself: its network layer, its director, its programs, and its cables.

use super::arp::ArpSend;
use super::flows::Flows;
use super::interface::InterfaceId;
use super::reassembly::Reassembly;
use super::stack::{NeighbourAction, Stack};
use crate::cx::Cx;
use crate::event::Event;
use crate::frames::FrameId;
use crate::group::ClientGroup;
use crate::ipvs::Director;
use crate::link::LinkId;
use crate::ping::Pings;
use crate::server::Server;
use crate::tcp::input::mss_for;
use sim_core::{Time, Timers};

/// Time to live of packets that a host creates (ip_default_ttl).
pub const DEFAULT_TTL: u8 = 64;

/// The cable of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cable {
    /// The link away from the host.
    pub outgoing: LinkId,
    /// The link towards the host.
    pub incoming: LinkId,
}

/// A host: client, router, director, real server, or several of these.
#[repr(C, align(64))] // what every packet needs stands in front, next to the front of the stack
pub struct Host {
    /// Its number in the network.
    pub id: u32,
    /// A host that is down neither sends nor receives.
    pub is_up: bool,
    /// The segment being sent confirms the neighbour it goes to.
    pub(crate) confirms: bool,
    /// The packet at hand comes by lo: this host has sent it, and LOCAL_OUT has seen it.
    pub(super) is_looping: bool,
    /// IPVS, once the host has been told to be a director.
    pub director: Option<Box<Director>>,
    /// Interfaces, addresses, routes, neighbours.
    pub stack: Stack<FrameId>,
    /// The earliest event of the host's own timers.
    timer_posted: Time,
    /// Flows that a director knows by heart.
    pub(super) flows: Flows,
    pub(crate) cables: Vec<Option<Cable>>,
    /// Server programs.
    pub servers: Vec<Server>,
    /// Client programs.
    pub clients: Vec<ClientGroup>,
    /// How far the host is in its range of ephemeral ports.
    pub(crate) next_port: u16,
    pub(crate) timers: Timers,
    /// What the timers of the neighbour cache demand, while they fire.
    pub(crate) actions: Vec<NeighbourAction>,
    /// What `ping` asked from here.
    pub(crate) pings: Pings,
    /// Answers on behalf of others that are put off (`proxy_delay`), earliest first.
    pub(super) put_off: Vec<(Time, ArpSend)>,
    /// Fragments that wait for the rest.
    pub(super) reassembly: Reassembly,
    /// Its name.
    pub name: String,
}

impl Host {
    /// A host with nothing but lo.
    pub(crate) fn new(id: u32, name: &str, stack: Stack<FrameId>, timers: Timers) -> Host {
        Host {
            id,
            name: name.to_owned(),
            stack,
            director: None,
            flows: Flows::default(),
            servers: Vec::new(),
            clients: Vec::new(),
            is_up: true,
            next_port: 0,
            cables: Vec::new(),
            timers,
            actions: Vec::new(),
            pings: Pings::default(),
            put_off: Vec::new(),
            reassembly: Reassembly::default(),
            timer_posted: Time::NEVER,
            confirms: false,
            is_looping: false,
        }
    }

    /// The cable of an interface, if one is plugged in.
    #[inline]
    pub fn cable(&self, interface: InterfaceId) -> Option<Cable> {
        self.cables.get(interface.index()).copied().flatten()
    }

    pub(crate) fn plug(&mut self, interface: InterfaceId, cable: Cable) {
        if self.cables.len() <= interface.index() {
            self.cables.resize(interface.index() + 1, None);
        }
        self.cables[interface.index()] = Some(cable);
    }

    /// Makes sure that the host's own timers get their event.
    #[inline(never)]
    pub(crate) fn arm_timers(&mut self, cx: &mut Cx) {
        let neighbours = self.stack.next_timer().unwrap_or(Time::NEVER);
        let director =
            self.director.as_ref().and_then(|director| director.next_timer()).unwrap_or(Time::NEVER);
        let next = neighbours.min(director).min(self.own_timers()).max(cx.now);
        if next < self.timer_posted {
            self.timer_posted = next;
            cx.agenda.post(next, Event::Host(self.id));
        }
    }

    /// When an answer that was put off is due, or fragments are given up.
    fn own_timers(&self) -> Time {
        let answer = self.put_off.first().map_or(Time::NEVER, |(at, _)| *at);
        answer.min(self.reassembly.next_timer())
    }

    /// The same where only the director can have set a timer.
    #[inline]
    pub(crate) fn arm_director(&mut self, cx: &mut Cx) {
        if self.director_has_set_timer() {
            self.arm_timers(cx);
        }
    }

    /// Has the director set a timer (or the stack, for it) that has no event yet?
    #[inline]
    pub(super) fn director_has_set_timer(&mut self) -> bool {
        self.director.as_ref().is_some_and(|director| director.due() < self.timer_posted)
            || self.stack.has_set_timer()
    }

    /// The event of the host's own timers.
    pub(crate) fn timer(&mut self, cx: &mut Cx) {
        if self.timer_posted != cx.now {
            return; // an earlier one was posted later, and has been handled
        }
        self.timer_posted = Time::NEVER;
        if let Some(director) = &mut self.director {
            director.advance(cx.now);
            self.send_announcements(cx);
        }
        self.neighbour_timers(cx);
        self.reassembly_timers(cx);
        self.answer_for_others(cx);
        self.arm_timers(cx);
    }

    /// The largest IP packet towards `addr`.
    pub(crate) fn mtu_towards(&mut self, addr: crate::addr::Addr) -> u16 {
        self.stack.known_mtu(addr).unwrap_or_else(|| {
            let mtu = self.stack.route_output(addr, None, 0).map_or(1500, |route| route.mtu);
            u16::try_from(mtu).unwrap_or(u16::MAX)
        })
    }

    /// Bytes of data in a segment towards `addr`.
    pub(crate) fn mss_towards(&mut self, addr: crate::addr::Addr) -> u16 {
        mss_for(self.mtu_towards(addr), addr.is_v4())
    }

    /// The address this host would use towards `addr`.
    pub(crate) fn source_towards(&mut self, addr: crate::addr::Addr) -> Option<crate::addr::Addr> {
        let known = self.stack.known_path(addr).map(|path| path.source);
        known.or_else(|| self.stack.route_output(addr, None, 0).ok().map(|route| route.source))
    }
}
