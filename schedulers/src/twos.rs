//! `twos`, the power of two choices: two weighted draws, then the better of the two.
//!
//! With W the sum of the usable weights, two numbers are drawn uniformly from 0 … W. A walk of the usable servers in
//! list order subtracts their weights from both; the server at which a number first falls to 0 or below is its choice.
//! Of the two choices the one of smaller load per weight wins (by cross products). There is no state; the kernel draws
//! from its own generator, here the director's stream of random numbers serves.
//!
//! Ties: the first draw's choice. Because 0 is drawn as well, the first server in list order is slightly favoured.

use crate::{Cx, DestinationId, Destinations, Scheduler, TooMany};

/// `twos` has no state.
#[derive(Clone, Debug)]
pub struct TwoChoices;

impl Scheduler for TwoChoices {
    const HELP: &'static str = "Draws two servers at random, by weight, and takes the one with fewer connections per \
        weight. Nearly as even as wlc without its herd on a new server, and hard to predict. Needs a kernel that was \
        built with it.";
    const RULE: &'static str = "the smaller load / weight of two servers drawn at random by weight";
    const TIES: &'static str = "on a tie the first draw wins";

    fn bind(_flags: u8, _list: &Destinations) -> Result<TwoChoices, TooMany> {
        Ok(TwoChoices)
    }

    fn schedule(&mut self, cx: &mut Cx) -> Option<DestinationId> {
        let usable = cx.list.iter().filter(|(_, d)| d.is_usable());
        let total: i64 = usable.clone().map(|(_, d)| i64::from(d.weight)).sum();
        if total == 0 {
            return None;
        }
        let mut draw = || cx.random.below(total as u64 + 1) as i64;
        let (mut first, mut second) = (draw(), draw());
        let (mut one, mut two) = (None, None);
        for (id, d) in usable {
            first -= i64::from(d.weight);
            second -= i64::from(d.weight);
            if first <= 0 && one.is_none() {
                one = Some((id, d));
            }
            if second <= 0 && two.is_none() {
                two = Some((id, d));
            }
            if one.is_some() && two.is_some() {
                break;
            }
        }
        let ((one, d1), (two, d2)) = one.zip(two)?;
        let (load1, load2) = (i64::from(cx.formula.load(d1)), i64::from(cx.formula.load(d2)));
        let second_is_better = i64::from(d2.weight) * load1 > i64::from(d1.weight) * load2;
        Some(if second_is_better { two } else { one })
    }

    fn figure(&self, cx: &Cx, id: DestinationId) -> String {
        let d = cx.list.get(id);
        let total: i64 =
            cx.list.iter().filter(|(_, d)| d.is_usable()).map(|(_, d)| i64::from(d.weight)).sum();
        format!("drawn with {} of {total}, load {}", d.weight, cx.formula.load(d))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Pool;

    #[test]
    fn the_probabilities_of_an_idle_service_are_those_of_the_first_draw() {
        let mut pool = Pool::weights(&[2, 7]);
        let mut twos = pool.bind("twos", 0);
        let turns = 20_000;
        // Both loads are 0: always the first draw. Numbers 0 … 9; the newest (weight 7) has 0 … 7, the other 8 and 9.
        let chosen = (0..turns).filter(|_| pool.next(&mut twos) == Some(0)).count();
        assert!((3_800..4_200).contains(&chosen), "{chosen} of {turns}, expected a fifth");
    }

    #[test]
    fn a_loaded_server_is_taken_only_when_both_draws_agree_on_it() {
        let mut pool = Pool::weights(&[2, 7]);
        pool.set(1, |d| d.active = 1_000);
        let mut twos = pool.bind("twos", 0);
        let turns = 20_000;
        let loaded = (0..turns).filter(|_| pool.next(&mut twos) == Some(1)).count();
        assert!((12_500..13_100).contains(&loaded), "{loaded} of {turns}, expected 0.8² of them");
    }

    #[test]
    fn weight_zero_and_overload_are_never_drawn() {
        let mut pool = Pool::weights(&[1, 0, 1]);
        pool.set(2, |d| d.overloaded = true);
        let mut twos = pool.bind("twos", 0);
        assert_eq!(pool.run(&mut twos, 4), "1 1 1 1");
        pool.edit(&mut twos, 0, 0);
        assert_eq!(pool.run(&mut twos, 1), "-");
    }
}
