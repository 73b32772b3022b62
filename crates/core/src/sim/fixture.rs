//! What the simulator's own tests stand on: a few types of each sort, and a host that calls drivers directly.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{SimCloud, SimOptions, Time};
use crate::Result;
use crate::clock::drive;
use crate::driver::{Context, Driver, Found, Observation, Observed, Operation, Progress, Target};
use crate::resource::{
    Address, Api, Catalog, Claim, Identity, IdentityClass, Marks, Output, Properties, Quota, ResourceType, Shape,
    StackId, TagStyle, Usual, Value,
};

const TAGS: TagStyle = TagStyle::List("Tags");
const KUBERNETES: ResourceType = ResourceType {
    api: Api::Kubernetes,
    identity: IdentityClass::Named(&["metadata.namespace", "metadata.name"]),
    identifier: "name",
    tags: TagStyle::Kubernetes,
    lag: Duration::ZERO,
    ..ResourceType::DEFAULT
};

fn types() -> Vec<ResourceType> {
    let aws = |name: &'static str| ResourceType { name: name.into(), tags: TAGS, ..ResourceType::DEFAULT };
    let kubernetes = |name: &'static str| ResourceType { name: name.into(), ..KUBERNETES };
    vec![
        ResourceType {
            identifier: "VpcId",
            replaces: &["CidrBlock"],
            quota: Some(Quota { code: "L-F678F1CE", name: "VPCs per Region", default: 5 }),
            ..aws("AWS::EC2::VPC")
        },
        ResourceType {
            identity: IdentityClass::Tuple(&["VpcId", "CidrBlock"]),
            identifier: "SubnetId",
            parents: &[("VpcId", "AWS::EC2::VPC")],
            ..aws("AWS::EC2::Subnet")
        },
        ResourceType {
            identity: IdentityClass::Token,
            identifier: "NatGatewayId",
            parents: &[("SubnetId", "AWS::EC2::Subnet")],
            create: Usual::seconds(60, 100, 300),
            delete: Usual::seconds(30, 60, 300),
            ..aws("AWS::EC2::NatGateway")
        },
        ResourceType {
            identity: IdentityClass::Named(&["RoleName"]),
            identifier: "RoleName",
            outputs: &[Output { name: "Arn", shape: Shape::Text("arn:{partition}:iam::{account}:role/{name}") }],
            ..aws("AWS::IAM::Role")
        },
        ResourceType {
            identity: IdentityClass::Named(&["RoleName", "PolicyName"]),
            identifier: "PolicyName",
            parents: &[("RoleName", "AWS::IAM::Role")],
            tags: TagStyle::None,
            ..aws("AWS::IAM::RolePolicy")
        },
        ResourceType {
            identity: IdentityClass::Named(&["Name"]),
            identifier: "Name",
            // The role is used, and no parent: nothing stops its deletion.
            create: Usual::seconds(480, 540, 900),
            update: Usual::seconds(60, 120, 600),
            delete: Usual::seconds(90, 120, 600),
            ..aws("AWS::EKS::Cluster")
        },
        ResourceType {
            identity: IdentityClass::Named(&["ClusterName", "NodegroupName"]),
            identifier: "Id",
            parents: &[("ClusterName", "AWS::EKS::Cluster")],
            foreign: &["ScalingConfig.DesiredSize"],
            create: Usual::seconds(60, 120, 600),
            update: Usual::seconds(60, 120, 600),
            delete: Usual::seconds(60, 120, 600),
            ..aws("AWS::EKS::Nodegroup")
        },
        ResourceType {
            identity: IdentityClass::Named(&["DBInstanceIdentifier"]),
            identifier: "DBInstanceIdentifier",
            outputs: &[
                Output { name: "Endpoint.Address", shape: Shape::Text("{name}.{base36}.{region}.rds.amazonaws.com") },
                Output { name: "Endpoint.Port", shape: Shape::Integer(5432) },
            ],
            write_only: &["MasterUserPassword"],
            guard: "DeletionProtection",
            create: Usual::seconds(360, 540, 900),
            update: Usual::seconds(60, 120, 600),
            delete: Usual::seconds(120, 300, 600),
            ..aws("AWS::RDS::DBInstance")
        },
        ResourceType {
            name: "PostgreSQL/Role".into(),
            api: Api::Postgres,
            identity: IdentityClass::Named(&["Server", "Name"]),
            identifier: "Name",
            lag: Duration::ZERO,
            ..ResourceType::DEFAULT
        },
        kubernetes("v1/Namespace"),
        kubernetes("v1/ConfigMap"),
        ResourceType {
            create: Usual::seconds(5, 20, 60),
            update: Usual::seconds(5, 20, 60),
            delete: Usual::seconds(1, 30, 90),
            ..kubernetes("apps/v1/Deployment")
        },
    ]
}

/// A host with a stack and nothing else.
pub(super) struct Bench {
    pub(super) cloud: SimCloud,
    stack: StackId,
    target: Target,
}

/// An object that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) at: Identity,
    pub(super) outputs: Properties,
}

impl Made {
    pub(super) fn id(&self) -> String {
        self.at.id.clone().unwrap()
    }
}

impl Bench {
    pub(super) fn new(seed: u64) -> Self {
        Self::with_time(seed, Time::Virtual)
    }

    pub(super) fn with_time(seed: u64, time: Time) -> Self {
        let target = SimCloud::empty(seed).target();
        let options = SimOptions { catalog: Catalog::new(types()), target: target.clone(), seed, time };
        Self { cloud: SimCloud::new(options), stack: StackId::new("inferloop", "dev"), target }
    }

    /// The same host on behalf of another stack.
    pub(super) fn as_stack(&self, project: &str) -> Self {
        let stack = StackId::new(project, "dev");
        Self { cloud: self.cloud.clone(), stack, target: self.target.clone() }
    }

    /// How an object of these properties is found, before it has an id.
    pub(super) fn identity(&self, part: &str, type_name: &str, properties: &Properties) -> Identity {
        let types = Catalog::new(types());
        let of = types.get(type_name).unwrap();
        let value = |path: &&str| super::shape::at(properties, path).cloned().unwrap_or_default();
        let claim = match of.identity {
            IdentityClass::Named(paths) => {
                Claim::Name(paths.iter().map(|path| super::shape::plain(&value(path))).collect())
            }
            IdentityClass::Tuple(paths) => {
                Claim::Tuple(paths.iter().map(|path| ((*path).to_owned(), value(path))).collect())
            }
            IdentityClass::Token => Claim::Token(format!("token-of-{part}")),
            IdentityClass::Tagged => Claim::Marks,
        };
        let cluster = (of.api == Api::Kubernetes).then(|| Address::new("aws", "stack", "main", "cluster").unwrap());
        Identity {
            address: Address::new("aws", "stack", "main", part).unwrap(),
            type_name: type_name.to_owned(),
            generation: 0,
            id: None,
            claim,
            cluster,
        }
    }

    pub(super) async fn create(&self, at: &Identity, properties: &Properties) -> Result<Operation> {
        let mut properties = properties.clone();
        let types = Catalog::new(types());
        Marks::new(&self.stack, &at.address, at.generation).write(
            types.get(&at.type_name).unwrap(),
            &BTreeMap::new(),
            &mut properties,
        );
        drive(self.cloud.clock(), self.driver().create(&self.cx(), at, &properties)).await
    }

    pub(super) async fn update(&self, at: &Identity, desired: &Properties, changed: &[&str]) -> Result<Operation> {
        let changed: Vec<String> = changed.iter().map(|path| (*path).to_owned()).collect();
        drive(self.cloud.clock(), self.driver().update(&self.cx(), at, desired, &changed)).await
    }

    pub(super) async fn delete(&self, at: &Identity) -> Result<Operation> {
        drive(self.cloud.clock(), self.driver().delete(&self.cx(), at)).await
    }

    pub(super) async fn observe(&self, at: &Identity) -> Observation {
        let these = [at.clone()];
        drive(self.cloud.clock(), self.driver().observe(&self.cx(), &these)).await.unwrap().remove(0)
    }

    pub(super) async fn present(&self, at: &Identity) -> Observed {
        match self.observe(at).await {
            Observation::Present(observed) => *observed,
            other => panic!("not present: {other:?}"),
        }
    }

    pub(super) async fn census(&self) -> Vec<Found> {
        let types = self.cloud.drivers().census_types();
        drive(self.cloud.clock(), self.driver().census(&self.cx(), &types)).await.unwrap()
    }

    pub(super) async fn poll(&self, operation: &Operation) -> Progress {
        let these = [operation.clone()];
        drive(self.cloud.clock(), self.driver().poll(&self.cx(), &these)).await.unwrap().remove(0)
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        drive(self.cloud.clock(), self.cloud.clock().sleep(duration)).await;
    }

    /// Polls until the operation ends; the phases that were seen on the way come back too.
    pub(super) async fn finish(&self, operation: &Operation) -> (Progress, Vec<String>) {
        let (mut phases, mut progress) = (Vec::new(), operation.progress.clone());
        while let Progress::Running { phase, .. } = progress {
            if phases.last() != Some(&phase) {
                phases.push(phase);
            }
            self.sleep(Duration::from_secs(5)).await;
            progress = self.poll(operation).await;
        }
        (progress, phases)
    }

    /// Makes an object, and waits until it is ready and every read sees it.
    pub(super) async fn make(&self, part: &str, type_name: &str, properties: Properties) -> Made {
        let operation = self.create(&self.identity(part, type_name, &properties), &properties).await.unwrap();
        let (Progress::Done(outputs), _) = self.finish(&operation).await else { panic!("{part} is not made") };
        self.sleep(Duration::from_secs(20)).await;
        Made { at: operation.identity, outputs }
    }

    /// Deletes an object and waits until it is gone.
    pub(super) async fn unmake(&self, made: &Made) {
        let operation = self.delete(&made.at).await.unwrap();
        assert!(matches!(self.finish(&operation).await.0, Progress::Done(_)));
    }

    /// The tags of an object without any but its marks.
    pub(super) fn tags(&self, at: &Identity) -> Value {
        let mut properties = Properties::new();
        let of = ResourceType { tags: TAGS, ..ResourceType::DEFAULT };
        Marks::new(&self.stack, &at.address, at.generation).write(&of, &BTreeMap::new(), &mut properties);
        properties.remove("Tags").unwrap()
    }

    fn driver(&self) -> std::sync::Arc<dyn Driver> {
        self.cloud.drivers().driver("AWS::EC2::VPC").unwrap()
    }

    fn cx(&self) -> Context<'_> {
        Context { stack: &self.stack, target: &self.target, timeout: Duration::from_secs(60) }
    }
}
