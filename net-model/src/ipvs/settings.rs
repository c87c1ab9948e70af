//! The settings `net.ipv4.vs.*`: one table with name, default, range and meaning.

use std::fmt;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name below `net.ipv4.vs`.
    pub name: &'static str,
    /// Value at start.
    pub default: i64,
    /// Smallest value accepted.
    pub min: i64,
    /// Largest value accepted.
    pub max: i64,
    /// What it does.
    pub meaning: &'static str,
    get: fn(&Settings) -> i64,
    set: fn(&mut Settings, i64),
}

/// Why a setting cannot be written or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SysctlError {
    /// No setting of this name: "No such file or directory".
    Unknown,
    /// Not a number (or not as many as needed), or out of range: "Invalid argument".
    Invalid,
}

impl fmt::Display for SysctlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SysctlError::Unknown => "No such file or directory",
            SysctlError::Invalid => "Invalid argument",
        })
    }
}

impl std::error::Error for SysctlError {}

/// Declares [`Settings`] and its table: name, default, smallest, largest, meaning.
macro_rules! settings {
    ($($name:ident $default:literal $min:tt $max:tt, $meaning:literal;)*) => {
        /// The values of all settings.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(#[doc = $meaning] pub $name: i64,)*
            /// `sync_threshold`: a connection is announced at packet T of every P.
            pub sync_threshold: (i64, i64),
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $($name: $default,)* sync_threshold: (3, 50) }
            }
        }

        /// Every setting with a single value, in alphabetical order; `sync_threshold` is the only pair.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            default: $default,
            min: $min,
            max: $max,
            meaning: $meaning,
            get: |settings| settings.$name,
            set: |settings, value| settings.$name = value,
        },)*];
    };
}

const INT: i64 = i32::MAX as i64;
const LEAST: i64 = i32::MIN as i64;
const LARGEST: i64 = i64::MAX;

/// The most seconds that fit as jiffies (250 a second) into an int.
const SECONDS: i64 = INT / 250;

settings! {
    am_droprate 10 LEAST INT, "drop_packet=3 drops every n-th packet that would open a connection.";
    amemthresh 1024 LEAST INT, "Pages of free memory below which the automatic defences (modes 1, 2) work.";
    backup_only 0 LEAST INT, "1: while the backup daemon runs, no requests are handled.";
    cache_bypass 0 LEAST INT, "1: marked packets without a usable cache go on to their original destination.";
    conn_reuse_mode 1 LEAST INT, "A SYN on a finished connection: 0 keeps the server, 1 schedules anew, bit 2 also from FIN_WAIT.";
    conntrack 0 LEAST INT, "1: packets of IPVS keep their netfilter conntrack.";
    drop_entry 0 0 3, "Drops idle entries every second: 0 never, 3 always, 1 and 2 when memory is short.";
    drop_packet 0 0 3, "Drops some opening packets: 0 never, 3 always, 1 and 2 when memory is short.";
    expire_nodest_conn 0 LEAST INT, "1: connections of a removed server expire at once instead of waiting for it.";
    expire_quiescent_template 0 LEAST INT, "1: a template whose server has weight 0 is given up.";
    ignore_tunneled 0 LEAST INT, "1: packets of protocols that IPVS does not balance are not looked at again. No effect, here as on Linux 6.1: what comes out of an IPIP or GRE tunnel is a new packet.";
    lblc_expiration 86400 LEAST SECONDS, "Seconds after which an unused entry of the lblc cache goes.";
    lblcr_expiration 86400 LEAST SECONDS, "Seconds after which an unused entry of the lblcr cache goes, or a set shrinks.";
    nat_icmp_send 0 LEAST INT, "1: packets of masqueraded servers without a connection are refused with ICMP.";
    pmtu_disc 1 LEAST INT, "0: tunnels ignore Don't Fragment.";
    run_estimation 1 LEAST INT, "0: counters and rates shown stop.";
    schedule_icmp 0 LEAST INT, "1: ICMP errors without a connection are scheduled.";
    secure_tcp 0 0 3, "Stricter TCP states: 0 never, 3 always, 1 and 2 when memory is short.";
    sloppy_sctp 0 LEAST INT, "1: any SCTP chunk but ABORT opens a connection.";
    sloppy_tcp 0 LEAST INT, "1: any TCP segment but RST opens a connection.";
    snat_reroute 1 LEAST INT, "1: replies of masqueraded servers are routed again as if the director had sent them; policy routing sees the difference.";
    sync_persist_mode 0 LEAST INT, "1: of a persistent connection only the template is announced.";
    sync_ports 1 1 (1 << 30), "Number of ports that announcements are spread over, a power of two; daemons use at most 64, and those that it had when they were started.";
    sync_qlen_max 16384 0 LARGEST, "How many full messages may wait in each thread of a master.";
    sync_refresh_period 0 LEAST SECONDS, "Seconds after which an unchanged connection is announced again; 0 counts packets instead.";
    sync_retries 0 0 3, "With sync_refresh_period: how often an announcement is repeated, each time after an eighth of the period.";
    sync_sock_size 0 LEAST INT, "Size of the daemons' socket buffers in bytes, 0 for the kernel's choice. No effect here: a real backup with a small one loses messages that come faster than it reads, a simulated one reads at once.";
    sync_version 1 0 1, "Format of the messages sent: 0 has neither IPv6 nor timeouts nor marks.";
}

impl Settings {
    /// Writes a setting, as `sysctl -w net.ipv4.vs.NAME=VALUE`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
        let mut numbers = value.split_ascii_whitespace().map(str::parse::<i64>);
        let mut next = || numbers.next().map(|number| number.map_err(|_| SysctlError::Invalid));
        if name == "sync_threshold" {
            let threshold = next().ok_or(SysctlError::Invalid)??;
            let period = next().transpose()?.unwrap_or(self.sync_threshold.1);
            if threshold < 0 || period < 0 || (period != 0 && threshold >= period) {
                return Err(SysctlError::Invalid);
            }
            self.sync_threshold = (threshold, period);
            return Ok(());
        }
        let setting = SETTINGS.iter().find(|setting| setting.name == name).ok_or(SysctlError::Unknown)?;
        let value = next().ok_or(SysctlError::Invalid)??;
        let odd_ports = name == "sync_ports" && value.count_ones() != 1;
        if value < setting.min || value > setting.max || odd_ports {
            return Err(SysctlError::Invalid);
        }
        (setting.set)(self, value);
        Ok(())
    }

    /// Reads a setting.
    pub fn get(&self, name: &str) -> Result<String, SysctlError> {
        if name == "sync_threshold" {
            return Ok(format!("{}\t{}", self.sync_threshold.0, self.sync_threshold.1));
        }
        let setting = SETTINGS.iter().find(|setting| setting.name == name).ok_or(SysctlError::Unknown)?;
        Ok((setting.get)(self).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back_its_default_and_its_bounds() {
        let mut settings = Settings::default();
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
        for setting in SETTINGS {
            assert_eq!(settings.get(setting.name), Ok(setting.default.to_string()), "{}", setting.name);
            for value in [setting.min, setting.max] {
                assert_eq!(settings.set(setting.name, &value.to_string()), Ok(()), "{}", setting.name);
                assert_eq!(settings.get(setting.name), Ok(value.to_string()));
            }
            assert_eq!(settings.set(setting.name, &(setting.min - 1).to_string()), Err(SysctlError::Invalid));
            let more = (i128::from(setting.max) + 1).to_string();
            assert_eq!(settings.set(setting.name, &more), Err(SysctlError::Invalid), "{}", setting.name);
        }
    }

    /// Recorded: `sysctl -w net.ipv4.vs.sync_threshold=5` changes the first number only.
    #[test]
    fn a_threshold_alone_keeps_the_period() {
        let mut settings = Settings::default();
        let mut write = |value: &str| settings.set("sync_threshold", value).map(|()| settings.sync_threshold);
        assert_eq!(write("5"), Ok((5, 50)));
        assert_eq!(write("60"), Err(SysctlError::Invalid), "not below the period");
        assert_eq!(write("5 0"), Ok((5, 0)));
        assert_eq!(write("1 2 3"), Ok((1, 2)));
        assert_eq!(write("5 abc"), Err(SysctlError::Invalid));
    }

    #[test]
    fn refuses_what_the_kernel_refuses() {
        let mut settings = Settings::default();
        assert_eq!(settings.set("secure_tcp", "4"), Err(SysctlError::Invalid));
        assert_eq!(settings.set("sync_threshold", "50 50"), Err(SysctlError::Invalid));
        assert_eq!(settings.set("sync_threshold", "5 0"), Ok(()));
        assert_eq!(
            settings.set("lblc_expiration", "8589935"),
            Err(SysctlError::Invalid),
            "more than fits as jiffies"
        );
        assert_eq!(settings.set("sync_ports", "3"), Err(SysctlError::Invalid));
        assert_eq!(settings.set("sloppy", "1"), Err(SysctlError::Unknown));
        assert_eq!(settings.set("sloppy_tcp", "yes"), Err(SysctlError::Invalid));
    }
}
