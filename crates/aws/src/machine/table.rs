//! The machine types that are known, as data.

use landfall_core::kind::Accelerator::{self, A10, A100, H100, H200, L4, L40s, T4};
use landfall_core::units::Date;

use super::Architecture::{self, Arm, X86};

/// Machine types whose memory and price grow with their cores.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) architecture: Architecture,
    /// GiB for each CPU.
    pub(super) memory: u32,
    /// Millionths of a dollar for each CPU and hour.
    pub(super) price: u32,
    pub(super) offered: bool,
    pub(super) sizes: &'static [(&'static str, u32)],
}

/// A machine type that follows no rule.
pub(super) struct Exact {
    pub(super) name: &'static str,
    pub(super) architecture: Architecture,
    pub(super) vcpu: u32,
    pub(super) memory: u32,
    pub(super) accelerator: Option<(Accelerator, u32)>,
    pub(super) price: u32,
}

/// A family that can no longer be launched.
pub(super) struct Retired {
    pub(super) family: &'static str,
    /// The day, where AWS named one.
    pub(super) on: Option<Date>,
    pub(super) instead: &'static str,
}

const FIFTH: &[(&str, u32)] = &[
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
    ("24xlarge", 96),
];
const FIFTH_COMPUTE: &[(&str, u32)] = &[
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("9xlarge", 36),
    ("12xlarge", 48),
    ("18xlarge", 72),
    ("24xlarge", 96),
];
const SIXTH_INTEL: &[(&str, u32)] = &[
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
    ("24xlarge", 96),
    ("32xlarge", 128),
];
const SIXTH_AMD: &[(&str, u32)] = &[
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
    ("24xlarge", 96),
    ("32xlarge", 128),
    ("48xlarge", 192),
];
const SEVENTH_INTEL: &[(&str, u32)] = &[
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
    ("24xlarge", 96),
    ("48xlarge", 192),
];
const FLEX: &[(&str, u32)] = &[("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32)];
const GRAVITON: &[(&str, u32)] = &[
    ("medium", 1),
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
];
const GRAVITON_FOUR: &[(&str, u32)] = &[
    ("medium", 1),
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("12xlarge", 48),
    ("16xlarge", 64),
    ("24xlarge", 96),
    ("48xlarge", 192),
];

pub(super) const FAMILIES: &[Family] = &[
    family("m5", X86, 4, 48_000, false, FIFTH),
    family("m6a", X86, 4, 43_200, true, SIXTH_AMD),
    family("m6i", X86, 4, 48_000, true, SIXTH_INTEL),
    family("m6g", Arm, 4, 38_500, false, GRAVITON),
    family("m7i-flex", X86, 4, 47_880, true, FLEX),
    family("m7i", X86, 4, 50_400, true, SEVENTH_INTEL),
    family("m7a", X86, 4, 57_960, true, SIXTH_AMD),
    family("m7g", Arm, 4, 40_800, false, GRAVITON),
    family("m8i", X86, 4, 52_920, true, SIXTH_AMD),
    family("m8g", Arm, 4, 44_880, false, GRAVITON_FOUR),
    family("c5", X86, 2, 42_500, false, FIFTH_COMPUTE),
    family("c6a", X86, 2, 38_250, true, SIXTH_AMD),
    family("c6i", X86, 2, 42_500, true, SIXTH_INTEL),
    family("c6g", Arm, 2, 34_000, false, GRAVITON),
    family("c7i-flex", X86, 2, 42_395, true, FLEX),
    family("c7i", X86, 2, 44_625, true, SEVENTH_INTEL),
    family("c7a", X86, 2, 51_320, true, SIXTH_AMD),
    family("c7g", Arm, 2, 36_250, false, GRAVITON),
    family("c8g", Arm, 2, 39_880, false, GRAVITON_FOUR),
    family("r5", X86, 8, 63_000, false, FIFTH),
    family("r6a", X86, 8, 56_700, true, SIXTH_AMD),
    family("r6i", X86, 8, 63_000, true, SIXTH_INTEL),
    family("r6g", Arm, 8, 50_400, false, GRAVITON),
    family("r7i", X86, 8, 66_150, true, SEVENTH_INTEL),
    family("r7a", X86, 8, 76_075, true, SIXTH_AMD),
    family("r7g", Arm, 8, 53_550, false, GRAVITON),
    family("r8g", Arm, 8, 58_910, false, GRAVITON_FOUR),
];

pub(super) const EXACT: &[Exact] = &[
    burstable("t3.small", X86, 2, 2, 20_800),
    burstable("t3.medium", X86, 2, 4, 41_600),
    burstable("t3.large", X86, 2, 8, 83_200),
    burstable("t3.xlarge", X86, 4, 16, 166_400),
    burstable("t3.2xlarge", X86, 8, 32, 332_800),
    burstable("t4g.small", Arm, 2, 2, 16_800),
    burstable("t4g.medium", Arm, 2, 4, 33_600),
    burstable("t4g.large", Arm, 2, 8, 67_200),
    burstable("t4g.xlarge", Arm, 4, 16, 134_400),
    burstable("t4g.2xlarge", Arm, 8, 32, 268_800),
    accelerated("g4dn.xlarge", 4, 16, T4, 1, 526_000),
    accelerated("g4dn.2xlarge", 8, 32, T4, 1, 752_000),
    accelerated("g4dn.4xlarge", 16, 64, T4, 1, 1_204_000),
    accelerated("g4dn.8xlarge", 32, 128, T4, 1, 2_176_000),
    accelerated("g4dn.12xlarge", 48, 192, T4, 4, 3_912_000),
    accelerated("g4dn.16xlarge", 64, 256, T4, 1, 4_352_000),
    accelerated("g5.xlarge", 4, 16, A10, 1, 1_006_000),
    accelerated("g5.2xlarge", 8, 32, A10, 1, 1_212_000),
    accelerated("g5.4xlarge", 16, 64, A10, 1, 1_624_000),
    accelerated("g5.8xlarge", 32, 128, A10, 1, 2_448_000),
    accelerated("g5.12xlarge", 48, 192, A10, 4, 5_672_000),
    accelerated("g5.16xlarge", 64, 256, A10, 1, 4_096_000),
    accelerated("g5.24xlarge", 96, 384, A10, 4, 8_144_000),
    accelerated("g5.48xlarge", 192, 768, A10, 8, 16_288_000),
    accelerated("g6.xlarge", 4, 16, L4, 1, 804_800),
    accelerated("g6.2xlarge", 8, 32, L4, 1, 977_600),
    accelerated("g6.4xlarge", 16, 64, L4, 1, 1_323_200),
    accelerated("g6.8xlarge", 32, 128, L4, 1, 2_014_400),
    accelerated("g6.12xlarge", 48, 192, L4, 4, 4_601_600),
    accelerated("g6.16xlarge", 64, 256, L4, 1, 3_396_800),
    accelerated("g6.24xlarge", 96, 384, L4, 4, 6_675_200),
    accelerated("g6.48xlarge", 192, 768, L4, 8, 13_350_400),
    accelerated("g6e.xlarge", 4, 32, L40s, 1, 1_861_000),
    accelerated("g6e.2xlarge", 8, 64, L40s, 1, 2_242_080),
    accelerated("g6e.4xlarge", 16, 128, L40s, 1, 3_004_240),
    accelerated("g6e.8xlarge", 32, 256, L40s, 1, 4_528_560),
    accelerated("g6e.12xlarge", 48, 384, L40s, 4, 10_492_640),
    accelerated("g6e.16xlarge", 64, 512, L40s, 1, 7_577_190),
    accelerated("g6e.24xlarge", 96, 768, L40s, 4, 15_065_590),
    accelerated("g6e.48xlarge", 192, 1_536, L40s, 8, 30_131_180),
    accelerated("p4d.24xlarge", 96, 1_152, A100, 8, 21_960_000),
    accelerated("p4de.24xlarge", 96, 1_152, A100, 8, 27_450_000),
    accelerated("p5.4xlarge", 16, 256, H100, 1, 6_880_000),
    accelerated("p5.48xlarge", 192, 2_048, H100, 8, 55_040_000),
    accelerated("p5en.48xlarge", 192, 2_048, H200, 8, 63_296_000),
];

pub(super) const RETIRED: &[Retired] = &[
    Retired { family: "p2", on: None, instead: "g4dn.xlarge" },
    Retired { family: "p3", on: Some(Date::new(2025, 12, 20)), instead: "g5.xlarge" },
    Retired { family: "p3dn", on: Some(Date::new(2025, 12, 20)), instead: "p4d.24xlarge" },
    Retired { family: "g2", on: None, instead: "g4dn.xlarge" },
    Retired { family: "g3", on: Some(Date::new(2025, 10, 31)), instead: "g4dn.xlarge" },
    Retired { family: "g3s", on: Some(Date::new(2025, 10, 31)), instead: "g4dn.xlarge" },
];

const fn family(
    name: &'static str,
    architecture: Architecture,
    memory: u32,
    price: u32,
    offered: bool,
    sizes: &'static [(&'static str, u32)],
) -> Family {
    Family { name, architecture, memory, price, offered, sizes }
}

const fn burstable(name: &'static str, architecture: Architecture, vcpu: u32, memory: u32, price: u32) -> Exact {
    Exact { name, architecture, vcpu, memory, accelerator: None, price }
}

const fn accelerated(name: &'static str, vcpu: u32, memory: u32, model: Accelerator, count: u32, price: u32) -> Exact {
    Exact { name, architecture: X86, vcpu, memory, accelerator: Some((model, count)), price }
}
