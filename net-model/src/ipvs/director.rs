//! The director: IPVS of one host.

use super::config::{
    DaemonConfig, DaemonRole, DestinationConfig, DestinationKey, KernelError, ServiceConfig, ServiceKey,
    TimeoutSettings,
};
use super::decision::Decision;
use super::kernel::Kernel;
use super::settings::{Settings, SysctlError};
use super::timers::Timers;
use super::verdict::{Surroundings, Verdict};
use super::view::{ConnectionView, ServiceView, Shown};
use crate::addr::Family;
use crate::packet::Packet;
use sim_core::{Stream, Time};

/// IPVS of one host (one network namespace).
#[derive(Debug)]
pub struct Director {
    profile: Kernel,
    timers: Timers,
    stream: Stream,
    settings: Settings,
}

impl Director {
    /// An empty director. `stream` feeds what the kernel leaves to chance (drop_entry, scheduler twos).
    pub fn new(profile: Kernel, timers: Timers, stream: Stream) -> Director {
        Director { profile, timers, stream, settings: Settings::default() }
    }

    /// Are the hooks registered for this family? They are while a service of the family exists.
    pub fn intercepts(&self, family: Family) -> bool {
        let _ = family;
        false
    }

    /// LOCAL_IN: replies (priority 98), then requests (99).
    pub fn local_in(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        let _ = (now, packet, host);
        Verdict::Accept
    }

    /// LOCAL_OUT: replies of local servers (priority −99), then requests of local clients (−98).
    pub fn local_out(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        let _ = (now, packet, host);
        Verdict::Accept
    }

    /// FORWARD: ICMP errors about virtual services (priority 99), then replies (100).
    pub fn forward(&mut self, now: Time, packet: &mut Packet, host: &impl Surroundings) -> Verdict {
        let _ = (now, packet, host);
        Verdict::Accept
    }

    /// When [`Director::advance`] has something to do next, if ever.
    pub fn next_timer(&self) -> Option<Time> {
        None
    }

    /// Runs everything that is due: expiry, estimator, trash, collectors, defences. Every other entry point does
    /// this first.
    pub fn advance(&mut self, now: Time) {
        let _ = now;
    }

    /// `ipvsadm -A`.
    pub fn add_service(
        &mut self,
        now: Time,
        key: ServiceKey,
        config: &ServiceConfig,
    ) -> Result<(), KernelError> {
        let _ = (now, key, config);
        Err(KernelError::SchedulerNotFound)
    }

    /// `ipvsadm -E`.
    pub fn edit_service(
        &mut self,
        now: Time,
        key: ServiceKey,
        config: &ServiceConfig,
    ) -> Result<(), KernelError> {
        let _ = (now, key, config);
        Err(KernelError::NoSuchService)
    }

    /// `ipvsadm -D`.
    pub fn delete_service(&mut self, now: Time, key: ServiceKey) -> Result<(), KernelError> {
        let _ = (now, key);
        Err(KernelError::NoSuchService)
    }

    /// `ipvsadm -C`.
    pub fn flush(&mut self, now: Time) {
        let _ = now;
    }

    /// `ipvsadm -a`.
    pub fn add_destination(
        &mut self,
        now: Time,
        service: ServiceKey,
        key: DestinationKey,
        config: &DestinationConfig,
        host: &impl Surroundings,
    ) -> Result<(), KernelError> {
        let _ = (now, service, key, config, host);
        Err(KernelError::ServiceNotDefined)
    }

    /// `ipvsadm -e`.
    pub fn edit_destination(
        &mut self,
        now: Time,
        service: ServiceKey,
        key: DestinationKey,
        config: &DestinationConfig,
    ) -> Result<(), KernelError> {
        let _ = (now, service, key, config);
        Err(KernelError::ServiceNotDefined)
    }

    /// `ipvsadm -d`.
    pub fn delete_destination(
        &mut self,
        now: Time,
        service: ServiceKey,
        key: DestinationKey,
    ) -> Result<(), KernelError> {
        let _ = (now, service, key);
        Err(KernelError::ServiceNotDefined)
    }

    /// `ipvsadm -Z`: the statistics of one service, or of all and the total.
    pub fn zero(&mut self, now: Time, service: Option<ServiceKey>) -> Result<(), KernelError> {
        let _ = now;
        if service.is_some() { Err(KernelError::NoSuchService) } else { Ok(()) }
    }

    /// `ipvsadm --set`: 0 leaves a timeout alone.
    pub fn set_timeouts(&mut self, timeouts: TimeoutSettings) -> Result<(), KernelError> {
        let _ = timeouts;
        Ok(())
    }

    /// The timeouts that `ipvsadm --set` changes.
    pub fn timeouts(&self) -> TimeoutSettings {
        TimeoutSettings { tcp: 900, tcp_fin: 120, udp: 300 }
    }

    /// `ipvsadm --start-daemon`.
    pub fn start_daemon(&mut self, now: Time, config: DaemonConfig) -> Result<(), KernelError> {
        let _ = (now, config);
        Ok(())
    }

    /// `ipvsadm --stop-daemon`.
    pub fn stop_daemon(&mut self, now: Time, role: DaemonRole) -> Result<(), KernelError> {
        let _ = (now, role);
        Err(KernelError::NoDaemon)
    }

    /// The running daemons, master first.
    pub fn daemons(&self) -> impl Iterator<Item = &DaemonConfig> {
        [].into_iter()
    }

    /// `sysctl -w net.ipv4.vs.NAME=VALUE`.
    pub fn sysctl_set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
        self.settings.set(name, value)
    }

    /// `sysctl net.ipv4.vs.NAME`.
    pub fn sysctl_get(&self, name: &str) -> Result<String, SysctlError> {
        self.settings.get(name)
    }

    /// The services, in the order in which they were created.
    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        [].into_iter()
    }

    /// One service.
    pub fn service(&self, key: ServiceKey) -> Option<ServiceView<'_>> {
        self.services().find(|service| service.key == key)
    }

    /// The connection table at `now`, in an order that carries no meaning.
    pub fn connections(&self, now: Time) -> impl Iterator<Item = ConnectionView> {
        let _ = now;
        [].into_iter()
    }

    /// Statistics of the whole director.
    pub fn totals(&self) -> Shown {
        Shown::default()
    }

    /// Switches the record of decisions on or off.
    pub fn record_decisions(&mut self, on: bool) {
        let _ = on;
    }

    /// The decisions since the last call.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        let _ = (self.profile, self.timers, &self.stream);
        Vec::new()
    }

    /// Bytes of heap memory in use, roughly.
    pub fn memory(&self) -> usize {
        0
    }

    /// Entries in the connection table, templates included.
    pub fn connection_count(&self) -> usize {
        0
    }
}
