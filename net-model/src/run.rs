//! The loop over all events: take the next one, hand it to its place.

use crate::capture;
use crate::event::Event;
use crate::host::InterfaceId;
use crate::link::LinkId;
use crate::network::Network;
use crate::wiring::Arrival;
use sim_core::Time;

impl Network {
    /// Runs everything up to and including the instant `until`.
    pub fn run_until(&mut self, until: Time) {
        if !self.is_started {
            self.start();
        }
        while let Some((at, event)) = self.cx.agenda.pop_until(until) {
            self.cx.now = at;
            self.events += 1;
            // All but a few events are frames that arrive at hosts: they do not leave this loop.
            let place = match event {
                Event::Arrive(link) => {
                    self.arrive(link);
                    link.0
                }
                rare => self.handle(rare),
            };
            self.fingerprint.add(at, kind_of(event), place);
            self.deliver_to_self();
        }
        self.cx.now = until;
    }

    /// The head of a link arrives.
    #[inline(always)] // the loop is its only caller
    fn arrive(&mut self, link: LinkId) {
        let Network { hosts, cx, .. } = self;
        match cx.wiring.arrive_at_host(cx.now, link, &mut cx.agenda) {
            Some((host, interface, frame)) => {
                hosts[host as usize].input(cx, InterfaceId(interface), frame);
            }
            None => self.arrive_elsewhere(link),
        }
    }

    /// The same where it is not at a host, somebody listens, or the link may refuse frames.
    #[inline(never)]
    fn arrive_elsewhere(&mut self, link: LinkId) {
        let Network { hosts, cx, .. } = self;
        match cx.wiring.arrive(cx.now, link, &mut cx.agenda, &mut cx.recorder) {
            Arrival::AtHost(host, interface, frame) => {
                hosts[host as usize].input(cx, InterfaceId(interface), frame);
            }
            Arrival::AtTap(host, interface, frame) => {
                capture::input(&mut hosts[host as usize], cx, InterfaceId(interface), frame);
            }
            Arrival::AtTrunk(host, interface, frame) => {
                hosts[host as usize].card_input(cx, InterfaceId(interface), frame);
            }
            Arrival::Handled => {}
        }
    }

    /// What hosts have sent to themselves comes in.
    #[inline]
    pub(crate) fn deliver_to_self(&mut self) {
        while let Some((host, frame)) = self.cx.loopback.pop_front() {
            let host = &mut self.hosts[host as usize];
            match self.cx.capture {
                None => host.ip_input_again(&mut self.cx, InterfaceId::LO, frame),
                Some(_) => capture::input_again(host, &mut self.cx, InterfaceId::LO, frame),
            }
        }
    }

    /// An event that is no arrival; where it happens, for the fingerprint.
    #[inline(never)]
    fn handle(&mut self, event: Event) -> u32 {
        let Network { hosts, cx, .. } = self;
        match event {
            Event::Arrive(_) => unreachable!("the loop handles arrivals itself"),
            Event::Sockets => {
                crate::tcp::timer::sockets_event(cx, hosts, self.options.timers);
                0
            }
            Event::Host(host) => {
                hosts[host as usize].timer(cx);
                host
            }
            Event::Served(id) => {
                let host = cx.requests.host(id);
                hosts[host as usize].request_served(cx, id);
                id.0
            }
            Event::Shared(number) => {
                let (host, index) = self.servers[number as usize];
                hosts[host as usize].sharing_event(cx, index as u32);
                number
            }
            Event::Begin(group) => {
                let (host, index) = self.groups[group.0 as usize];
                hosts[host as usize].begin_exchange(cx, index);
                group.0
            }
            Event::Exchange(id) => {
                if cx.exchanges.wake_at(id) == cx.now {
                    let (host, _) = self.groups[cx.exchanges.get(id).group.0 as usize];
                    hosts[host as usize].exchange_wakes(cx, id);
                }
                id.0
            }
            Event::Sample => {
                self.sample();
                0
            }
        }
    }
}

/// A number for each kind of event, for the fingerprint.
#[inline]
fn kind_of(event: Event) -> u32 {
    match event {
        Event::Arrive(_) => 1,
        Event::Sockets => 2,
        Event::Host(_) => 3,
        Event::Served(_) => 4,
        Event::Shared(_) => 5,
        Event::Begin(_) => 6,
        Event::Exchange(_) => 7,
        Event::Sample => 8,
    }
}
