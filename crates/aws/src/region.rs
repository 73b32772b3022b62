//! Regions, their zones, their partition, and which machine families they lack.

use landfall_core::{Code, Error, Result};

/// One region, as of November 2026.
#[derive(Debug)]
struct Region {
    name: &'static str,
    /// The letters of its zones. AWS shuffles the letters for each account in the oldest regions, but the set of letters is
    /// the same for almost all.
    zones: &'static str,
    /// Whether an account must enable it before use.
    opt_in: bool,
    /// Machine families of the table that are not sold there.
    lacks: &'static [&'static str],
}

const REGIONS: &[Region] = &[
    open("us-east-1", "abcdef", &[]),
    open("us-east-2", "abc", &["p4de"]),
    // Each account sees two of its three zones.
    open("us-west-1", "abc", &["m7a", "r7a", "g5", "g6", "g6e", "p4d", "p4de"]),
    open("us-west-2", "abcd", &[]),
    open("ca-central-1", "abd", &["m7a", "c7a", "r7a", "g6e", "p4de", "p5en"]),
    open("sa-east-1", "abc", &["m7a", "c7a", "r6a", "r7a", "g6e", "p4de", "p5en"]),
    open("eu-central-1", "abc", &["p5", "p5en"]),
    open("eu-west-1", "abc", &["g6", "g6e", "p4de", "p5", "p5en"]),
    open("eu-west-2", "abc", &["r7a", "g6e", "p4de", "p5en"]),
    open("eu-west-3", "abc", &["m7a", "c6a", "c7a", "r6a", "r7a", "g6e", "p4d", "p4de", "p5", "p5en"]),
    open("eu-north-1", "abc", &["m6a", "m8i", "c6a", "r6a", "p4de"]),
    open("ap-northeast-1", "acd", &[]),
    open("ap-northeast-2", "abcd", &["m6a", "m7a", "c6a", "c7a", "r6a", "r7a", "p4de"]),
    open(
        "ap-northeast-3",
        "abc",
        &["m6a", "m7a", "m8i", "c6a", "c7i-flex", "c7a", "r6a", "r7a", "g5", "g6", "p4d", "p4de", "p5", "p5en"],
    ),
    open("ap-south-1", "abc", &["m7a", "c7a", "r7a", "p4de", "p5en"]),
    open("ap-southeast-1", "abc", &["m7a", "r7a", "g5", "g6", "g6e", "p5", "p5en"]),
    open("ap-southeast-2", "abc", &["c7a", "r7a", "g6e", "p4de", "p5en"]),
    opt_in(
        "af-south-1",
        &["m6a", "m7i-flex", "m7a", "c6a", "c7a", "r6a", "r7i", "r7a", "g5", "g6", "g6e", "p4d", "p4de", "p5", "p5en"],
    ),
    opt_in("ap-east-1", &["m6a", "m7a", "m8i", "c7a", "r6a", "r7a", "g6", "g6e", "p4d", "p4de", "p5", "p5en"]),
    opt_in(
        "ap-east-2",
        &[
            "m5", "m6a", "m7a", "m8i", "c5", "c6a", "c7a", "r5", "r6a", "r7a", "r8g", "g4dn", "g5", "g6", "g6e", "p4d",
            "p4de", "p5", "p5en",
        ],
    ),
    opt_in("ap-south-2", &["m7a", "c7a", "g4dn", "g5", "p4d", "p4de", "p5", "p5en"]),
    opt_in(
        "ap-southeast-3",
        &["m6a", "m7a", "m8i", "c6a", "c6i", "c7a", "r6a", "r6i", "r7a", "g4dn", "g6", "g6e", "p4d", "p4de"],
    ),
    opt_in(
        "ap-southeast-4",
        &[
            "m6a", "m6i", "m7a", "m8i", "c6a", "c6i", "c7i-flex", "c7a", "c7g", "r6a", "r6i", "r7a", "g4dn", "g5",
            "g6", "g6e", "p4d", "p4de", "p5", "p5en",
        ],
    ),
    opt_in(
        "ap-southeast-5",
        &["m5", "m6a", "m7a", "c5", "c6a", "c7a", "r5", "r6a", "r7a", "g4dn", "g5", "g6e", "p4d", "p4de", "p5", "p5en"],
    ),
    opt_in(
        "ap-southeast-6",
        &[
            "m5", "m6a", "m7a", "m8g", "c5", "c6a", "c7a", "r5", "r6a", "r7a", "g4dn", "g5", "g6", "g6e", "p4d",
            "p4de", "p5", "p5en",
        ],
    ),
    opt_in(
        "ap-southeast-7",
        &[
            "m5", "m6a", "m7a", "m8i", "c5", "c6a", "c7a", "r5", "r6a", "r7a", "g4dn", "g5", "g6", "g6e", "p4d",
            "p4de", "p5", "p5en",
        ],
    ),
    opt_in(
        "ca-west-1",
        &[
            "m6a", "m7i", "m7i-flex", "m7a", "m7g", "c6a", "c7i-flex", "c7a", "r6a", "r7i", "r7a", "g4dn", "g5", "g6",
            "g6e", "p4d", "p4de", "p5", "p5en",
        ],
    ),
    opt_in(
        "eu-central-2",
        &[
            "m6a", "m7i-flex", "m7a", "m8i", "c6a", "c6i", "c7a", "r6a", "r7i", "r7a", "g4dn", "g5", "g6e", "p4d",
            "p4de", "p5", "p5en",
        ],
    ),
    opt_in(
        "eu-south-1",
        &["m7i-flex", "m7a", "m7g", "m8i", "c6a", "c7a", "r6a", "r7a", "g5", "g6", "g6e", "p4d", "p4de", "p5", "p5en"],
    ),
    opt_in("eu-south-2", &["m6a", "m6i", "c6a", "c6i", "r6a", "r6i", "g4dn", "p4d", "p4de", "p5"]),
    opt_in(
        "il-central-1",
        &[
            "m6a", "m7i-flex", "m7a", "m8i", "m8g", "c6a", "c7i-flex", "c7a", "r6a", "r7i", "r7a", "r8g", "g4dn", "g6",
            "g6e", "p4d", "p5", "p5en",
        ],
    ),
    opt_in(
        "me-central-1",
        &[
            "m6a", "m7i-flex", "m7a", "m8i", "c6a", "c6i", "c7a", "c7g", "c8g", "r6a", "r7i", "r7a", "g4dn", "p4d",
            "p4de", "p5",
        ],
    ),
    opt_in(
        "me-south-1",
        &[
            "m6a", "m7i", "m7i-flex", "m7a", "m8i", "c6a", "c7i", "c7i-flex", "c7a", "c8g", "r6a", "r7i", "r7a", "r8g",
            "g5", "g6", "g6e", "p4d", "p4de", "p5", "p5en",
        ],
    ),
    opt_in(
        "mx-central-1",
        &[
            "m5", "m6a", "m7a", "m8i", "c5", "c6a", "c7a", "c8g", "r5", "r6a", "r7a", "g4dn", "g5", "g6", "g6e", "p4d",
            "p4de", "p5", "p5en",
        ],
    ),
    open(
        "us-gov-east-1",
        "abc",
        &["m6a", "m7a", "c6a", "c7i-flex", "c7a", "r6a", "r7a", "g5", "g6e", "p4d", "p4de", "p5", "p5en"],
    ),
    open("us-gov-west-1", "abc", &["m6a", "m7a", "c6a", "c7a", "r6a", "r7a", "g5", "g6e", "p4de"]),
    open(
        "cn-north-1",
        "abd",
        &[
            "m6a", "m7i", "m7i-flex", "m7a", "c6a", "c7i", "c7i-flex", "c7a", "r6a", "r7i", "r7a", "g6", "g6e", "p4d",
            "p4de", "p5", "p5en",
        ],
    ),
    open(
        "cn-northwest-1",
        "abc",
        &[
            "m6a", "m7i", "m7i-flex", "m7a", "c6a", "c7i", "c7i-flex", "c7a", "r6a", "r7i", "r7a", "g6", "g6e", "p4de",
            "p5", "p5en",
        ],
    ),
];

const fn open(name: &'static str, zones: &'static str, lacks: &'static [&'static str]) -> Region {
    Region { name, zones, opt_in: false, lacks }
}

const fn opt_in(name: &'static str, lacks: &'static [&'static str]) -> Region {
    Region { name, zones: "abc", opt_in: true, lacks }
}

/// Checks that AWS has a region of this name.
///
/// # Errors
/// [`Code::UnknownRegion`] with the nearest name.
pub(crate) fn known(name: &str) -> Result<()> {
    if find(name).is_some() {
        return Ok(());
    }
    let names = REGIONS.iter().map(|region| region.name);
    let hint = nearest(name, names).map_or_else(String::new, |nearest| format!("did you mean {nearest}?"));
    Err(Error::new(Code::UnknownRegion, format!("AWS has no region of this name: {name}")).hint(hint))
}

/// The zones that are meant: those named, else the first `count` of the region.
///
/// # Errors
/// [`Code::UnknownRegion`]; [`Code::UnknownZone`] for a zone that is not of the region, stands twice, or is one too many.
pub(crate) fn zones(region: &str, count: u8, named: &[String]) -> Result<Vec<String>> {
    known(region)?;
    let all: Vec<String> = find(region)
        .map(|found| found.zones.chars().map(|letter| format!("{region}{letter}")).collect())
        .unwrap_or_default();
    if named.is_empty() {
        if count == 0 || usize::from(count) > all.len() {
            let message = format!("{region} has {} zones, {count} are wanted", all.len());
            return Err(Error::new(Code::UnknownZone, message).hint(format!("use 1 to {} zones", all.len())));
        }
        return Ok(all.into_iter().take(usize::from(count)).collect());
    }
    for (index, zone) in named.iter().enumerate() {
        if !all.contains(zone) {
            let hint = nearest(zone, all.iter().map(String::as_str));
            return Err(Error::new(Code::UnknownZone, format!("{region} has no zone of this name: {zone}"))
                .hint(hint.map_or_else(String::new, |nearest| format!("did you mean {nearest}?"))));
        }
        if named[..index].contains(zone) {
            return Err(
                Error::new(Code::UnknownZone, format!("the zone stands twice: {zone}")).hint("name each zone once")
            );
        }
    }
    Ok(named.to_vec())
}

/// What distinguishes a zone within its region: `a` of `eu-west-1a`.
pub(crate) fn suffix<'a>(region: &str, zone: &'a str) -> &'a str {
    zone.strip_prefix(region).unwrap_or(zone)
}

/// The domain that service names end in.
pub(crate) fn dns_suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}
/// The partition of a region: the second word of its ARNs.
pub(crate) fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// Whether an account must enable the region before anything can be made in it.
pub(crate) fn is_opt_in(region: &str) -> bool {
    find(region).is_some_and(|region| region.opt_in)
}

/// Whether a machine family is not sold in the region.
pub(crate) fn lacks(region: &str, family: &str) -> bool {
    find(region).is_some_and(|region| region.lacks.contains(&family))
}

fn find(name: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|region| region.name == name)
}

fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    all.min_by_key(|other| (strsim::damerau_levenshtein(other, name), *other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_regions_name_the_nearest() {
        assert!(known("eu-west-1").is_ok());
        let error = known("eu-wset-1").unwrap_err();
        assert_eq!((error.code(), error.next_step()), (Code::UnknownRegion, Some("did you mean eu-west-1?")));
    }

    #[test]
    fn zones_are_the_first_or_those_named() {
        assert_eq!(zones("ap-northeast-1", 2, &[]).unwrap(), ["ap-northeast-1a", "ap-northeast-1c"]);
        let named = ["eu-west-1c".to_owned(), "eu-west-1a".to_owned()];
        assert_eq!(zones("eu-west-1", 2, &named).unwrap(), named);
        assert_eq!(suffix("eu-west-1", "eu-west-1c"), "c");
    }

    #[test]
    fn wrong_zones_are_refused() {
        let one = |name: &str| zones("eu-west-1", 1, &[name.to_owned()]).unwrap_err().code();
        assert_eq!(one("eu-west-1d"), Code::UnknownZone);
        assert_eq!(one("us-east-1a"), Code::UnknownZone);
        assert_eq!(zones("eu-west-1", 4, &[]).unwrap_err().code(), Code::UnknownZone);
        assert_eq!(zones("eu-west-1", 0, &[]).unwrap_err().code(), Code::UnknownZone);
        let twice = ["eu-west-1a".to_owned(), "eu-west-1a".to_owned()];
        assert_eq!(zones("eu-west-1", 2, &twice).unwrap_err().code(), Code::UnknownZone);
    }

    #[test]
    fn no_region_stands_twice() {
        for (index, region) in REGIONS.iter().enumerate() {
            assert!(REGIONS[..index].iter().all(|other| other.name != region.name), "{}", region.name);
        }
    }
}
