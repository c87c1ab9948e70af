//! Names: groups such as `web[1-1000]`, and the nearest known name for a misspelt one.

/// Longer names than this are refused; Linux allows 64 bytes in a host name.
pub const MAX_NAME: usize = 64;

/// The name of a host, or of a group of hosts with consecutive numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamePattern {
    /// What stands before the number.
    pub prefix: String,
    /// First and last number, for a group.
    pub range: Option<(u32, u32)>,
    /// What stands after the number.
    pub suffix: String,
    /// Numbers are padded with zeros to this many digits (`web[001-100]`).
    pub width: usize,
}

impl NamePattern {
    /// Reads `web1` or `web[1-1000]`.
    ///
    /// # Errors
    /// What is wrong, and on a second line the cure.
    pub fn parse(text: &str) -> Result<NamePattern, String> {
        let Some((prefix, rest)) = text.split_once('[') else {
            check_name(text)?;
            return Ok(NamePattern { prefix: text.into(), range: None, suffix: String::new(), width: 0 });
        };
        let parts = rest.split_once(']').and_then(|(range, suffix)| Some((range.split_once('-')?, suffix)));
        let Some(((first, last), suffix)) = parts else {
            return Err(format!(
                "`{text}` is not a group\nwrite a group as `web[1-1000]`: first and last number"
            ));
        };
        let (Ok(low), Ok(high)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            return Err(format!(
                "`{first}-{last}` is not a range of numbers\nwrite a group as `web[1-1000]`"
            ));
        };
        if low > high {
            return Err(format!("the group runs from {low} down to {high}\nput the smaller number first"));
        }
        check_name(&format!("{prefix}{high}{suffix}"))?;
        let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
        Ok(NamePattern { prefix: prefix.into(), range: Some((low, high)), suffix: suffix.into(), width })
    }

    /// How many hosts it names.
    pub fn count(&self) -> u64 {
        self.range.map_or(1, |(low, high)| u64::from(high - low) + 1)
    }

    /// Is this the name of one of them?
    pub fn matches(&self, name: &str) -> bool {
        let Some((low, high)) = self.range else { return name == self.prefix };
        let number = name.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix));
        number
            .and_then(|number| number.parse().ok())
            .is_some_and(|number: u32| (low..=high).contains(&number) && self.member(number - low) == name)
    }

    /// The name of member `index`, from 0.
    pub fn member(&self, index: u32) -> String {
        match self.range {
            None => self.prefix.clone(),
            Some((low, _)) => {
                format!("{}{:0width$}{}", self.prefix, low + index, self.suffix, width = self.width)
            }
        }
    }
}

/// Letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Err("an empty name\nnames are letters, digits, `.`, `_` and `-`".into());
    }
    if name.len() > MAX_NAME {
        return Err(format!("a name of {} characters\nnames have at most {MAX_NAME}", name.len()));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(legal) {
        return Err(format!("`{name}` is not a name\nnames are letters, digits, `.`, `_` and `-`"));
    }
    Ok(())
}

/// The candidate that `word` was probably meant to be: few letters differ, or one begins with the other.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.chars().count().div_ceil(3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = distance(&word.to_lowercase(), &candidate.to_lowercase());
            let begins = word.len() >= 3 && candidate.starts_with(word);
            (distance <= limit || begins).then_some((if begins { 0 } else { distance }, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits that turn `a` into `b`: insert, delete, replace, or swap neighbours.
fn distance(a: &str, b: &str) -> usize {
    // Long texts are no typing errors of one another, and the table is quadratic.
    if a.len() > MAX_NAME || b.len() > MAX_NAME {
        return usize::MAX;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_name_their_members() {
        let group = NamePattern::parse("web[8-11].lan").unwrap();
        assert_eq!(
            (group.count(), group.member(0), group.member(3)),
            (4, "web8.lan".into(), "web11.lan".into())
        );
        let padded = NamePattern::parse("web[001-100]").unwrap();
        assert_eq!((padded.member(0), padded.member(99)), ("web001".into(), "web100".into()));
        assert_eq!(NamePattern::parse("director").unwrap().member(0), "director");
        assert!(group.matches("web10.lan") && !group.matches("web12.lan") && !group.matches("web010.lan"));
    }

    #[test]
    fn bad_names_say_what_is_wrong() {
        for bad in ["", "web[1-", "web[2-1]", "web[a-b]", "a b", "-x", "web[1-4294967296]", &"x".repeat(65)] {
            assert!(NamePattern::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(NamePattern::parse("web[0-4294967295]").unwrap().count(), 1 << 32);
    }

    #[test]
    fn suggests_the_nearest_name() {
        let known = ["scheduler", "servers", "services", "sysctls"];
        assert_eq!(suggestion("shceduler", known), Some("scheduler"));
        assert_eq!(suggestion("sysctl", known), Some("sysctls"));
        assert_eq!(suggestion("sched", known), Some("scheduler"));
        assert_eq!(suggestion("banana", known), None);
    }
}
