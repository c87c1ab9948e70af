//! Colours by role. A picture carries the light colours; on a page, style classes replace them by the theme's.
//!
//! The series colours are those of Okabe and Ito, which people with any kind of colour vision tell apart. As
//! letters they are darkened, because orange and sky blue are too pale for thin strokes on white.

/// What a colour is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Letters and marks that matter.
    Ink,
    /// Letters that explain.
    Muted,
    /// Grid lines and axes.
    Grid,
    /// The background.
    Paper,
    /// Data that is only there for context.
    Context,
    /// Series 1: blue.
    Blue,
    /// Series 2: vermilion.
    Vermilion,
    /// Series 3: bluish green.
    Green,
    /// Series 4: reddish purple.
    Purple,
    /// Series 5: orange.
    Orange,
    /// Series 6: sky blue.
    Sky,
    /// Letters in blue.
    BlueText,
    /// Letters in vermilion.
    VermilionText,
    /// Letters in green.
    GreenText,
    /// Letters in purple.
    PurpleText,
    /// Letters in orange.
    OrangeText,
    /// Letters in sky blue.
    SkyText,
}

/// Every role with its class name and its light colour, each colour once: it identifies the role in a picture.
pub(crate) const ROLES: [(Role, &str, [u8; 3]); 17] = [
    (Role::Ink, "ink", [0x1b, 0x1f, 0x24]),
    (Role::Muted, "muted", [0x5b, 0x64, 0x70]),
    (Role::Grid, "grid", [0xe1, 0xe4, 0xe8]),
    (Role::Paper, "paper", [0xff, 0xff, 0xff]),
    (Role::Context, "context", [0xa9, 0xb1, 0xbb]),
    (Role::Blue, "blue", [0x00, 0x72, 0xb2]),
    (Role::Vermilion, "vermilion", [0xd5, 0x5e, 0x00]),
    (Role::Green, "green", [0x00, 0x9e, 0x73]),
    (Role::Purple, "purple", [0xcc, 0x79, 0xa7]),
    (Role::Orange, "orange", [0xe6, 0x9f, 0x00]),
    (Role::Sky, "sky", [0x56, 0xb4, 0xe9]),
    (Role::BlueText, "blue-text", [0x00, 0x5f, 0x96]),
    (Role::VermilionText, "vermilion-text", [0xb5, 0x4a, 0x00]),
    (Role::GreenText, "green-text", [0x00, 0x75, 0x55]),
    (Role::PurpleText, "purple-text", [0xa0, 0x45, 0x78]),
    (Role::OrangeText, "orange-text", [0x8f, 0x60, 0x00]),
    (Role::SkyText, "sky-text", [0x1f, 0x75, 0xa8]),
];

/// The series colours in order of use.
pub(crate) const SERIES: [Role; 6] =
    [Role::Blue, Role::Vermilion, Role::Green, Role::Purple, Role::Orange, Role::Sky];

impl Role {
    /// The light colour.
    pub(crate) fn rgb(self) -> [u8; 3] {
        ROLES.iter().find(|(role, ..)| *role == self).map_or([0; 3], |(.., rgb)| *rgb)
    }

    /// The role for letters that belong to a mark of this role.
    pub(crate) const fn text(self) -> Role {
        match self {
            Role::Blue | Role::BlueText => Role::BlueText,
            Role::Vermilion | Role::VermilionText => Role::VermilionText,
            Role::Green | Role::GreenText => Role::GreenText,
            Role::Purple | Role::PurpleText => Role::PurpleText,
            Role::Orange | Role::OrangeText => Role::OrangeText,
            Role::Sky | Role::SkyText => Role::SkyText,
            Role::Context | Role::Muted | Role::Grid => Role::Muted,
            Role::Ink => Role::Ink,
            Role::Paper => Role::Paper,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of sRGB, as WCAG defines it.
    fn luminance(rgb: [u8; 3]) -> f64 {
        let [r, g, b] = rgb.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn letters_are_legible_on_white() {
        for role in SERIES.map(Role::text).into_iter().chain([Role::Ink, Role::Muted]) {
            let contrast = 1.05 / (luminance(role.rgb()) + 0.05);
            assert!(contrast >= 4.5, "{role:?}: {contrast:.2}");
        }
    }

    #[test]
    fn a_colour_identifies_its_role() {
        for (i, a) in ROLES.iter().enumerate() {
            assert!(ROLES[i + 1..].iter().all(|b| a.1 != b.1 && a.2 != b.2), "{}", a.1);
        }
    }
}
