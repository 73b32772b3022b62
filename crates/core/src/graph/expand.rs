//! From declarations to the graph of native resources: kind after kind, each by its cloud's expansion.

use std::collections::{BTreeMap, BTreeSet};

use super::Graph;
use crate::cloud::Clouds;
use crate::error::Position;
use crate::kind::{ClusterSpec, DependencyKind, Kind, NodePoolSpec, ServiceSpec};
use crate::resource::{Address, Catalog, Resource};
use crate::scope::{AllOutputs, Scope};
use crate::stack::{Declarations, Stack};
use crate::{Code, Error, Problems, Result};

/// A stack in native resources.
#[derive(Clone, Debug)]
pub struct Expanded {
    /// What is wanted.
    pub graph: Graph,
    /// What each declaration hands out, as references into the graph.
    pub outputs: AllOutputs,
    /// The native types that the graph uses, and all others of its clouds.
    pub catalog: Catalog,
}

/// Expands a stack. Pure: the same stack gives the same graph.
///
/// # Errors
/// Everything the expansions found wrong, at once.
pub fn expand(stack: &Stack, clouds: &Clouds) -> Result<Expanded> {
    let catalog =
        Catalog::new(clouds.cloud.types().into_iter().chain(clouds.workloads.types()).chain(crate::kind::types()))
            .with_generic(stack.natives.values().map(|native| native.spec.type_name.as_str()));
    let mut run = Run { stack, clouds, catalog: &catalog, resources: BTreeMap::new(), problems: Problems::default() };
    let mut outputs = AllOutputs::default();

    let cloud = &*clouds.cloud;
    run.kind(
        &stack.networks,
        &mut outputs,
        |spec, scope| cloud.expand_network(spec, scope),
        |all, name, made| {
            all.networks.insert(name, made);
        },
    );
    run.kind(
        &stack.clusters,
        &mut outputs,
        |spec, scope| cloud.expand_cluster(spec, scope),
        |all, name, made| {
            all.clusters.insert(name, made);
        },
    );
    run.kind(
        &stack.node_pools,
        &mut outputs,
        |spec: &NodePoolSpec, scope| cloud.expand_node_pool(spec, scope),
        |all, name, made| {
            all.node_pools.insert(name, made);
        },
    );
    for (name, cluster) in stack.clusters.iter().filter(|(name, _)| outputs.clusters.contains_key(*name)) {
        run.one(ClusterSpec::NAME, name, cluster.origin.as_ref(), &outputs, |scope| {
            clouds.workloads.equip_cluster(&cluster.spec, scope)
        });
    }
    run.kind(
        &stack.databases,
        &mut outputs,
        |spec, scope| cloud.expand_database(spec, scope),
        |all, name, made| {
            all.databases.insert(name, made);
        },
    );
    run.kind(
        &stack.caches,
        &mut outputs,
        |spec, scope| cloud.expand_cache(spec, scope),
        |all, name, made| {
            all.caches.insert(name, made);
        },
    );
    run.kind(
        &stack.buckets,
        &mut outputs,
        |spec, scope| cloud.expand_bucket(spec, scope),
        |all, name, made| {
            all.buckets.insert(name, made);
        },
    );
    run.kind(
        &stack.meshes,
        &mut outputs,
        |spec, scope| clouds.workloads.expand_mesh(spec, scope),
        |all, name, made| {
            all.meshes.insert(name, made);
        },
    );
    for name in run.services_in_order() {
        let Some(service) = stack.services.get(&name) else { continue };
        if let Some(access) = run
            .one("access", &name, service.origin.as_ref(), &outputs, |scope| cloud.expand_access(&service.spec, scope))
        {
            outputs.access.insert(name.clone(), access);
        }
        let made = run.one(ServiceSpec::NAME, &name, service.origin.as_ref(), &outputs, |scope| {
            clouds.workloads.expand_service(&service.spec, scope)
        });
        if let Some(made) = made {
            outputs.services.insert(name, made);
        }
    }
    for (name, native) in &stack.natives {
        run.one("native", name, native.origin.as_ref(), &outputs, |scope| {
            scope.native("resource", &native.spec.type_name, native.spec.properties.clone())
        });
    }

    let Run { resources, problems, .. } = run;
    problems.finish()?;
    Ok(Expanded { graph: Graph::new(resources)?, outputs, catalog })
}

struct Run<'a> {
    stack: &'a Stack,
    clouds: &'a Clouds,
    catalog: &'a Catalog,
    resources: BTreeMap<Address, Resource>,
    problems: Problems,
}

impl Run<'_> {
    fn kind<K: Kind>(
        &mut self,
        all: &Declarations<K>,
        outputs: &mut AllOutputs,
        expand: impl Fn(&K, &mut Scope<'_>) -> Result<K::Outputs>,
        keep: impl Fn(&mut AllOutputs, String, K::Outputs),
    ) {
        for (name, declared) in all {
            if let Some(made) =
                self.one(K::NAME, name, declared.origin.as_ref(), outputs, |scope| expand(&declared.spec, scope))
            {
                keep(outputs, name.clone(), made);
            }
        }
    }

    fn one<T>(
        &mut self,
        kind: &'static str,
        name: &str,
        origin: Option<&Position>,
        outputs: &AllOutputs,
        expand: impl FnOnce(&mut Scope<'_>) -> Result<T>,
    ) -> Option<T> {
        let mut scope = Scope {
            stack: self.stack,
            catalog: self.catalog,
            outputs,
            cloud: self.clouds.cloud.name(),
            region: self.clouds.cloud.region(),
            kind,
            name,
            origin: origin.cloned(),
            resources: &mut self.resources,
        };
        let made = expand(&mut scope).map_err(|error| match origin {
            Some(origin) => error.position(origin.clone()),
            None => error,
        });
        self.problems.take(made)
    }

    /// Services so that each comes after those it depends on; a circle is a problem.
    fn services_in_order(&mut self) -> Vec<String> {
        let needs: BTreeMap<&str, BTreeSet<&str>> = self
            .stack
            .services
            .iter()
            .map(|(name, service)| {
                let needs = service
                    .spec
                    .dependencies
                    .iter()
                    .filter(|dependency| dependency.kind == DependencyKind::Service)
                    .filter_map(|dependency| self.stack.target_of(dependency))
                    .collect();
                (name.as_str(), needs)
            })
            .collect();
        let mut ordered: Vec<&str> = Vec::new();
        loop {
            let before = ordered.len();
            for (name, needs) in &needs {
                if !ordered.contains(name) && needs.iter().all(|need| ordered.contains(need)) {
                    ordered.push(name);
                }
            }
            if ordered.len() == before {
                break;
            }
        }
        if ordered.len() < needs.len() {
            let circle: Vec<_> = needs.keys().filter(|name| !ordered.contains(name)).copied().collect();
            let origin = circle.first().and_then(|name| self.stack.services.get(*name)?.origin.clone());
            let error =
                Error::new(Code::Cycle, format!("services depend on each other in a circle: {}", circle.join(", ")))
                    .hint("let one of them call the other without declaring it as a dependency, or join them");
            self.problems.push(match origin {
                Some(origin) => error.position(origin),
                None => error,
            });
        }
        ordered.into_iter().map(str::to_owned).collect()
    }
}
