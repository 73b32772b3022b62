//! CloudWatch Logs: log groups.

use landfall_core::resource::{IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verbs};

use super::named;

pub(super) const ALL: &[ResourceType] = &[ResourceType {
    name: named("AWS::Logs::LogGroup"),
    identity: IdentityClass::Named(&["LogGroupName"]),
    identifier: "LogGroupName",
    outputs: &[Output {
        name: "Arn",
        shape: Shape::Text("arn:{partition}:logs:{region}:{account}:log-group:{name}:*"),
    }],
    // No call changes the class of a group.
    replaces: &["LogGroupClass", "LogGroupName"],
    sets: &["Tags"],
    security: &["KmsKeyId", "ResourcePolicyDocument"],
    holds_data: true,
    tags: TagStyle::List("Tags"),
    verbs: Verbs {
        create: &["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:AssociateKmsKey", "logs:TagResource"],
        read: &["logs:DescribeLogGroups", "logs:ListTagsForResource"],
        update: &[
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:AssociateKmsKey",
            "logs:DisassociateKmsKey",
            "logs:TagResource",
            "logs:UntagResource",
        ],
        delete: &["logs:DeleteLogGroup"],
    },
    quota: Some(Quota { code: "L-D2832119", name: "Log groups", default: 1_000_000 }),
    create: Usual::seconds(1, 1, 5),
    ..ResourceType::DEFAULT
}];
