//! Kubernetes versions on EKS, and until when they are supported.

use landfall_core::kind::Version;
use landfall_core::units::Date;
use landfall_core::{Code, Error, Result};

/// One minor version on EKS. The ends are `None` where AWS had not published them when the table was last compared with
/// the EKS user guide, in November 2026.
#[derive(Clone, Copy, Debug)]
struct Release {
    version: Version,
    /// From this day on it costs six times as much: extended support.
    standard_until: Option<Date>,
    /// From this day on no cluster can be made with it, and AWS upgrades those that exist.
    extended_until: Option<Date>,
}

const RELEASES: [Release; 9] = [
    release(28, Some(Date::new(2024, 11, 26)), Some(Date::new(2025, 11, 26))),
    release(29, Some(Date::new(2025, 3, 23)), Some(Date::new(2026, 3, 23))),
    release(30, Some(Date::new(2025, 7, 23)), Some(Date::new(2026, 7, 23))),
    release(31, Some(Date::new(2025, 11, 26)), Some(Date::new(2026, 11, 26))),
    release(32, Some(Date::new(2026, 3, 23)), Some(Date::new(2027, 3, 23))),
    release(33, Some(Date::new(2026, 7, 29)), Some(Date::new(2027, 7, 29))),
    release(34, Some(Date::new(2026, 12, 2)), Some(Date::new(2027, 12, 2))),
    release(35, Some(Date::new(2027, 3, 27)), Some(Date::new(2028, 3, 27))),
    release(36, None, None),
];

/// The version that a text means, if EKS supports it on this day.
///
/// # Errors
/// [`Code::UnsupportedVersion`], naming those that are supported.
pub(crate) fn supported(text: &str, today: Date) -> Result<Version> {
    let version: Version = text.parse()?;
    let hint = || format!("use one of these: {}", alternatives(today));
    let Some(release) = RELEASES.iter().find(|release| release.version == version) else {
        let message = format!("EKS has no Kubernetes version of this number that Landfall knows: {version}");
        return Err(Error::new(Code::UnsupportedVersion, message).hint(hint()));
    };
    match release.extended_until {
        Some(end) if end <= today => {
            let message = format!("EKS ended all support of this Kubernetes version on {end}: {version}");
            Err(Error::new(Code::UnsupportedVersion, message).hint(hint()))
        }
        _ => Ok(version),
    }
}

/// The versions under standard support, newest first; when there is none left in the table, those that still exist.
fn alternatives(today: Date) -> String {
    let after = |end: Option<Date>| end.is_none_or(|end| end > today);
    let name = |keep: &dyn Fn(&Release) -> bool| -> Vec<String> {
        RELEASES.iter().rev().filter(|release| keep(release)).map(|release| release.version.to_string()).collect()
    };
    let standard = name(&|release| after(release.standard_until));
    let all = if standard.is_empty() { name(&|release| after(release.extended_until)) } else { standard };
    all.join(", ")
}

const fn release(minor: u16, standard_until: Option<Date>, extended_until: Option<Date>) -> Release {
    Release { version: Version { major: 1, minor }, standard_until, extended_until }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = Date::new(2026, 11, 23);

    #[test]
    fn supported_versions_pass() {
        for text in ["1.31", "1.32", "1.35", "1.36"] {
            assert_eq!(supported(text, TODAY).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_version_ends_on_its_day() {
        assert!(supported("1.31", Date::new(2026, 11, 25)).is_ok());
        assert_eq!(supported("1.31", Date::new(2026, 11, 26)).unwrap_err().code(), Code::UnsupportedVersion);
    }

    #[test]
    fn old_and_unknown_versions_are_refused_with_those_that_do() {
        for text in ["1.28", "1.27", "1.99", "2.0", "latest"] {
            assert_eq!(supported(text, TODAY).unwrap_err().code(), Code::UnsupportedVersion, "{text}");
        }
        assert_eq!(supported("1.28", TODAY).unwrap_err().next_step(), Some("use one of these: 1.36, 1.35, 1.34"));
    }

    #[test]
    fn each_version_follows_the_one_before() {
        assert!(RELEASES.windows(2).all(|pair| pair[0].version < pair[1].version));
        assert!(RELEASES.iter().all(|release| release.standard_until <= release.extended_until));
    }
}
