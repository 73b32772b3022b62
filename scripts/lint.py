#!/usr/bin/env python3
"""Lints CloudFormation templates: cfn-lint on each template, parliament on each IAM policy in them, and on those in the folder
`policies` beside them.

    python scripts/lint.py DIRECTORY

Each file is `NAME.REGION.json`, or `NAME.json` for eu-west-1. Findings go to standard output, one a line; the exit code
is 1 when there is any, and 2 when there is nothing to lint.

Needs cfn-lint and parliament from PyPI (`setuptools<81` as well: parliament imports `pkg_resources`).
"""

import json
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

DEFAULT_REGION = "eu-west-1"

# What stands in for values that are known only after an apply, so that a policy can be read without its template.
PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
}
ARNS = {
    "AWS::EKS::Cluster": "arn:aws:eks:eu-west-1:123456789012:cluster/{}",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/{}",
    "AWS::KMS::Key": "arn:aws:kms:eu-west-1:123456789012:key/{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:eu-west-1:123456789012:log-group:{}:*",
    "AWS::RDS::DBInstance": "arn:aws:rds:eu-west-1:123456789012:db:{}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SQS::Queue": "arn:aws:sqs:eu-west-1:123456789012:{}",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:{}-a1b2c3",
}
# Types whose Ref is their ARN.
REF_IS_ARN = {"AWS::SecretsManager::Secret"}


def main(directory):
    files = sorted(Path(directory).glob("*.json"))
    granted = sorted(Path(directory).glob("policies/*.json"))
    if not files:
        print(f"no templates in this directory: {directory}", file=sys.stderr)
        return 2
    with ProcessPoolExecutor() as pool:
        findings = [finding for found in pool.map(lint_file, files) for finding in found]
        findings += [finding for found in pool.map(lint_policy, granted) for finding in found]
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings in {len(files)} templates and {len(granted)} policies", file=sys.stderr)
    return 1 if findings else 0


def lint_policy(path):
    """Findings of parliament in the policy of whoever runs a platform."""
    from parliament import analyze_policy_string, enhance_finding

    policy = json.loads(path.read_text())
    found = analyze_policy_string(path.read_text()).findings
    found = [finding for finding in found if not granted_elsewhere(finding, policy) and not meant(finding)]
    return [f"policies/{path.name}: {enhance_finding(one).severity} {one.issue}: {one.detail} {one.location}" for one in found]


def granted_elsewhere(finding, policy):
    """A call that is about several things needs a grant for each of them, and not all in one statement: what is new is told by
    the tags of the request, what is there by its own."""
    if finding.issue != "RESOURCE_MISMATCH":
        return False

    def granted(action, form):
        all = [arn for one in policy["Statement"] if action in one["Action"] for arn in one["Resource"]]
        kind = re.sub(r"[:/]\*$", "", form).split(":", 5)[-1]
        return any(arn.split(":", 5)[-1].startswith(kind) for arn in all)

    return all(granted(one["action"], one["required_format"]) for one in finding.detail)


def meant(finding):
    """Findings that are meant to be, each with its reason."""
    if finding.issue == "RESOURCE_POLICY_PRIVILEGE_ESCALATION":
        # Whoever makes buckets with a policy and a lifecycle may set both, and so could give itself more of these buckets.
        return True
    # EKS asks for it in the caller's name when a node group has a launch template, with an image and subnets of its choice.
    return finding.issue == "RESOURCE_STAR" and finding.detail == ["ec2:RunInstances"]


def lint_file(path):
    text = path.read_text()
    template = json.loads(text)
    parts = path.stem.split(".")
    region = parts[-1] if len(parts) > 1 else DEFAULT_REGION
    return [f"{path.name}: {finding}" for finding in [*cfn_findings(text, template, region), *iam_findings(template)]]


def cfn_findings(text, template, region):
    """Errors, warnings and remarks of cfn-lint."""
    from cfnlint.api import ManualArgs, lint

    matches = lint(text, config=ManualArgs(include_checks=["I"], regions=[region]))
    for match in matches:
        if not accepted(match, template):
            where = "/".join(str(step) for step in match.path)
            yield f"{match.rule.id} {where}: {match.message}"


def accepted(match, template):
    """Findings that are meant to be. Each has its reason; nothing is passed over without one."""
    if match.rule.id == "W3691":
        # "17" is no outdated minor version: it leaves the choice of the minor version, and its upgrades, to RDS.
        return str(at(template, match.path)["EngineVersion"]).isdigit()
    return False


def at(value, path):
    for step in path:
        value = value[step]
    return value


def iam_findings(template):
    """Findings of parliament in every policy document of a template."""
    from parliament import analyze_policy_string, enhance_finding

    for where, kind, document in policies(template):
        flat = flatten(document, template)
        if kind == "trust":
            yield from (f"trust policy {where}: {problem}" for problem in trust_problems(flat))
            continue
        analyzed = analyze_policy_string(json.dumps(flat))
        for finding in analyzed.findings:
            enhanced = enhance_finding(finding)
            if kind == "key" and finding.issue in KEY_POLICY_ISSUES:
                continue
            yield f"parliament {where}: {enhanced.severity} {enhanced.issue}: {finding.detail} {finding.location}"


# A key policy speaks of one key only, which it can name in no other way than "*": what is a wildcard elsewhere is the
# key itself there.
KEY_POLICY_ISSUES = {"RESOURCE_STAR"}


def policies(template):
    """(where, kind, document) of each policy document: identity policies, resource policies, key and trust policies."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for path, document in documents(properties):
            kind = "resource"
            if path == ["AssumeRolePolicyDocument"]:
                kind = "trust"
            elif resource["Type"] == "AWS::KMS::Key":
                kind = "key"
            elif resource["Type"].startswith("AWS::IAM::"):
                kind = "identity"
            yield f"{name}/{'/'.join(map(str, path))}", kind, document


def documents(value, path=()):
    """All maps that look like a policy document, wherever they stand."""
    if isinstance(value, dict):
        if "Statement" in value and "Version" in value:
            yield list(path), value
            return
        for key, inner in value.items():
            yield from documents(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from documents(inner, (*path, index))


def trust_problems(document):
    """Trust policies have no Resource, so parliament cannot read them; this checks what they must have."""
    for statement in as_list(document["Statement"]):
        principal = statement.get("Principal")
        if statement.get("Effect") != "Allow" or not principal:
            yield f"not a grant to a principal: {statement}"
        elif principal == "*" or "*" in as_list(principal.get("AWS", [])):
            yield "anybody may assume the role"
        for action in as_list(statement.get("Action", [])):
            if not re.fullmatch(r"sts:(AssumeRole\w*|TagSession|SetSourceIdentity)", action):
                yield f"not an action of a trust policy: {action}"
        unknown = set(statement) - {"Sid", "Effect", "Principal", "Action", "Condition"}
        if unknown:
            yield f"unknown elements: {sorted(unknown)}"


def flatten(value, template):
    """A value with its intrinsic functions replaced by text of the right shape."""
    if isinstance(value, list):
        return [flatten(inner, template) for inner in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return reference(value["Ref"], None, template)
    if set(value) == {"Fn::GetAtt"}:
        name, attribute = value["Fn::GetAtt"]
        return reference(name, attribute, template)
    if set(value) == {"Fn::Sub"}:
        def substitute(match):
            name, _, attribute = match.group(1).partition(".")
            return reference(name, attribute or None, template)

        return re.sub(r"\$\{([^!}][^}]*)\}", substitute, value["Fn::Sub"]).replace("${!", "${")
    return {key: flatten(inner, template) for key, inner in value.items()}


def reference(name, attribute, template):
    if name in PSEUDO_PARAMETERS:
        return PSEUDO_PARAMETERS[name]
    resource = template["Resources"].get(name)
    if resource is None:
        return "parameter"
    kind = resource["Type"]
    if attribute == "Arn" or (attribute is None and kind in REF_IS_ARN):
        if kind not in ARNS:
            raise SystemExit(f"tell scripts/lint.py how the ARN of this type looks: {kind}")
        return ARNS[kind].format(name.lower())
    return name.lower()


def as_list(value):
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
