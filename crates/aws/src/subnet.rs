//! Cutting a network's range into subnets.
//!
//! The rule: the range is cut into equal blocks, as many as the power of two that holds one for each zone and one more,
//! and never fewer than four. Zone after zone gets one whole block as its private subnet, because every pod takes an
//! address there. The last block is cut in half: the first half for public subnets, the second for data subnets, each
//! half cut into as many parts as there are blocks.
//!
//! So the place of a subnet depends on its tier and the position of its zone alone: a network grows from one zone to
//! three, or gains a tier, without moving a subnet that exists. With `/16` and up to three zones private subnets are
//! `/18` and the others `/21`.

use ipnet::Ipv4Net;
use landfall_core::kind::Tier;
use landfall_core::{Code, Error, Result};

/// The longest prefix a VPC subnet may have.
const SMALLEST: u8 = 28;

/// The range of the subnet of `tier` in the zone at `position` of `zones`.
///
/// # Errors
/// [`Code::CidrTooSmall`] when the subnet would be smaller than AWS allows.
pub(crate) fn range(cidr: Ipv4Net, zones: u8, tier: Tier, position: u8) -> Result<Ipv4Net> {
    let blocks = blocks(zones);
    let (bits, number) = match tier {
        Tier::Private => (blocks.ilog2(), u32::from(position)),
        // The last block has as many parts in each half as there are blocks.
        Tier::Public => (2 * blocks.ilog2() + 1, (blocks - 1) * 2 * blocks + u32::from(position)),
        Tier::Data => (2 * blocks.ilog2() + 1, (blocks - 1) * 2 * blocks + blocks + u32::from(position)),
    };
    let prefix = u32::from(cidr.prefix_len()) + bits;
    let prefix = u8::try_from(prefix).ok().filter(|prefix| *prefix <= SMALLEST);
    let range = prefix.and_then(|prefix| {
        let start = u32::from(cidr.network()).checked_add(number << (32 - prefix))?;
        Ipv4Net::new(start.into(), prefix).ok()
    });
    range.ok_or_else(|| too_small(cidr, zones, bits))
}

/// Checks that the range holds the subnets of all these tiers and zones.
///
/// # Errors
/// [`Code::CidrTooSmall`], naming the smallest range that would do.
pub(crate) fn fits(cidr: Ipv4Net, zones: u8, tiers: &[Tier]) -> Result<()> {
    // Public and data subnets are the smallest: when they are wanted, they say how large the range must be.
    let smallest = tiers.iter().find(|tier| **tier != Tier::Private).or(tiers.first());
    smallest.map_or(Ok(()), |tier| range(cidr, zones, *tier, 0).map(|_| ()))
}

fn blocks(zones: u8) -> u32 {
    (u32::from(zones.max(3)) + 1).next_power_of_two()
}

fn too_small(cidr: Ipv4Net, zones: u8, bits: u32) -> Error {
    let least = u32::from(SMALLEST).saturating_sub(bits);
    Error::new(Code::CidrTooSmall, format!("the range is too small for subnets in {zones} zones: {cidr}"))
        .hint(format!("use a range of at least /{least}; /16 leaves room for pods"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIERS: [Tier; 3] = [Tier::Public, Tier::Private, Tier::Data];

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn all(cidr: Ipv4Net, zones: u8) -> Vec<Ipv4Net> {
        TIERS.iter().flat_map(|tier| (0..zones).map(move |zone| range(cidr, zones, *tier, zone).unwrap())).collect()
    }

    #[test]
    fn three_zones_of_a_16() {
        let expected = [
            "10.0.192.0/21",
            "10.0.200.0/21",
            "10.0.208.0/21",
            "10.0.0.0/18",
            "10.0.64.0/18",
            "10.0.128.0/18",
            "10.0.224.0/21",
            "10.0.232.0/21",
            "10.0.240.0/21",
        ];
        assert_eq!(all(net("10.0.0.0/16"), 3), expected.map(net));
    }

    #[test]
    fn growing_to_three_zones_moves_nothing() {
        for tier in TIERS {
            let first = |zones| range(net("10.0.0.0/16"), zones, tier, 0).unwrap();
            assert!(first(1) == first(2) && first(2) == first(3));
        }
    }

    #[test]
    fn too_small_says_what_would_do() {
        let error = fits(net("10.0.0.0/24"), 3, &TIERS).unwrap_err();
        assert_eq!(error.code(), Code::CidrTooSmall);
        assert!(error.next_step().unwrap().contains("/23"));
        assert!(fits(net("10.0.0.0/23"), 3, &TIERS).is_ok());
        assert!(fits(net("10.0.0.0/26"), 3, &[Tier::Private]).is_ok());
        assert!(fits(net("10.0.0.0/27"), 3, &[Tier::Private]).is_err());
    }

    proptest! {
        #[test]
        fn subnets_are_inside_and_apart(second in 0_u8..=255, prefix in 16_u8..=21, zones in 1_u8..=6) {
            let cidr = net(&format!("10.{second}.0.0/{prefix}"));
            let subnets = all(cidr, zones);
            for (index, one) in subnets.iter().enumerate() {
                prop_assert!(cidr.contains(one));
                prop_assert!((16..=28).contains(&one.prefix_len()));
                for two in &subnets[index + 1..] {
                    prop_assert!(!one.contains(two) && !two.contains(one), "{one} {two}");
                }
            }
        }

        #[test]
        fn fits_agrees_with_range(prefix in 16_u8..=28, zones in 1_u8..=6) {
            let cidr = net(&format!("10.0.0.0/{prefix}"));
            for tier in TIERS {
                prop_assert_eq!(fits(cidr, zones, &[tier]).is_ok(), range(cidr, zones, tier, zones - 1).is_ok());
            }
        }
    }
}
