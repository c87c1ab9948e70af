//! A request meets the director: what the kernel answers, and what ipvsadm prints.

use super::request::{List, Refusal, RefusalKind, Request, What};
use super::text::Style;
use super::{Console, Output, connections, grammar, list, save};
use net_model::ipvs::{DaemonRole, KernelError, ServiceView, Surroundings};

/// The version line.
const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";

impl<S: Surroundings> Console<'_, S> {
    /// Runs ipvsadm with these arguments (its own name not among them); `stdin` is what `-R` reads.
    pub fn run(&mut self, args: &[&str], stdin: &str) -> Output {
        if !self.is_root {
            let message = "Can't initialize ipvs: Permission denied (you must be root)\n\
                Are you sure that IP Virtual Server is built in the kernel or as module?\n";
            return Output { stdout: String::new(), stderr: message.to_string(), status: 2 };
        }
        match grammar::parse(self.program, args, self.names) {
            Ok(Request::Restore) => self.restore(stdin),
            Ok(request) => self.apply(&request),
            Err(refusal) => Output::from(&refusal),
        }
    }

    /// Carries out a request. Restoring is done line by line by [`Console::run`]; here it has nothing to read.
    pub fn apply(&mut self, request: &Request) -> Output {
        let stdout = match request {
            Request::Help => super::help::TEXT.to_string(),
            Request::Version => VERSION.to_string(),
            Request::Restore => String::new(),
            Request::Save { numeric } => {
                let style = Style { numeric: *numeric, names: self.names };
                save::lines(self.services(), style)
            }
            Request::List(list) => match self.list(list) {
                Ok(text) => text,
                Err(error) => return Output::failed(error, 1),
            },
            change => match self.change(change) {
                Ok(()) => String::new(),
                Err(error) => return Output::failed(error, 255),
            },
        };
        Output { stdout, stderr: String::new(), status: 0 }
    }

    /// Carries out a request that changes something.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn change(&mut self, request: &Request) -> Result<(), KernelError> {
        let now = self.now;
        match request {
            Request::AddService(key, config) => {
                if self.director.service(*key).is_none() {
                    self.require_scheduler(&config.scheduler)?;
                }
                self.director.add_service(now, *key, config)
            }
            Request::EditService(key, config) => {
                if self.director.service(*key).is_some() {
                    self.require_scheduler(&config.scheduler)?;
                }
                self.director.edit_service(now, *key, config)
            }
            Request::DeleteService(key) => self.director.delete_service(now, *key),
            Request::Flush => {
                self.director.flush(now);
                Ok(())
            }
            Request::AddDestination(service, key, config) => {
                self.director.add_destination(now, *service, *key, config, self.host)
            }
            Request::EditDestination(service, key, config) => {
                self.director.edit_destination(now, *service, *key, config)
            }
            Request::DeleteDestination(service, key) => self.director.delete_destination(now, *service, *key),
            Request::Zero(service) => self.director.zero(now, *service),
            Request::SetTimeouts(timeouts) => self.director.set_timeouts(*timeouts),
            Request::StartDaemon(config) => {
                let is_running = self.director.daemons().any(|running| running.role == config.role);
                if !is_running {
                    match self.links.iter().find(|link| link.name == config.interface) {
                        None => return Err(KernelError::NoSuchDevice),
                        Some(link) if !link.is_usable => return Err(KernelError::NetworkUnreachable),
                        Some(_) => {}
                    }
                }
                self.director.start_daemon(now, config.clone())
            }
            Request::StopDaemon(role) => self.director.stop_daemon(now, *role),
            Request::Help | Request::Version | Request::Restore | Request::Save { .. } | Request::List(_) => {
                Ok(())
            }
        }
    }

    fn require_scheduler(&self, name: &str) -> Result<(), KernelError> {
        if self.missing_schedulers.contains(&name) { Err(KernelError::SchedulerNotFound) } else { Ok(()) }
    }

    fn list(&self, list: &List) -> Result<String, KernelError> {
        let style = Style { numeric: list.numeric, names: self.names };
        Ok(match list.what {
            What::Table => list::table(self.services(), list, self.names),
            What::Service(key) => {
                let service = self.director.service(key).ok_or(KernelError::NoSuchService)?;
                list::services_table(vec![service], list, style)
            }
            What::Connections => {
                connections::table(self.director.connections(self.now), list.engine_data, style)
            }
            What::Timeouts => {
                let t = self.director.timeouts();
                format!("Timeout (tcp tcpfin udp): {} {} {}\n", t.tcp, t.tcp_fin, t.udp)
            }
            What::Daemons => self.daemons(),
        })
    }

    fn daemons(&self) -> String {
        let line = |d: &net_model::ipvs::DaemonConfig| {
            let role = match d.role {
                DaemonRole::Master => "master",
                DaemonRole::Backup => "backup",
            };
            format!(
                "{role} sync daemon (mcast={}, syncid={}, maxlen={}, group={}, port={}, ttl={})\n",
                d.interface, d.sync_id, d.max_len, d.group, d.port, d.ttl
            )
        };
        self.director.daemons().map(line).collect()
    }

    /// The services, newest first.
    fn services(&self) -> Vec<ServiceView<'_>> {
        let mut services: Vec<_> = self.director.services().collect();
        services.reverse();
        services
    }

    /// `-R`: each line of `text` is a command line. Words are separated by blanks; there is no quoting and no
    /// comment; a word `ipvsadm` is dropped wherever it stands. Kernel errors and unreadable options do not end the
    /// run, everything else does. The status is that of the last line.
    fn restore(&mut self, text: &str) -> Output {
        let mut out = Output::default();
        for line in text.lines() {
            let words: Vec<&str> =
                line.split([' ', '\t', '\r']).filter(|w| !w.is_empty() && *w != "ipvsadm").collect();
            if words.is_empty() {
                continue;
            }
            let (answer, is_last) = match grammar::parse(self.program, &words, self.names) {
                Ok(Request::Restore) => (Output::from(&grammar::no_command(self.program, None)), true),
                Ok(request @ (Request::Help | Request::Version)) => (self.apply(&request), true),
                Ok(request) => {
                    let answer = self.apply(&request);
                    let is_failed_listing = answer.status == 1;
                    (answer, is_failed_listing)
                }
                Err(refusal) => (Output::from(&refusal), refusal.kind != RefusalKind::Unreadable),
            };
            out.stdout += &answer.stdout;
            out.stderr += &answer.stderr;
            out.status = answer.status;
            if is_last {
                break;
            }
        }
        out
    }
}

impl Output {
    fn failed(error: KernelError, status: i32) -> Output {
        Output { stdout: String::new(), stderr: format!("{}\n", message(error)), status }
    }
}

impl From<&Refusal> for Output {
    fn from(refusal: &Refusal) -> Output {
        Output { stdout: String::new(), stderr: format!("{}\n", refusal.message), status: refusal.status() }
    }
}

/// What ipvsadm prints for an error of the kernel.
pub fn message(error: KernelError) -> &'static str {
    match error {
        KernelError::ServiceExists => "Service already exists",
        KernelError::NoSuchService => "No such service",
        KernelError::SchedulerNotFound => "Scheduler or persistence engine not found",
        KernelError::ServiceNotDefined => "Service not defined",
        KernelError::DestinationExists => "Destination already exists",
        KernelError::NoSuchDestination => "No such destination",
        KernelError::InvalidOperation => {
            "Invalid operation.  Possibly wrong module version, address not unicast, ..."
        }
        KernelError::OutOfRange => "Numerical result out of range",
        KernelError::DaemonRunning => "Daemon has already run",
        KernelError::NoDaemon => "No daemon is running",
        KernelError::NoSuchDevice => "No such device",
        KernelError::NetworkUnreachable => "Network is unreachable",
    }
}
