#!/usr/bin/env python3
"""Checks Kubernetes objects against published schemas.

usage: validate_objects.py DIR [CRDS]

DIR holds one JSON object a file, at any depth. Built-in types are checked strictly by kubernetes-validate (PyPI) against
several Kubernetes versions; custom types by jsonschema (PyPI) against the definitions in CRDS, at any depth too, with
unknown fields refused as the API server refuses them. A custom type without a definition is a finding when CRDS is
given, and is named at the end when it is not. Rules in CEL (x-kubernetes-validations) are not evaluated.
"""

import copy
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

VERSIONS = ["1.33", "1.35", "1.37"]
BUILT_IN = ("", "apps", "autoscaling", "policy", "networking.k8s.io")


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    files = sorted(pathlib.Path(sys.argv[1]).rglob("*.json"))
    definitions = load_definitions(pathlib.Path(sys.argv[2])) if len(sys.argv) == 3 else None
    findings, checked, without = [], {}, set()
    seen = set()
    for file in files:
        text = file.read_text()
        document = json.loads(text)
        name = (document["apiVersion"], document["kind"])
        checked[name] = checked.get(name, 0) + 1
        if text in seen:
            continue
        seen.add(text)
        group = document["apiVersion"].rpartition("/")[0]
        if group in BUILT_IN:
            findings += [f"{file}: {finding}" for finding in check_built_in(document)]
        elif definitions is None:
            without.add(name)
        elif name not in definitions:
            findings.append(f"{file}: no definition of {'/'.join(name)} in {sys.argv[2]}")
        else:
            findings += [f"{file}: {finding}" for finding in check_custom(document, definitions[name])]
    for finding in findings:
        print(finding)
    print(f"{sum(checked.values())} objects of {len(checked)} types, {len(seen)} different, {len(findings)} findings")
    if not files:
        print("NO OBJECTS: nothing was checked", file=sys.stderr)
        return 1
    if without:
        types = ", ".join(sorted("/".join(name) for name in without))
        print(f"NOT CHECKED, for want of a directory of definitions: {types}", file=sys.stderr)
    return 1 if findings else 0


def check_built_in(document):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(str(step) for step in error.path)
            yield f"Kubernetes {version}: {path}: {error.message}"


def check_custom(document, validator):
    for error in validator.iter_errors(document):
        path = ".".join(str(step) for step in error.absolute_path)
        yield f"{path}: {error.message}"


def load_definitions(folder):
    definitions = {}
    for file in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        for document in yaml.load_all(file.read_text(), Loader):
            if not document or document.get("kind") != "CustomResourceDefinition":
                continue
            spec = document["spec"]
            for version in spec["versions"]:
                if not version.get("served", True):
                    continue
                schema = strict(copy.deepcopy(version["schema"]["openAPIV3Schema"]))
                # The API server knows these of every object.
                schema.setdefault("properties", {}).update(
                    apiVersion={"type": "string"}, kind={"type": "string"}, metadata=METADATA
                )
                name = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                definitions[name] = jsonschema.Draft202012Validator(schema)
    for name, spec in SMALL.items():
        properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA, "spec": spec}
        schema = strict({"type": "object", "required": ["spec"], "properties": properties})
        definitions.setdefault(name, jsonschema.Draft202012Validator(schema))
    return definitions


class Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it, where a lone "=" is text."""


Loader.add_constructor("tag:yaml.org,2002:value", yaml.constructor.SafeConstructor.construct_yaml_str)

METADATA = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253},
        "namespace": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "labels": {
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
                "maxLength": 63,
            },
        },
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


# Types that are so small that they stand here, for directories that lack them.
SMALL = {
    ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"): {
        "type": "object",
        "properties": {
            "provider": {"type": "string"},
            "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}


def strict(schema):
    """Refuses fields that the schema does not declare, and translates what JSON Schema words otherwise."""
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
        schema.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if schema.pop("nullable", False) and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    for inner in schema.get("properties", {}).values():
        strict(inner)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            strict(schema[key])
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if schema.get("properties") and not open_ended:
        schema["additionalProperties"] = False
    return schema


if __name__ == "__main__":
    sys.exit(main())
