//! IAM: roles. They are global in the account, so that everything about them spreads with a delay.

use std::time::Duration;

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[
    ResourceType {
        name: named("AWS::IAM::Role"),
        identity: IdentityClass::Named(&["RoleName"]),
        identifier: "RoleName",
        outputs: &[
            Output { name: "Arn", shape: Shape::Text("arn:{partition}:iam::{account}:role/{name}") },
            Output { name: "RoleId", shape: Shape::Text("AROA{base36}") },
        ],
        replaces: &["RoleName", "Path"],
        create_before_delete: true,
        sets: &["ManagedPolicyArns", "Policies", "Tags"],
        security: &["AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies", "PermissionsBoundary"],
        tags: TagStyle::List("Tags"),
        verbs: Verbs {
            create: &[
                "iam:CreateRole",
                "iam:AttachRolePolicy",
                "iam:PutRolePolicy",
                "iam:PutRolePermissionsBoundary",
                "iam:TagRole",
            ],
            read: &[
                "iam:GetAccountAuthorizationDetails",
                "iam:GetRole",
                "iam:ListRoles",
                "iam:ListRoleTags",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:GetRolePolicy",
            ],
            update: &[
                "iam:UpdateRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:AttachRolePolicy",
                "iam:DetachRolePolicy",
                "iam:PutRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:PutRolePermissionsBoundary",
                "iam:DeleteRolePermissionsBoundary",
                "iam:TagRole",
                "iam:UntagRole",
            ],
            delete: &[
                "iam:DeleteRole",
                "iam:ListAttachedRolePolicies",
                "iam:DetachRolePolicy",
                "iam:ListRolePolicies",
                "iam:DeleteRolePolicy",
            ],
        },
        quota: Some(Quota { code: "L-FE177D64", name: "Roles per account", default: 1_000 }),
        create: Usual::seconds(1, 2, 15),
        update: Usual::seconds(1, 1, 10),
        delete: Usual::seconds(1, 2, 10),
        lag: Duration::from_secs(30),
        ..ResourceType::DEFAULT
    },
    ResourceType {
        name: named("AWS::IAM::RolePolicy"),
        identity: IdentityClass::Named(&["RoleName", "PolicyName"]),
        // The name is unique in its role only.
        outputs: &[Output { name: "Id", shape: Shape::Text("{PolicyName}|{RoleName}") }],
        replaces: &["PolicyName", "RoleName"],
        security: &["PolicyDocument"],
        parents: &[("RoleName", "AWS::IAM::Role")],
        verbs: Verbs {
            create: &["iam:PutRolePolicy"],
            read: &["iam:GetRolePolicy"],
            update: &["iam:PutRolePolicy"],
            delete: &["iam:DeleteRolePolicy"],
        },
        lag: Duration::from_secs(30),
        ..ResourceType::DEFAULT
    },
];
