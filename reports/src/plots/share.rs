//! How many requests each server got, against the share that its weight entitles it to.

use super::canvas::{Canvas, Text, text_width};
use super::panel::{EndLabel, FOOT, FOOT_TITLE, HEAD, Panel};
use super::rows::Rows;
use super::scale::{Scale, Unit};
use super::theme::Role;
use super::{Drawing, Size, svg::Svg};
use crate::Labelled;
use crate::format::{percent_cell, short, sig3};
use crate::summary::{Share, shares};

/// The most servers with a bar of their own.
const MOST_BARS: usize = 20;

/// Draws the shares of one run.
pub(super) fn draw(runs: &[Labelled], size: Size) -> Drawing {
    let shares = runs.first().map(|run| shares(&run.outcome)).unwrap_or_default();
    let total: u64 = shares.iter().map(|s| s.accepted).sum();
    if total == 0 {
        return Drawing::nothing("No server got a request", "There are no shares to show.", size);
    }
    let svg = if shares.len() <= MOST_BARS { bars(&shares, size) } else { curve(&shares, total, size) };
    let reading = if shares.len() <= MOST_BARS {
        "Share of all requests per server; the upright mark is the fair share: the server’s weight over all weights."
    } else {
        "Requests over fair share, servers sorted; at 1× a server gets exactly what its weight entitles it to."
    };
    Drawing { finding: finding(&shares, total), reading: reading.into(), svg }
}

fn finding(shares: &[Share], total: u64) -> String {
    if let [one] = shares {
        return format!("{} answers everything: it is the only server", one.name);
    }
    let ratios: Vec<(f64, &Share)> = shares.iter().filter_map(|s| Some((s.ratio(total)?, s))).collect();
    let extreme = |pick: fn(f64, f64) -> bool| {
        ratios.iter().copied().reduce(|best, next| if pick(next.0, best.0) { next } else { best })
    };
    let (Some((most, busiest)), Some((least, idlest))) = (extreme(|a, b| a > b), extreme(|a, b| a < b))
    else {
        return "All weights are 0: no server is entitled to a share".into();
    };
    let off = (most - 1.0).max(1.0 - least);
    if off < 0.005 {
        "Every server gets exactly its fair share".into()
    } else if off <= 0.1 {
        format!("Every server gets its fair share, give or take {} %", short((off * 100.0).ceil()))
    } else {
        format!(
            "{} gets {}× its fair share, {} only {}×",
            busiest.name,
            short(most),
            idlest.name,
            short(least)
        )
    }
}

fn bars(shares: &[Share], size: Size) -> Svg {
    let names: Vec<&str> = shares.iter().map(|s| s.name.as_str()).collect();
    let most = shares.iter().map(|s| s.part.max(s.fair)).fold(0.0, f64::max);
    let scale = Scale::linear(0.0, most * 100.0, if size == Size::Wide { 5 } else { 3 }, Unit::Percent);
    let rows = Rows::new(&names, scale, 140.0, size);
    // The first server with some room beside its mark explains the mark.
    let explained = shares.iter().position(|s| s.fair > 0.0);
    rows.draw("share of all requests", |canvas, row| {
        let (share, y) = (&shares[row], rows.y(row));
        let ends = [share.part, share.fair].map(|s| rows.x(s * 100.0));
        canvas.rect((rows.x(0.0), y - 7.0), (ends[0], y + 7.0), Role::Blue, 0.9);
        if share.fair > 0.0 {
            canvas.line((ends[1], y - 10.0), (ends[1], y + 10.0), Role::Ink, 2.4);
        }
        let part = format!("{} %", percent_cell(share.part));
        let times =
            if share.fair > 0.0 { format!("{}×", sig3(share.part / share.fair)) } else { "weight 0".into() };
        canvas.text(size.width() - 66.0, y, &part, Text::label(Role::Ink).end());
        canvas.text(size.width() - 2.0, y, &times, Text::muted().end());
        if explained == Some(row) {
            caption(canvas, ends[1], &rows);
            canvas.text(size.width() - 2.0, rows.caption_y(), "got / fair", Text::muted().end());
        }
    })
}

/// Says above the first row what the mark is.
fn caption(canvas: &mut Canvas<'_>, x: f64, rows: &Rows) {
    let half = text_width("fair share") / 2.0;
    let x = x.clamp(rows.left() + half, rows.right().max(rows.left() + half));
    canvas.text(x, rows.caption_y(), "fair share", Text::label(Role::Ink).middle());
}

fn curve(shares: &[Share], total: u64, size: Size) -> Svg {
    let mut ratios: Vec<(f64, &str)> =
        shares.iter().filter_map(|s| Some((s.ratio(total)?, s.name.as_str()))).collect();
    ratios.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let (Some(&(most, busiest)), Some(&(least, idlest))) = (ratios.first(), ratios.last()) else {
        return Drawing::nothing("", "All weights are 0.", size).svg;
    };
    let (width, height) = (size.width(), 260.0);
    let x = Scale::exact(0.0, 100.0, 5, Unit::Percent);
    let y = Scale::linear(least.min(0.9), most.max(1.1), 5, Unit::Times);
    let panel = Panel::new(width, (HEAD, height - FOOT - FOOT_TITLE), 112.0, x, y);
    let last = (ratios.len() - 1).max(1) as f64;
    let points: Vec<(f64, f64)> =
        ratios.iter().enumerate().map(|(i, (r, _))| panel.at((i as f64 / last * 100.0, *r))).collect();
    Svg::draw(width, height, |canvas| {
        panel.draw_axes(canvas, "servers, most loaded first", "requests / fair share");
        let one = panel.y_of(1.0);
        let band: Vec<_> = points.iter().map(|p| (p.0, p.1, one)).collect();
        canvas.band(&band, Role::Sky, 0.45);
        canvas.line((panel.left, one), (panel.right, one), Role::Ink, 1.2);
        canvas.path(&points, Role::Blue, 2.2);
        let name = |name: &str| crate::table::clipped(name, 12);
        let end = points.last().map_or(one, |p| p.1);
        let labels = [
            EndLabel { y: one, text: "fair share".into(), role: Role::Ink },
            EndLabel { y: end, text: format!("{} {}×", name(idlest), short(least)), role: Role::Blue },
        ];
        panel.draw_end_labels(canvas, &labels);
        let first = points[0];
        canvas.dot(first, 3.2, Role::Blue);
        let text = format!("{} {}×", name(busiest), short(most));
        canvas.text(first.0 + 9.0, first.1 - 1.0, &text, Text::label(Role::Blue).halo());
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Sample};

    fn finding_of(servers: Vec<(i64, f64)>, scheduler: &'static str) -> String {
        draw(&[sample::run(&Sample { servers, scheduler, ..Sample::default() })], Size::Wide).finding
    }

    #[test]
    fn a_plot_is_this_file() {
        let drawing = draw(&[sample::run(&Sample { seconds: 5, ..Sample::default() })], Size::Wide);
        let file = drawing.svg.standalone(&drawing.finding, &drawing.reading);
        expect_test::expect_file!["../golden/share.svg"].assert_eq(&file);
    }

    #[test]
    fn the_title_says_who_gets_what() {
        assert_eq!(finding_of(vec![(1, 1.0)], "wlc"), "web1 answers everything: it is the only server");
        assert_eq!(finding_of(vec![(1, 9.0), (1, 9.0)], "rr"), "Every server gets exactly its fair share");
        assert_eq!(
            finding_of(vec![(3, 9.0), (1, 9.0)], "rr"),
            "web2 gets 2× its fair share, web1 only 0.667×"
        );
    }
}
