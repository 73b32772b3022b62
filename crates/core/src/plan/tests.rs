//! What plans are like, case by case.

use super::fake::*;
use super::*;
use crate::driver::{Health, Observation};
use crate::resource::{Ownership, Verb};
use crate::secret::Secret;
use crate::{Code, Error, list, map, properties};

fn changes(plan: &Plan) -> Vec<(&str, Change)> {
    plan.steps.iter().map(|step| (step.address.part(), step.change)).collect()
}

fn verbs(plan: &Plan) -> Vec<(String, Verb)> {
    plan.operations
        .iter()
        .map(|operation| (format!("{}@{}", operation.slot.address.part(), operation.slot.generation), operation.verb))
        .collect()
}

fn calls(list: &[(&str, Verb)]) -> Vec<(String, Verb)> {
    list.iter().map(|(slot, verb)| ((*slot).to_owned(), *verb)).collect()
}

/// A net, a role on it, a database and a server that use both.
fn shop() -> Case {
    let mut case = Case::new();
    case.want("net", "Test::Net", properties! { "Fixed" => "10.0.0.0/16" });
    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Set" => ["a", "b"] });
    case.want(
        "database",
        "Test::Database",
        properties! {
            "Name" => "shop-db", "Engine" => "postgres", "Class" => "small", "DeletionProtection" => true,
            "FixedRefs" => list![reference("net", "")],
            "Password" => Secret::remembered("db", "0123456789abcdef"),
        },
    );
    case.want(
        "server",
        "Test::Server",
        properties! { "FixedRefs" => list![reference("net", "")], "Refs" => list![reference("role", "Arn")], "Size" => 2 },
    );
    case
}

fn shop_made() -> Case {
    let mut case = shop();
    case.arrive();
    case
}

#[test]
fn everything_is_created_after_what_it_stands_on() {
    let mut case = shop();
    let plan = case.converge();
    use Verb::Create;
    assert_eq!(
        verbs(&plan),
        calls(&[("net@0", Create), ("database@0", Create), ("role@0", Create), ("server@0", Create)])
    );
    assert_eq!(plan.unchanged, 0);
    assert_eq!(plan.usual.typical, 605_000, "the net, then the database");
    assert_eq!(case.plan().unwrap().unchanged, 4);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let case = shop();
    assert_eq!(case.plan().unwrap().to_json().to_string(), case.plan().unwrap().to_json().to_string());
    let plan = case.plan().unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    let back: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(back, plan);
    assert_eq!(back.hash(), plan.hash());
}

#[test]
fn what_is_ahead_counts_what_stands_beside_its_replacement() {
    let case = shop();
    let ahead = case.plan().unwrap().ahead();
    assert_eq!(ahead.creates.len(), 4);
    assert_eq!(ahead.peaks["Test::Net"], 1);

    let mut case = shop_made();
    // A role is made anew before the old one goes; a net only after it has gone.
    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Fixed" => 1 });
    case.want("net", "Test::Net", properties! { "Fixed" => 2 });
    let ahead = case.plan().unwrap().ahead();
    assert_eq!((ahead.peaks["Test::Role"], ahead.peaks["Test::Net"]), (1, 0));
}

#[test]
fn what_differs_is_updated_in_place_or_replaced() {
    let mut case = shop_made();
    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Set" => ["b", "a"], "Size" => 3 });
    let plan = case.converge();
    assert_eq!(changes(&plan), [("role", Change::Update)]);
    assert_eq!(plan.operations[0].changed, ["Size"], "the order of a set is no change");

    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Set" => ["b", "a"], "Fixed" => 1 });
    let plan = case.converge();
    assert_eq!(changes(&plan), [("role", Change::ReplaceCreateFirst), ("server", Change::Update)]);
    use Verb::*;
    assert_eq!(verbs(&plan), calls(&[("role@1", Create), ("server@0", Update), ("role@0", Delete)]));
    let new = &case.state.resources[&address("role")];
    assert_eq!(new.properties["Name"], "shop-role-g1".into());
    assert_eq!(new.generation, 1);
    assert!(plan.steps[1].reasons.starts_with(&[Reason::Dependency(address("role"))]));
}

#[test]
fn a_replaced_net_drags_along_what_cannot_move() {
    let mut case = shop_made();
    case.want("net", "Test::Net", properties! { "Fixed" => "10.1.0.0/16" });
    let plan = case.plan().unwrap();
    assert_eq!(
        changes(&plan),
        [
            ("database", Change::ReplaceDeleteFirst),
            ("net", Change::ReplaceDeleteFirst),
            ("server", Change::ReplaceDeleteFirst)
        ]
    );
    use Verb::*;
    assert_eq!(
        verbs(&plan),
        calls(&[
            ("database@0", Update),
            ("database@0", Delete),
            ("server@0", Delete),
            ("net@0", Delete),
            ("net@1", Create),
            ("database@1", Create),
            ("server@1", Create)
        ])
    );
    assert_eq!(plan.steps[0].risk, Risk::DataLoss);
    assert_eq!(plan.blocked().len(), 1);
    let mut loose = case.clone();
    loose.strict = true;
    loose.arrive();
}

#[test]
fn a_version_that_changes_carries_on_to_what_uses_it() {
    let mut case = Case::new();
    case.want("template", "Test::Template", properties! { "Name" => "t", "Size" => 1 });
    case.want("server", "Test::Server", properties! { "Refs" => list![reference("template", "Version")] });
    case.want("other", "Test::Server", properties! { "Refs" => list![reference("template", "")] });
    case.arrive();
    case.want("template", "Test::Template", properties! { "Name" => "t", "Size" => 2 });
    let plan = case.converge();
    assert_eq!(changes(&plan), [("server", Change::Update), ("template", Change::Update)]);
    assert!(plan.steps[0].attributes[0].unknown);
}

#[test]
fn drift_is_shown_and_put_right() {
    let mut case = shop_made();
    let id = case.state.resources[&address("server")].id.clone();
    let server = case.world.get_mut(&id).unwrap();
    server.properties.insert("Size".to_owned(), 9.into());
    let plan = case.converge();
    assert_eq!(changes(&plan), [("server", Change::Update)]);
    assert_eq!(plan.steps[0].reasons, [Reason::Drift("Size".to_owned())]);
    assert_eq!(plan.drift.len(), 1);
    assert_eq!((&plan.drift[0].expected, &plan.drift[0].found), (&Some(2.into()), &Some(9.into())));
}

#[test]
fn what_is_gone_is_made_again_as_another_generation() {
    let mut case = shop_made();
    let id = case.state.resources[&address("role")].id.clone();
    case.world.remove(&id);
    let plan = case.converge();
    assert_eq!(
        changes(&plan),
        [("server", Change::Update), ("role", Change::Create)].map(|c| c).to_vec().sorted(&plan)
    );
    let step = plan.steps.iter().find(|step| step.address.part() == "role").unwrap();
    assert_eq!(step.reasons, [Reason::Gone]);
    assert_eq!(case.state.resources[&address("role")].generation, 1);
    assert!(case.state.deposed.is_empty());
}

trait Sorted {
    fn sorted(self, plan: &Plan) -> Self;
}

impl Sorted for Vec<(&str, Change)> {
    /// In the order of the plan's own steps.
    fn sorted(mut self, plan: &Plan) -> Self {
        let place = |part: &str| plan.steps.iter().position(|step| step.address.part() == part);
        self.sort_by_key(|(part, _)| place(part));
        self
    }
}

#[test]
fn an_interrupted_create_is_adopted_or_repeated_under_its_own_name() {
    let mut case = shop();
    let first = case.plan().unwrap();
    let at = first.operations.iter().position(|operation| operation.slot.address == address("role")).unwrap();
    for (kill, change) in [(Kill::BeforeCall, Change::Create), (Kill::AfterCall, Change::Adopt)] {
        let mut case = case.clone();
        assert!(!case.apply(&first, Some((at, kill))));
        let plan = case.converge();
        let step = plan.steps.iter().find(|step| step.address.part() == "role").unwrap();
        assert_eq!(step.change, change);
        assert_eq!(step.reasons, [Reason::Interrupted]);
        assert_eq!(case.state.resources[&address("role")].generation, 0);
        assert_eq!(case.world.len(), 4);
    }
    // The declaration changed meanwhile: adopted, then updated.
    case.apply(&first, Some((at, Kill::AfterCall)));
    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Set" => ["c"] });
    let plan = case.converge();
    let step = plan.steps.iter().find(|step| step.address.part() == "role").unwrap();
    assert_eq!((step.change, step.attributes[0].path.as_str()), (Change::Adopt, "Set"));
    assert_eq!(case.world.len(), 4);
}

#[test]
fn nothing_is_decided_about_what_could_not_be_seen() {
    let mut case = shop();
    let first = case.plan().unwrap();
    case.apply(&first, Some((2, Kill::BeforeCall)));
    let mut seen = case.seen();
    for observation in seen.by_slot.values_mut() {
        *observation = Observation::Unknown(Error::new(Code::Throttled, "slow down"));
    }
    let error = case.plan_with(Mode::Converge, &seen).unwrap_err();
    assert_eq!(error.problems().iter().map(|one| one.code()).collect::<Vec<_>>(), [Code::Unresolved; 3]);
    assert!(error.problems().iter().all(|one| one.address().is_some()));
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let mut case = shop_made();
    let id = case.state.resources[&address("net")].id.clone();
    for owner in [Ownership::Foreign, Ownership::Ours(crate::resource::Marks::new(&case.stack, &address("role"), 0))] {
        case.world.get_mut(&id).unwrap().owner = Some(owner);
        for mode in [Mode::Converge, Mode::Destroy] {
            assert_eq!(case.plan_with(mode, &case.seen()).unwrap_err().code(), Code::ForeignResource);
        }
    }
}

#[test]
fn a_stack_stays_where_it_is_pinned() {
    let mut case = shop_made();
    case.target.region = "us-east-1".to_owned();
    assert_eq!(case.plan().unwrap_err().code(), Code::WrongTarget);
}

#[test]
fn what_bears_our_marks_and_is_in_no_ledger_is_taken_in() {
    let mut case = shop_made();
    let mut surplus = case.world.values().find(|thing| thing.slot.address == address("net")).unwrap().clone();
    case.state = crate::ledger::State { target: case.state.target.clone(), ..Default::default() };
    case.census = true;
    case.drop("server");
    surplus.version = 1;
    case.world.insert("net-0".to_owned(), surplus);
    let plan = case.converge();
    let mut expected = vec![
        ("database", Change::Adopt),
        ("net", Change::Adopt),
        ("net", Change::Delete),
        ("role", Change::Adopt),
        ("server", Change::Delete),
    ];
    let mut found = changes(&plan);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(case.world.len(), 3);
    assert!(!case.world.contains_key("net-0"), "of two the one that is used stays");
}

#[test]
fn data_is_not_lost_without_consent() {
    let mut case = shop_made();
    // Neither the block nor its protection: protection lives in the ledger.
    case.drop("database");
    let plan = case.plan().unwrap();
    let error = plan.check_consents().unwrap_err();
    assert_eq!(error.code(), Code::Protected);
    assert_eq!(error.address(), Some(&address("database")));
    let needed = plan.consents_needed();
    assert_eq!(needed.len(), 1);
    assert!(error.next_step().unwrap().contains(&needed[0].plan));
    let wrong = crate::ledger::Consent { id: "another".to_owned(), ..needed[0].clone() };
    assert_eq!(plan.clone().consent(wrong).unwrap_err().code(), Code::InvalidValue);
    let stale = crate::ledger::Consent { plan: "0".repeat(64), ..needed[0].clone() };
    assert_eq!(plan.clone().consent(stale).unwrap_err().code(), Code::StalePlan);
    let hash = plan.hash();
    let plan = plan.consent(needed[0].clone()).unwrap();
    plan.check_consents().unwrap();
    assert_eq!(plan.hash(), hash);
    // The database's guard is let down first.
    use Verb::*;
    assert_eq!(verbs(&plan), calls(&[("database@0", Update), ("database@0", Delete)]));
    case.apply(&plan, None);
    assert_eq!(case.world.len(), 3);

    // Every property that forces a replacement.
    for forced in ["Fixed", "Engine", "Name"] {
        let mut case = shop_made();
        let database = case.wanted.get_mut(&address("database")).unwrap();
        database.properties.insert(forced.to_owned(), "other".into());
        database.protected = false;
        let plan = case.plan().unwrap();
        assert_eq!(plan.check_consents().unwrap_err().code(), Code::Protected, "{forced}");
    }
}

#[test]
fn protection_is_switched_in_a_step_of_its_own() {
    let mut case = shop_made();
    case.wanted.get_mut(&address("role")).unwrap().protected = true;
    let plan = case.converge();
    assert_eq!(changes(&plan), [("role", Change::Protection)]);
    assert!(case.state.resources[&address("role")].protected);
    let role = case.wanted.get_mut(&address("role")).unwrap();
    role.protected = false;
    role.properties.insert("Size".to_owned(), 8.into());
    let plan = case.converge();
    assert_eq!(plan.steps.len(), 2);
    assert!(!case.state.resources[&address("role")].protected);
}

#[test]
fn a_stale_plan_says_what_moved() {
    let mut case = shop();
    let plan = case.plan().unwrap();
    plan.check_base(&case.state, &case.head).unwrap();
    let mut leased = case.state.clone();
    leased.record(&crate::ledger::Record::Release).unwrap();
    let later = crate::ledger::Head { number: 9, ..case.head.clone() };
    plan.check_base(&leased, &later).unwrap();
    case.apply(&plan, Some((1, Kill::BeforeIntent)));
    let error = plan.check_base(&case.state, &later).unwrap_err();
    assert_eq!(error.code(), Code::StalePlan);
    assert!(error.message().contains("test/kind/main/net came"), "{error}");
}

#[test]
fn what_is_in_a_replaced_cluster_goes_before_it() {
    let mut case = Case::new();
    for create_first in [true, false] {
        let cluster = if create_first { "Test::Role" } else { "Test::Template" };
        let mut inner = Case::new();
        inner.want("cluster", cluster, properties! { "Name" => "c", "Fixed" => 1 });
        inner
            .want(
                "object",
                "test/Object",
                properties! { "metadata" => map! { "name" => "o" }, "spec" => map! { "replicas" => 2 } },
            )
            .cluster = Some(address("cluster"));
        inner.arrive();
        // An autoscaler owns the number of replicas from now on.
        let id = inner.state.resources[&address("object")].id.clone();
        let object = inner.world.get_mut(&id).unwrap();
        object.properties.insert("spec".to_owned(), map! { "replicas" => 5 });
        assert!(inner.plan().unwrap().is_empty());
        inner.want("cluster", cluster, properties! { "Name" => "c", "Fixed" => 2 });
        let plan = inner.converge();
        let place = |part: &str, verb: Verb| {
            plan.operations.iter().position(|op| op.slot.address.part() == part && op.verb == verb).unwrap()
        };
        assert!(place("object", Verb::Delete) < place("cluster", Verb::Create));
        assert!(place("object", Verb::Delete) < place("cluster", Verb::Delete));
        case = inner;
    }
    // Nothing lives on in a cluster that is gone.
    let id = case.state.resources[&address("cluster")].id.clone();
    case.world.remove(&id);
    let mut seen = case.seen();
    let object = seen.by_slot.iter_mut().find(|(slot, _)| slot.address == address("object")).unwrap();
    *object.1 = Observation::Unknown(Error::new(Code::Unavailable, "no such host"));
    let plan = case.plan_with(Mode::Converge, &seen).unwrap();
    assert_eq!(changes(&plan), [("cluster", Change::Create), ("object", Change::Create)]);
}

#[test]
fn a_name_is_taken_once_it_is_free() {
    let mut case = Case::new();
    case.want("old", "Test::Rule", properties! { "Group" => "g", "Port" => 80, "Cidr" => "10.0.0.0/8" });
    case.arrive();
    case.drop("old");
    case.want("new", "Test::Rule", properties! { "Group" => "g", "Port" => 80, "Cidr" => "10.0.0.0/8" });
    case.arrive();
    assert_eq!(case.world.len(), 1);
}

#[test]
fn a_failed_create_is_replaced_and_a_foreign_delete_is_waited_for() {
    let mut case = shop();
    let first = case.plan().unwrap();
    case.apply(&first, Some((0, Kill::AfterCall)));
    let id = case.world.keys().next().unwrap().clone();
    case.world.get_mut(&id).unwrap().health = Health::Failed("no capacity".to_owned());
    let plan = case.plan().unwrap();
    let step = plan.steps.iter().find(|step| step.address.part() == "net").unwrap();
    assert_eq!(step.change, Change::ReplaceDeleteFirst);
    case.arrive();
    let id = case.state.resources[&address("role")].id.clone();
    case.world.get_mut(&id).unwrap().health = Health::Deleting;
    assert_eq!(case.plan().unwrap_err().code(), Code::Unresolved);
}

#[test]
fn reasons_lead_to_the_line_that_changed() {
    let mut case = shop();
    let spec = |size: u64, line: u32| SpecNow {
        json: serde_json::json!({ "resources": { "size": size, "other": size > 2 } }),
        origin: Some(crate::error::Position { file: "shop.yaml".into(), line: 1, column: 1 }),
        fields: std::sync::Arc::new(
            [("resources.size".to_owned(), crate::error::Position { file: "shop.yaml".into(), line, column: 9 })]
                .into(),
        ),
    };
    case.specs.insert("kind/main".to_owned(), spec(2, 4));
    case.arrive();
    case.specs.insert("kind/main".to_owned(), spec(3, 5));
    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Set" => ["a", "b"], "Fixed" => 3 });
    let plan = case.plan().unwrap();
    let Reason::Field { field, before, after, position, .. } = &plan.steps[0].reasons[1] else {
        panic!("{:?}", plan.steps[0].reasons)
    };
    assert_eq!((field.as_str(), before.as_str(), after.as_str()), ("resources.size", "2", "3"));
    assert_eq!(position.as_ref().unwrap().line, 5);
    // The chain survives a run that is interrupted.
    case.apply(&plan, Some((0, Kill::BeforeCall)));
    let again = case.plan().unwrap();
    let server = again.steps.iter().find(|step| step.address.part() == "server").unwrap();
    assert_eq!(server.reasons[0], Reason::Dependency(address("role")));
    assert!(server.reasons.iter().any(|reason| matches!(reason, Reason::Field { .. } | Reason::Interrupted)));
}

#[test]
fn secrets_are_in_no_view() {
    let mut case = shop();
    let canary = secrecy::SecretString::from("canary-4711");
    let key = secrecy::SecretString::from("key");
    let secret = Secret::new("db", canary, &key);
    let fingerprint = secret.fingerprint().to_owned();
    let database = case.wanted.get_mut(&address("database")).unwrap();
    database.properties.insert("Password".to_owned(), secret.into());
    let with_plain = |text: &str| {
        let mut case = case.clone();
        let database = case.wanted.get_mut(&address("database")).unwrap();
        database.properties.insert("Password".to_owned(), text.into());
        case
    };
    for case in [case.clone(), with_plain("canary-4711")] {
        let plan = case.plan().unwrap();
        for text in [plan.details(Style::Colour), plan.table(Style::Plain), plan.to_json().to_string()] {
            assert!(!text.contains("canary-4711"), "{text}");
            assert!(!text.contains(&fingerprint), "{text}");
        }
    }
    // Another value of the secret is a change, though nobody sees which.
    case.arrive();
    let database = case.wanted.get_mut(&address("database")).unwrap();
    database.properties.insert("Password".to_owned(), Secret::remembered("db", "ffff").into());
    let plan = case.converge();
    assert_eq!(changes(&plan), [("database", Change::Update)]);
    assert!(plan.details(Style::Plain).contains("~ Password: (secret)"));
}

/// Answers that everything is absent, counts pages, and fails for one type.
#[derive(Debug, Default)]
struct Pages(std::sync::Mutex<Vec<(String, usize)>>);

#[async_trait::async_trait]
impl crate::driver::Driver for Pages {
    async fn observe(
        &self,
        _: &crate::driver::Context<'_>,
        these: &[crate::resource::Identity],
    ) -> crate::Result<Vec<Observation>> {
        self.0.lock().unwrap().push((these[0].type_name.clone(), these.len()));
        if these[0].type_name == "Test::Role" {
            return Err(Error::new(Code::PermissionDenied, "no"));
        }
        Ok(these.iter().map(|_| Observation::Absent).collect())
    }

    async fn census(&self, _: &crate::driver::Context<'_>, _: &[String]) -> crate::Result<Vec<crate::driver::Found>> {
        Ok(Vec::new())
    }

    async fn create(
        &self,
        _: &crate::driver::Context<'_>,
        _: &crate::resource::Identity,
        _: &Properties,
    ) -> crate::Result<crate::driver::Operation> {
        unreachable!("planning cannot write")
    }

    async fn update(
        &self,
        _: &crate::driver::Context<'_>,
        _: &crate::resource::Identity,
        _: &Properties,
        _: &[String],
    ) -> crate::Result<crate::driver::Operation> {
        unreachable!("planning cannot write")
    }

    async fn delete(
        &self,
        _: &crate::driver::Context<'_>,
        _: &crate::resource::Identity,
    ) -> crate::Result<crate::driver::Operation> {
        unreachable!("planning cannot write")
    }

    async fn poll(
        &self,
        _: &crate::driver::Context<'_>,
        _: &[crate::driver::Operation],
    ) -> crate::Result<Vec<crate::driver::Progress>> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct OneDriver(std::sync::Arc<Pages>);

impl crate::driver::Drivers for OneDriver {
    fn driver(&self, _: &str) -> crate::Result<std::sync::Arc<dyn crate::driver::Driver>> {
        Ok(self.0.clone())
    }

    fn census_types(&self) -> Vec<String> {
        vec!["Test::Net".to_owned()]
    }

    fn clock(&self) -> std::sync::Arc<dyn crate::clock::Clock> {
        crate::sim::VirtualClock::new()
    }
}

#[test]
fn looking_takes_a_hundred_at_once_and_reports_every_failure() {
    use futures_util::FutureExt as _;
    let mut case = Case::new();
    for index in 0..250 {
        case.want(&format!("net-{index}"), "Test::Net", properties! {});
    }
    let plan = case.plan().unwrap();
    // Fifty are made, the rest is under way.
    case.apply(&plan, Some((50, Kill::BeforeIntent)));
    for operation in &plan.operations[50..] {
        case.state.intents.insert(
            operation.slot.clone(),
            crate::ledger::Intent {
                slot: operation.slot.clone(),
                verb: Verb::Create,
                type_name: operation.type_name.clone(),
                claim: crate::resource::Claim::Marks,
                id: None,
                properties: Properties::new(),
                dependencies: BTreeSet::new(),
                cluster: None,
                protected: false,
                origin: None,
                plan: String::new(),
            },
        );
    }
    let (stack, target) = (case.stack.clone(), case.target.clone());
    let pages = std::sync::Arc::new(Pages::default());
    let reader = crate::driver::Reader::new(std::sync::Arc::new(OneDriver(pages.clone())));
    let timeout = std::time::Duration::from_secs(1);
    let cx = crate::driver::Context { stack: &stack, target: &target, timeout };
    let seen = look_with_census(&reader, &cx, &case.state).now_or_never().unwrap().unwrap();
    assert_eq!(seen.by_slot.len(), 250);
    let asked: Vec<usize> = pages.0.lock().unwrap().iter().map(|(_, count)| *count).collect();
    assert_eq!(asked, [100, 100, 50]);

    let held = case.state.resources.values().next().unwrap().clone();
    case.state.resources.insert(address("role"), crate::ledger::Held { type_name: "Test::Role".into(), ..held });
    let error = look(&reader, &cx, &case.state).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[test]
fn the_order_of_what_was_found_does_not_matter() {
    let mut case = shop_made();
    case.state = crate::ledger::State { target: case.state.target.clone(), ..Default::default() };
    case.census = true;
    let mut seen = case.seen();
    let plan = case.plan_with(Mode::Converge, &seen).unwrap();
    seen.found.reverse();
    assert_eq!(case.plan_with(Mode::Converge, &seen).unwrap(), plan);
}

#[test]
fn a_table_of_many_is_told_by_declaration_and_leaves_nothing_out() {
    let mut case = shop();
    for index in 0..40 {
        case.want(&format!("net-{index}"), "Test::Net", properties! { "Name" => format!("net-{index}") });
    }
    let plan = case.converge();
    insta::assert_snapshot!("create_many_table", plan.table(Style::Plain));
    let plan = case.plan_with(Mode::Destroy, &case.seen()).unwrap();
    let table = plan.table(Style::Plain);
    insta::assert_snapshot!("destroy_many_table", table.replace(&plan.hash(), &"0123456789abcdef".repeat(4)));
    let words: std::collections::BTreeSet<&str> = table.split([' ', ',', '\n', '/']).collect();
    assert!(plan.steps.iter().all(|step| words.contains(step.address.part())));
    assert!(plan.table(Style::Colour).contains("\u{1b}["));
}

#[test]
fn plans_read_well() {
    let mut case = shop();
    let plan = case.converge();
    insta::assert_snapshot!("create_headline", plan.headline(Style::Plain));
    insta::assert_snapshot!("create_table", plan.table(Style::Plain));
    insta::assert_snapshot!("create_details", plan.details(Style::Plain));

    let position = crate::error::Position { file: "deployment-config.yaml".into(), line: 12, column: 12 };
    let spec = |engine: &str| SpecNow {
        json: serde_json::json!({ "engine": engine }),
        origin: Some(position.clone()),
        fields: Default::default(),
    };
    case.specs.insert("kind/main".to_owned(), spec("postgres"));
    case.settle();
    case.specs.insert("kind/main".to_owned(), spec("mysql"));
    let policy = |actions: Value| map! { "Version" => "2012-10-17", "Statement" => list![map! { "Effect" => "Allow", "Action" => actions, "Resource" => "*" }] };
    case.want("role", "Test::Role", properties! { "Name" => "shop-role", "Set" => ["a", "c"], "Policy" => policy(list!["s3:Get"]), "Fixed" => true });
    case.want(
        "queue",
        "Test::Rule",
        properties! { "Group" => reference("role", "Arn"), "Port" => 443, "Cidr" => "10.0.0.0/8" },
    );
    let database = case.wanted.get_mut(&address("database")).unwrap();
    database.properties.insert("Engine".to_owned(), "mysql".into());
    database.properties.insert("Class".to_owned(), "large".into());
    let id = case.state.resources[&address("net")].id.clone();
    case.world.get_mut(&id).unwrap().properties.insert("Size".to_owned(), 4.into());
    case.want("net", "Test::Net", properties! { "Fixed" => "10.0.0.0/16" });
    let id = case.state.resources[&address("server")].id.clone();
    case.world.get_mut(&id).unwrap().properties.insert("Size".to_owned(), 9.into());
    let plan = case.plan().unwrap();
    let text = |text: String| text.replace(&plan.hash(), &"0123456789abcdef".repeat(4));
    insta::assert_snapshot!("change_headline", text(plan.headline(Style::Plain)));
    insta::assert_snapshot!("change_table", text(plan.table(Style::Plain)));
    insta::assert_snapshot!("change_details", text(plan.details(Style::Plain)));
    insta::assert_snapshot!(
        "change_colour",
        plan.headline(Style::Colour).replace(&plan.hash(), "HASH").escape_debug().to_string()
    );
    assert!(plan.headline(Style::Plain).lines().count() <= 6);

    let plan = case.plan_with(Mode::Destroy, &case.seen()).unwrap();
    insta::assert_snapshot!(
        "destroy_table",
        plan.table(Style::Plain).replace(&plan.hash(), &"0123456789abcdef".repeat(4))
    );
    let empty = shop_made().plan().unwrap();
    insta::assert_snapshot!(
        "empty",
        format!("{}{}{}", empty.headline(Style::Plain), empty.table(Style::Plain), empty.details(Style::Plain))
    );
}

#[test]
fn what_is_older_does_not_take_the_place_of_what_is_newer() {
    let database = |case: &mut Case, guarded: bool| {
        let properties = properties! { "Name" => "n", "DeletionProtection" => guarded };
        case.want("r", "Test::Database", properties);
    };
    for at in 0..3 {
        let mut case = Case::new();
        database(&mut case, true);
        let plan = case.plan().unwrap();
        case.apply(&plan, Some((0, Kill::AfterCall)));
        case.want("r", "Test::Role", properties! { "Name" => "n" });
        let plan = case.plan().unwrap();
        case.apply(&plan, Some((at, Kill::BeforeIntent)));
        database(&mut case, false);
        case.arrive();
        assert_eq!(case.world.len(), 1);
    }
}
