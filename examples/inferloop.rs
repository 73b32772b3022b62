//! The Inferloop platform on a simulated AWS: planned, applied, left alone, interrupted and resumed.
//!
//! `cargo run --example inferloop -- --help` lists the options. Nothing leaves the machine: no account, no network.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use landfall::apply::Cancel;
use landfall::plan::{Plan, Style};
use landfall::prelude::*;
use landfall::sim::{Moment, SimCloud, Time};
use landfall::terminal::Terminal;

const HELP: &str = "\
Plans and applies the Inferloop platform on a simulated cloud.

  --cloud NAME    the cloud to expand for: aws (default)
  --config DIR    where the services' deployment-config.yaml files stand (default: examples/config)
  --seed N        the seed of the simulated cloud (default: 1)
  --plan-only     show the plan with every attribute and stop
  --json          print the plan as JSON, and nothing else, and stop
  --then DIR      after the apply, show what the configuration in DIR would change
  --template FILE write the AWS part as a CloudFormation template into this file and stop
  --destroy       destroy everything at the end, with consent for what holds data
  --rehearse      rehearse the plan instead: kill the process at up to 300 of its calls, resume, and judge
  --help          this text
";

/// Prints a line. A reader that has seen enough, such as `head`, is no reason to fail.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => match run(&arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                report(&error);
                ExitCode::FAILURE
            }
        },
        Ok(None) => {
            say!("{}", HELP.trim_end());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// The whole platform, declared.
fn declare(config: &Path) -> Result<(PlatformBuilder, Ref<DatabaseSpec>)> {
    let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    platform.tag("CostCenter", "engineering").image("registry.inferloop.io/{name}:1.4.0");

    let network = platform.network("core", NetworkSpec::new("10.20.0.0/16".parse().map_err(invalid)?));
    let cluster = platform.cluster(
        "main",
        ClusterSpec::new(&network, "1.35").administrators(["arn:aws:iam::123456789012:role/platform-administrators"]),
    );
    platform.node_pool("general", NodePoolSpec::new(&cluster).at_least(4, GiB(16)).nodes(Range::new(3, 10)?));
    platform.node_pool(
        "gpu",
        NodePoolSpec::new(&cluster).at_least(4, GiB(16)).accelerator(Accelerator::T4, 1).nodes(Range::new(0, 5)?),
    );
    let database = platform.database("postgres", DatabaseSpec::postgres(&network, "17"));
    platform.cache("redis", CacheSpec::valkey(&network));
    platform.bucket("model-storage", BucketSpec::new());
    platform.mesh("istio", MeshSpec::istio(&cluster));
    platform.services_from(config, &cluster);
    Ok((platform, database))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let cloud = landfall::aws::simulated("eu-west-1", arguments.seed, Time::Compressed(120));
    let cancel = Cancel::new();
    let ledger = Ledger::memory();
    let (mut builder, database) = declare(&arguments.config)?;
    builder.simulate(&cloud).ledger(ledger.clone()).cancel(&cancel);
    let platform = builder.build()?;

    if let Some(file) = &arguments.template {
        let template = landfall::aws::template(platform.graph(), platform.catalog())?;
        return std::fs::write(file, format!("{template:#}\n")).map_err(invalid);
    }
    let plan = platform.plan().await?;
    if arguments.json {
        say!("{:#}", plan.to_json());
        return Ok(());
    }
    for warning in platform.warnings() {
        say!("warning: {warning}");
    }
    heading("Plan");
    say!("{}", plan.headline(Style::Plain));
    if arguments.plan_only {
        say!("{}", plan.details(Style::Plain).trim_end());
        return Ok(());
    }
    say!("{}", plan.table(Style::Plain).trim_end());

    if arguments.rehearse {
        heading("Rehearsal: killed at its calls, resumed by another process, judged by the laws");
        let options = landfall::rehearse::Options::new().seed(arguments.seed);
        let rehearsal = platform.rehearse(&options).await?;
        say!("{rehearsal}");
        return rehearsal.check();
    }

    heading("Apply (120 times as fast as a real cloud)");
    let outputs = watched(&platform, &cancel, platform.converge()).await?;
    let database = outputs.database(&database)?.url()?;
    heading("What it hands out");
    for (name, cluster) in &outputs.all().clusters {
        say!("cluster {name}: {}", cluster.endpoint.as_str().unwrap_or_default());
    }
    say!("database: {}", database.url);
    say!("  its password is in {}", database.password.id);
    for (name, service) in &outputs.all().services {
        let path = service.path.as_deref().map(|path| format!(", at {path} on the gateway")).unwrap_or_default();
        let host = if service.host.is_empty() { "works on its own, nobody calls it" } else { &service.host };
        say!("service {name}: {host}{path}");
    }

    heading("Converge again");
    again(&platform, &cloud).await?;

    if let Some(config) = &arguments.then {
        heading(&format!("What {} would change", config.display()));
        let (mut builder, _) = declare(config)?;
        builder.simulate(&cloud).ledger(ledger.clone());
        let plan = builder.build()?.plan().await?;
        say!("{}", plan.headline(Style::Plain));
        say!("{}", plan.details(Style::Plain).trim_end());
    }

    heading("A crash in the middle, and its resume");
    crash(arguments).await?;

    if arguments.destroy {
        heading("Destroy");
        let plan = platform.plan_destroy().await?;
        say!("{}", plan.headline(Style::Plain));
        let plan = consented(plan)?;
        watched(&platform, &cancel, platform.destroy(plan)).await?;
        say!("a census of the cloud finds nothing with our marks");
    }

    heading("What next");
    let config = arguments.config.display();
    say!("see every attribute:   cargo run --example inferloop -- --plan-only");
    say!(
        "see a change planned:  cp -r {config} changed, change a line of it, cargo run --example inferloop -- --then changed"
    );
    say!("die at every call:     cargo run --release --example inferloop -- --rehearse");
    say!("tear it all down:      cargo run --example inferloop -- --destroy");
    Ok(())
}

/// Runs `work` with its progress on the terminal. Ctrl-C asks it to stop; a second one makes it return at once.
async fn watched<T>(platform: &Platform, cancel: &Cancel, work: impl Future<Output = Result<T>>) -> Result<T> {
    let drawing = Terminal::stderr().ticking(platform.engine().setup().clock.clone()).draw(platform.events());
    let working = async {
        let result = tokio::select! {
            result = work => result,
            () = interrupts(cancel) => unreachable_interrupt(),
        };
        platform.close_events();
        result
    };
    let (result, ()) = tokio::join!(working, drawing);
    result
}

async fn interrupts(cancel: &Cancel) {
    while tokio::signal::ctrl_c().await.is_ok() {
        eprintln!("press Ctrl-C again to leave at once");
        cancel.ask();
    }
    std::future::pending().await
}

fn unreachable_interrupt<T>() -> Result<T> {
    Err(Error::internal("the wait for Ctrl-C ended"))
}

#[expect(clippy::disallowed_methods, reason = "it shows how long the second converge takes on this machine")]
async fn again(platform: &Platform, cloud: &SimCloud) -> Result<()> {
    let (mutations, calls) = (cloud.mutations(), cloud.calls());
    let began = Instant::now();
    platform.converge().await?;
    say!(
        "nothing to do: {} mutating calls, {} calls in all, {:.1} ms",
        cloud.mutations() - mutations,
        cloud.calls() - calls,
        began.elapsed().as_secs_f64() * 1000.0
    );
    Ok(())
}

/// A second world in virtual time: the process dies in the middle of an apply, and a new one takes over.
async fn crash(arguments: &Arguments) -> Result<()> {
    let cloud = landfall::aws::simulated("eu-west-1", arguments.seed, Time::Virtual);
    let ledger = Ledger::memory();
    let start = || -> Result<Platform> {
        let (mut builder, _) = declare(&arguments.config)?;
        builder.simulate(&cloud).ledger(ledger.clone());
        builder.build()
    };
    let doomed = start()?;
    cloud.crash_at(150, Moment::Acted);
    tokio::select! {
        result = doomed.converge() => { result?; }
        () = cloud.crashed() => say!("killed at outbound call {}: the cloud had acted, the reply was lost", cloud.calls()),
    }
    drop(doomed);
    cloud.restart();

    let heir = start()?;
    let known = heir.engine().state().await?;
    say!(
        "the ledger knows {} resources, and {} calls whose outcome is open",
        known.resources.len(),
        known.intents.len()
    );
    heir.converge().await?;
    let (state, census) = (heir.engine().state().await?, heir.census().await?);
    say!(
        "resumed: {} resources, {} calls open; {} of them bear our marks in the cloud, the types of the others bear none",
        state.resources.len(),
        state.intents.len(),
        census.len()
    );
    let mutations = cloud.mutations();
    heir.converge().await?;
    say!("and once more: {} mutating calls", cloud.mutations() - mutations);
    Ok(())
}

/// Agrees to lose everything the plan asks consent for. A person would read the list first.
fn consented(plan: Plan) -> Result<Plan> {
    let needed = plan.consents_needed();
    for consent in &needed {
        say!("consent: {} ({})", consent.address, consent.id);
    }
    needed.into_iter().try_fold(plan, Plan::consent)
}

struct Arguments {
    config: PathBuf,
    seed: u64,
    plan_only: bool,
    json: bool,
    then: Option<PathBuf>,
    destroy: bool,
    rehearse: bool,
    template: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let config = Path::new("examples/config").to_owned();
        let mut all = Self {
            config,
            seed: 1,
            plan_only: false,
            json: false,
            then: None,
            destroy: false,
            rehearse: false,
            template: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--cloud" => match value()?.as_str() {
                    "aws" => {}
                    other => return Err(format!("this cloud cannot be expanded yet, only aws can: {other}")),
                },
                "--config" => all.config = value()?.into(),
                "--seed" => all.seed = value()?.parse().map_err(|_| "--seed takes a whole number".to_owned())?,
                "--plan-only" => all.plan_only = true,
                "--json" => all.json = true,
                "--then" => all.then = Some(value()?.into()),
                "--destroy" => all.destroy = true,
                "--template" => all.template = Some(value()?.into()),
                "--rehearse" => all.rehearse = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown option: {other}")),
            }
        }
        Ok(Some(all))
    }
}

fn heading(text: &str) {
    say!("\n{text}\n{}", "─".repeat(text.chars().count()));
}

/// The error, and of each problem the lines that `Display` leaves out.
fn report(error: &Error) {
    for problem in error.problems() {
        eprintln!("error: {problem}");
        if let Some(details) = problem.details() {
            eprintln!("{details}");
        }
        eprintln!();
    }
    if error.problems().len() > 1
        && let Some(details) = error.details()
    {
        eprintln!("{details}");
    }
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::new(landfall::Code::InvalidValue, error.to_string())
}
