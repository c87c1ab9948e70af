//! Linux's own commands, as administrators type them and production hosts print them.
//!
//! [`Command::parse`] turns a line into a typed value, or says which columns are wrong and what to write instead. It
//! is pure; [`crate::apply::Shell`] carries a command out on a host, [`ipvsadm::Console`] on a director alone.

pub mod arptables;
mod ifconfig;
pub mod ip;
pub mod iptables;
pub mod ipvsadm;
mod modules;
pub mod names;
pub mod proc;
mod route;
pub mod sysctl;
mod words;

pub use words::{ParseError, Word, words};

use arptables::Arptables;
use ip::IpCommand;
use iptables::Iptables;
use ipvsadm::{Call, Refusal, Request, Tool};
use names::Names;
use sysctl::Sysctl;

/// A command line, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `ipvsadm`
    Ipvsadm(Request),
    /// `ipvsadm-save`, `ipvsadm-restore`, and `ipvsadm` with files to read from or write to.
    Call(Call),
    /// `modprobe`, `rmmod`: is the FTP helper (`ip_vs_ftp`) there from now on? None for modules that are there anyway.
    Modules(Option<bool>),
    /// `ip`, `ifconfig`, `route`, `arp`: changes in this order.
    Ip(Vec<IpCommand>),
    /// `sysctl -w`, `echo … > /proc/sys/…`
    Sysctl(Vec<Sysctl>),
    /// `iptables`, `ip6tables`
    Iptables(Iptables),
    /// `arptables`
    Arptables(Arptables),
}

/// The programs that [`Command::parse`] knows.
pub const PROGRAMS: &[&str] = &[
    "ipvsadm",
    "ipvsadm-save",
    "ipvsadm-restore",
    "ip",
    "vconfig",
    "ifconfig",
    "route",
    "arp",
    "sysctl",
    "echo",
    "iptables",
    "ip6tables",
    "arptables",
    "modprobe",
    "rmmod",
];

impl Command {
    /// Reads a line; none for an empty line or a comment. The program may be given with its path, and after `sudo`.
    ///
    /// # Errors
    /// What is wrong, where, and the cure.
    pub fn parse(line: &str, names: &Names) -> Result<Option<Command>, ParseError> {
        let all = words(line)?;
        let is_prompt = |word: &&Word| matches!(word.text.as_str(), "sudo" | "$");
        let line = &all[all.iter().take_while(is_prompt).count()..];
        let Some(program) = line.first() else { return Ok(None) };
        let name = program.text.rsplit('/').next().unwrap_or_default();
        if let Some(tool) = Tool::named(name) {
            return ipvs_call(tool, line, names).map(Some);
        }
        Ok(Some(match name {
            "modprobe" | "rmmod" => modules::parse(line)?,
            "ip" => Command::Ip(ip::parse(line)?),
            "vconfig" => Command::Ip(ip::parse_vconfig(line)?),
            "ifconfig" => Command::Ip(ifconfig::parse(line)?),
            "route" => Command::Ip(route::parse(line)?),
            "arp" => Command::Ip(route::parse_arp(line)?),
            "sysctl" => Command::Sysctl(sysctl::parse(line)?),
            "echo" => Command::Sysctl(sysctl::parse_echo(line)?),
            "iptables" | "ip6tables" => Command::Iptables(iptables::parse(line, names)?),
            "arptables" => Command::Arptables(arptables::parse(line)?),
            _ => {
                let problem = format!("the program `{}' is not modelled", program.text);
                return Err(ParseError::at(program, problem, format!("use one of: {}", PROGRAMS.join(", "))));
            }
        }))
    }

    /// Does the command talk to IPVS?
    pub fn needs_director(&self) -> bool {
        match self {
            Command::Ipvsadm(_) | Command::Call(_) => true,
            Command::Modules(change) => change.is_some(),
            Command::Sysctl(settings) => {
                settings.iter().any(|setting| setting.path.starts_with("net/ipv4/vs/"))
            }
            Command::Ip(_) | Command::Iptables(_) | Command::Arptables(_) => false,
        }
    }

    /// Reads a line of an `ipvsadm:` block, which may leave out the program's name, as `ipvsadm -S` does.
    ///
    /// # Errors
    /// What is wrong, where, and the cure.
    pub fn parse_rule(line: &str, names: &Names) -> Result<Option<Request>, ParseError> {
        let line = words(line)?;
        match line.first() {
            None => Ok(None),
            Some(first) if first.text.starts_with('-') => ipvsadm_request(&line, 0, names).map(Some),
            Some(first) if first.text.rsplit('/').next() == Some("ipvsadm") => {
                ipvsadm_request(&line, 1, names).map(Some)
            }
            Some(first) => {
                let problem = format!("`{}' is no ipvsadm command", first.text);
                let cure =
                    "write lines such as -A -t ADDRESS:PORT -s wlc and -a -t ADDRESS:PORT -r SERVER -m";
                Err(ParseError::at(first, problem, cure))
            }
        }
    }
}

/// A call of ipvsadm or a companion; what it reads must come from a file.
fn ipvs_call(tool: Tool, line: &[Word], names: &Names) -> Result<Command, ParseError> {
    let call = Call::read(tool, &line[1..])?;
    if tool == Tool::Restore && call.input.is_none() {
        let cure = "write ipvsadm-restore < FILE, where FILE was written by ipvsadm-save -n > FILE";
        return Err(ParseError::at(&line[0], "`ipvsadm-restore' has nothing to read", cure));
    }
    if tool == Tool::Ipvsadm && call.input.is_none() && call.output.is_none() {
        return ipvsadm_request(line, 1, names).map(Command::Ipvsadm);
    }
    Ok(Command::Call(call))
}

/// Reads ipvsadm's arguments, the words from `first` on.
fn ipvsadm_request(line: &[Word], first: usize, names: &Names) -> Result<Request, ParseError> {
    let args: Vec<&str> = line[first..].iter().map(|word| word.text.as_str()).collect();
    ipvsadm::parse("ipvsadm", &args, names).map_err(|refusal| {
        let whole = line[0].columns.start..line[line.len() - 1].columns.end;
        let columns = refusal.word.map_or(whole, |word| line[first + word].columns.clone());
        let Refusal { message, cure, .. } = refusal;
        ParseError { columns, problem: message.trim_end().to_string(), cure }
    })
}

#[cfg(test)]
mod tests;
