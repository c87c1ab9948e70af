//! `ip rule add|del`.

use super::super::words::{Args, ParseError, number, to_prefix};
use super::{IpCommand, route, unknown, verb};
use net_model::addr::Prefix;

/// A rule of policy routing: which packets look into which table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSpec {
    /// Lower is asked first; none for one below the lowest so far.
    pub preference: Option<u32>,
    /// Source prefix.
    pub from: Option<Prefix>,
    /// Destination prefix.
    pub to: Option<Prefix>,
    /// Firewall mark and the bits of it that count.
    pub mark: Option<(u32, u32)>,
    /// Incoming device.
    pub iif: Option<String>,
    /// The table's number.
    pub table: u32,
}

pub(super) fn parse(args: &mut Args) -> Result<Vec<IpCommand>, ParseError> {
    let verb = verb(args, "rule", &["add", "delete"])?;
    let mut spec = RuleSpec { preference: None, from: None, to: None, mark: None, iif: None, table: 254 };
    while let Some(word) = args.next() {
        match word.text.as_str() {
            "from" => spec.from = some_prefix(args.prefix("source prefix")?),
            "to" => spec.to = some_prefix(args.prefix("destination prefix")?),
            "iif" | "dev" => spec.iif = Some(args.expect("device")?.text.clone()),
            "pref" | "preference" | "priority" | "prio" | "order" => {
                spec.preference = Some(args.number("preference")?);
            }
            "lookup" | "table" => spec.table = route::table(args)?,
            "fwmark" => {
                let word = args.expect("mark")?;
                let (mark, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xffffffff"));
                spec.mark = number(mark).zip(number(mask));
                if spec.mark.is_none() {
                    let problem = format!("`{}' is not a mark", word.text);
                    return Err(ParseError::at(
                        word,
                        problem,
                        "write MARK or MARK/MASK, such as 10 or 0xa/0xff",
                    ));
                }
            }
            _ => return Err(unknown(word, "rule", "from, to, fwmark, iif, lookup, pref")),
        }
    }
    Ok(vec![if verb == "add" { IpCommand::RuleAdd(spec) } else { IpCommand::RuleDelete(spec) }])
}

/// `from all` says nothing.
fn some_prefix(parts: (net_model::addr::Addr, u8)) -> Option<Prefix> {
    Some(to_prefix(parts)).filter(|prefix| prefix.len() > 0)
}
