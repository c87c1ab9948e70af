//! Plots as PNG: the SVG files, drawn at twice their size with a bundled font, so that they look the same on
//! every machine.

#[cfg(feature = "png")]
use resvg::{tiny_skia, usvg};

/// Pixels per unit of the SVG.
#[cfg(feature = "png")]
const ZOOM: f32 = 2.0;

/// The picture as a PNG file; none if the program was built without the feature `png`.
#[cfg(feature = "png")]
pub(crate) fn draw(svg: &str) -> Option<Vec<u8>> {
    let mut options = usvg::Options { font_family: "Roboto".into(), ..usvg::Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(include_bytes!("../fonts/Roboto-Regular.ttf").to_vec());
    fonts.load_font_data(include_bytes!("../fonts/Roboto-Bold.ttf").to_vec());
    let tree = usvg::Tree::from_str(svg, &options).expect("our own SVG is well-formed");
    let size = tree.size().to_int_size().scale_by(ZOOM).expect("a plot has a size");
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).expect("a plot fits into memory");
    resvg::render(&tree, tiny_skia::Transform::from_scale(ZOOM, ZOOM), &mut pixels.as_mut());
    Some(pixels.encode_png().expect("pixels in memory can be encoded"))
}

/// The picture as a PNG file; none if the program was built without the feature `png`.
#[cfg(not(feature = "png"))]
pub(crate) fn draw(_svg: &str) -> Option<Vec<u8>> {
    None
}

#[cfg(all(test, feature = "png"))]
mod tests {
    use super::*;
    use crate::plots::{PLOTS, Size};
    use crate::sample::{self, Sample};

    #[test]
    fn every_plot_of_a_run_becomes_a_picture_with_letters() {
        let runs = [sample::run(&Sample { seconds: 2, ..Sample::default() })];
        for plot in PLOTS.iter().filter(|p| p.suits(&runs)) {
            let drawing = (plot.draw)(&runs, Size::Wide);
            let [with, without] = [drawing.finding.as_str(), ""].map(|title| {
                let svg = drawing.svg.standalone(title, "");
                let png = draw(&svg).unwrap();
                tiny_skia::Pixmap::decode_png(&png).unwrap()
            });
            assert_eq!(with.width(), 2 * 592, "{}", plot.name);
            let dark =
                |p: &tiny_skia::Pixmap| p.pixels().iter().filter(|c| c.red() < 60 && c.blue() < 60).count();
            assert!(dark(&with) > dark(&without) + 500, "{}: the title is missing", plot.name);
        }
    }
}
