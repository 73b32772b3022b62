//! Sizes of managed servers (databases and caches): which classes there are, and which one a request means.

use landfall_core::kind::Size;
use landfall_core::units::GiB;
use landfall_core::{Code, Error, Result};

/// Classes of one family, such as `db.m7g`, from the smallest up.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name without size, such as `db.m7g`.
    pub(crate) name: &'static str,
    /// Its sizes: name, virtual CPUs, memory in MiB, and price an hour in thousandths of a dollar. Prices are those of
    /// `us-east-1`; only their order matters.
    pub(crate) classes: &'static [(&'static str, u32, u32, u32)],
    /// Regions without it.
    pub(crate) absent: &'static [&'static str],
}

/// All classes of one service.
#[derive(Debug)]
pub(crate) struct Classes {
    /// What is sized, for errors.
    pub(crate) what: &'static str,
    /// Families that a request by CPUs and memory chooses from.
    pub(crate) current: &'static [Family],
    /// What stands in where a region lacks the current families.
    pub(crate) previous: &'static [Family],
    /// Further classes that may be named: family and sizes.
    pub(crate) named: &'static [(&'static str, &'static [&'static str])],
    /// Families that AWS has retired.
    pub(crate) retired: &'static [&'static str],
}

impl Classes {
    /// The class that a size means in a region: the one that is named, else the cheapest current one with at least what
    /// is asked for.
    ///
    /// # Errors
    /// [`Code::UnknownMachine`] when there is none, [`Code::RetiredMachine`].
    pub(crate) fn choose(&self, size: &Size, region: &str) -> Result<String> {
        match size {
            Size::Named(name) => self.named(name),
            Size::AtLeast { vcpu, memory } => self.cheapest(*vcpu, *memory, region),
            _ => Err(Error::internal("a way to give a size that this cloud does not know")),
        }
    }

    fn cheapest(&self, vcpu: u32, memory: GiB, region: &str) -> Result<String> {
        [self.current, self.previous]
            .iter()
            .find_map(|families| {
                families
                    .iter()
                    .filter(|family| !family.absent.contains(&region))
                    .flat_map(|family| family.classes.iter().map(move |class| (family.name, class)))
                    .filter(|(_, (_, cores, mebibytes, _))| *cores >= vcpu && *mebibytes / 1024 >= memory.0)
                    .min_by_key(|(_, (_, _, _, price))| *price)
            })
            .map(|(family, (size, ..))| format!("{family}.{size}"))
            .ok_or_else(|| {
                Error::new(
                    Code::UnknownMachine,
                    format!("no {} in {region} has this much: {vcpu} CPUs and {memory}", self.what),
                )
                .hint("ask for less, or name a class")
            })
    }

    fn named(&self, name: &str) -> Result<String> {
        let family = name.rsplit_once('.').map_or(name, |(family, _)| family);
        if self.retired.contains(&family) {
            return Err(Error::new(Code::RetiredMachine, format!("AWS has retired this class: {name}"))
                .hint("say how many CPUs and how much memory it needs, and a current one is chosen"));
        }
        let known = self.known();
        if known.iter().any(|class| class == name) {
            return Ok(name.to_owned());
        }
        let nearest = known.iter().max_by(|one, other| {
            strsim::jaro_winkler(one, name).total_cmp(&strsim::jaro_winkler(other, name)).then(other.cmp(one))
        });
        let hint = nearest.map_or_else(String::new, |nearest| format!("write {nearest}"));
        Err(Error::new(Code::UnknownMachine, format!("there is no {} of this class: {name}", self.what)).hint(hint))
    }

    fn known(&self) -> Vec<String> {
        let tables = self.current.iter().chain(self.previous);
        let tables =
            tables.flat_map(|family| family.classes.iter().map(|(size, ..)| format!("{}.{size}", family.name)));
        let named = self.named.iter();
        tables
            .chain(named.flat_map(|(family, sizes)| sizes.iter().map(move |size| format!("{family}.{size}"))))
            .collect()
    }
}

const GRAVITON: &[&str] = &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
const LATEST: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"];
const INTEL: &[&str] = &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"];
const INTEL_6: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"];

/// Classes of RDS for PostgreSQL. Burstable ones are chosen only where nothing else is as small: a larger one that has
/// spent its credits is slower and dearer than a class with steady CPUs.
pub(crate) const DATABASE: Classes = Classes {
    what: "database class",
    current: &[
        Family {
            name: "db.t4g",
            classes: &[("micro", 2, 1024, 16), ("small", 2, 2048, 32), ("medium", 2, 4096, 65)],
            absent: &["ca-west-1"],
        },
        Family {
            name: "db.m7g",
            classes: &[
                ("large", 2, 8 << 10, 168),
                ("xlarge", 4, 16 << 10, 337),
                ("2xlarge", 8, 32 << 10, 674),
                ("4xlarge", 16, 64 << 10, 1_348),
                ("8xlarge", 32, 128 << 10, 2_695),
                ("12xlarge", 48, 192 << 10, 4_043),
                ("16xlarge", 64, 256 << 10, 5_390),
            ],
            absent: &["af-south-1", "ap-east-1", "ca-west-1", "eu-south-1", "us-gov-west-1"],
        },
        Family {
            name: "db.r7g",
            classes: &[
                ("large", 2, 16 << 10, 239),
                ("xlarge", 4, 32 << 10, 478),
                ("2xlarge", 8, 64 << 10, 956),
                ("4xlarge", 16, 128 << 10, 1_912),
                ("8xlarge", 32, 256 << 10, 3_823),
                ("12xlarge", 48, 384 << 10, 5_735),
                ("16xlarge", 64, 512 << 10, 7_646),
            ],
            absent: &["af-south-1", "ap-southeast-4", "eu-west-3", "me-central-1"],
        },
        Family {
            name: "db.r8g",
            classes: &[("24xlarge", 96, 768 << 10, 12_046), ("48xlarge", 192, 1536 << 10, 24_092)],
            absent: &[
                "af-south-1",
                "ap-east-2",
                "ap-southeast-6",
                "ap-southeast-7",
                "ca-west-1",
                "eu-south-1",
                "il-central-1",
                "me-central-1",
                "me-south-1",
            ],
        },
    ],
    previous: &[
        Family {
            name: "db.m6g",
            classes: &[
                ("large", 2, 8 << 10, 159),
                ("xlarge", 4, 16 << 10, 318),
                ("2xlarge", 8, 32 << 10, 636),
                ("4xlarge", 16, 64 << 10, 1_272),
                ("8xlarge", 32, 128 << 10, 2_544),
                ("12xlarge", 48, 192 << 10, 3_816),
                ("16xlarge", 64, 256 << 10, 5_088),
            ],
            absent: &[],
        },
        Family {
            name: "db.r6g",
            classes: &[
                ("large", 2, 16 << 10, 225),
                ("xlarge", 4, 32 << 10, 450),
                ("2xlarge", 8, 64 << 10, 899),
                ("4xlarge", 16, 128 << 10, 1_798),
                ("8xlarge", 32, 256 << 10, 3_597),
                ("12xlarge", 48, 384 << 10, 5_395),
                ("16xlarge", 64, 512 << 10, 7_194),
            ],
            absent: &[],
        },
    ],
    named: &[
        ("db.t4g", &["large", "xlarge", "2xlarge"]),
        ("db.t3", &["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
        ("db.m5", INTEL),
        ("db.m5d", INTEL),
        ("db.m6gd", GRAVITON),
        ("db.m6i", INTEL_6),
        ("db.m6id", INTEL_6),
        ("db.m7i", LATEST),
        ("db.m8a", LATEST),
        ("db.m8g", LATEST),
        ("db.m8gd", LATEST),
        ("db.m9g", LATEST),
        ("db.r5", INTEL),
        ("db.r5b", INTEL),
        ("db.r5d", INTEL),
        ("db.r6gd", GRAVITON),
        ("db.r6i", INTEL_6),
        ("db.r6id", INTEL_6),
        ("db.r7i", LATEST),
        ("db.r8a", LATEST),
        ("db.r8g", GRAVITON),
        ("db.r8gd", LATEST),
        ("db.x2g", GRAVITON),
        ("db.x2idn", &["16xlarge", "24xlarge", "32xlarge"]),
        ("db.x2iedn", &["xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge", "24xlarge", "32xlarge"]),
    ],
    retired: &["db.t1", "db.t2", "db.m1", "db.m2", "db.m3", "db.m4", "db.r3", "db.r4"],
};

/// Node types of ElastiCache. Part of a node's memory is the system's, so that sizes are not round.
pub(crate) const CACHE: Classes = Classes {
    what: "cache node type",
    current: &[
        Family {
            name: "cache.t4g",
            classes: &[("micro", 2, 512, 16), ("small", 2, 1_403, 32), ("medium", 2, 3_164, 65)],
            absent: &["me-central-1", "me-south-1"],
        },
        Family {
            name: "cache.m7g",
            classes: &[
                ("large", 2, 6_533, 158),
                ("xlarge", 4, 13_240, 315),
                ("2xlarge", 8, 26_665, 629),
                ("4xlarge", 16, 53_514, 1_257),
                ("8xlarge", 32, 106_168, 2_514),
                ("12xlarge", 48, 160_891, 3_770),
                ("16xlarge", 64, 214_579, 5_028),
            ],
            absent: &["ca-west-1", "eu-south-1"],
        },
        Family {
            name: "cache.r7g",
            classes: &[
                ("large", 2, 13_384, 219),
                ("xlarge", 4, 26_952, 437),
                ("2xlarge", 8, 54_088, 873),
                ("4xlarge", 16, 108_349, 1_745),
                ("8xlarge", 32, 214_579, 3_491),
                ("12xlarge", 48, 325_396, 5_235),
                ("16xlarge", 64, 429_148, 6_981),
            ],
            absent: &[],
        },
    ],
    previous: &[Family {
        name: "cache.m6g",
        classes: &[
            ("large", 2, 6_533, 149),
            ("xlarge", 4, 13_240, 297),
            ("2xlarge", 8, 26_665, 593),
            ("4xlarge", 16, 53_514, 1_186),
            ("8xlarge", 32, 106_168, 2_372),
            ("12xlarge", 48, 160_891, 3_557),
            ("16xlarge", 64, 214_579, 4_743),
        ],
        absent: &[],
    }],
    named: &[
        ("cache.t3", &["micro", "small", "medium"]),
        ("cache.m5", &["large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"]),
        ("cache.m8g", LATEST),
        ("cache.r5", &["large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge"]),
        ("cache.r6g", GRAVITON),
        ("cache.r6gd", &["xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]),
        ("cache.r8g", LATEST),
        ("cache.c7gn", GRAVITON),
    ],
    retired: &[
        "cache.t1", "cache.t2", "cache.m1", "cache.m2", "cache.m3", "cache.m4", "cache.c1", "cache.r3", "cache.r4",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn at_least(vcpu: u32, memory: u32) -> Size {
        Size::AtLeast { vcpu, memory: GiB(memory) }
    }

    #[test]
    fn a_request_means_the_cheapest_current_class() {
        let database = |vcpu, memory, region| DATABASE.choose(&at_least(vcpu, memory), region).unwrap();
        assert_eq!(database(1, 1, "eu-west-1"), "db.t4g.micro");
        assert_eq!(database(2, 8, "eu-west-1"), "db.m7g.large");
        assert_eq!(database(2, 12, "eu-west-1"), "db.r7g.large");
        assert_eq!(database(80, 100, "eu-west-1"), "db.r8g.24xlarge");
        assert_eq!(CACHE.choose(&at_least(2, 3), "eu-west-1").unwrap(), "cache.t4g.medium");
        assert_eq!(CACHE.choose(&at_least(2, 12), "eu-west-1").unwrap(), "cache.r7g.large");
    }

    #[test]
    fn a_region_without_the_current_family_gets_the_one_before() {
        assert_eq!(DATABASE.choose(&at_least(2, 8), "af-south-1").unwrap(), "db.m6g.large");
        assert_eq!(DATABASE.choose(&at_least(2, 8), "ca-west-1").unwrap(), "db.r7g.large");
    }

    #[test]
    fn a_wrong_name_is_met_with_the_nearest() {
        let error = DATABASE.choose(&Size::Named("db.m7g.lage".into()), "eu-west-1").unwrap_err();
        assert_eq!((error.code(), error.next_step()), (Code::UnknownMachine, Some("write db.m7g.large")));
        let error = DATABASE.choose(&Size::Named("db.m4.large".into()), "eu-west-1").unwrap_err();
        assert_eq!(error.code(), Code::RetiredMachine);
        assert!(DATABASE.choose(&Size::Named("db.m6i.32xlarge".into()), "eu-west-1").is_ok());
        assert_eq!(CACHE.choose(&at_least(1_000, 1), "eu-west-1").unwrap_err().code(), Code::UnknownMachine);
    }
}
