//! What a launch template launches: from CloudFormation's schema to
//! [RequestLaunchTemplateData](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html).

use aws_sdk_ec2::types::{
    CapacityReservationPreference, CapacityReservationTarget, CreditSpecificationRequest, HostnameType, InstanceType,
    LaunchTemplateBlockDeviceMappingRequest as BlockDevice, LaunchTemplateCapacityReservationSpecificationRequest,
    LaunchTemplateCpuOptionsRequest, LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateEnclaveOptionsRequest,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMaintenanceOptionsRequest,
    LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest as NetworkInterface, LaunchTemplatePlacementRequest,
    LaunchTemplatePrivateDnsNameOptionsRequest, LaunchTemplateSpotMarketOptionsRequest,
    LaunchTemplateTagSpecificationRequest, LaunchTemplatesMonitoringRequest, RequestLaunchTemplateData, ResourceType,
    ShutdownBehavior, Tenancy, VolumeType,
};
use landfall_core::resource::{Properties, Value};
use landfall_core::{Code, Error, Result};

use super::to_tags;
use crate::driver::wanted::Wanted;

/// What can be set, without the places in lists.
const KNOWN: &[&str] = &[
    "BlockDeviceMappings.DeviceName",
    "BlockDeviceMappings.Ebs.DeleteOnTermination",
    "BlockDeviceMappings.Ebs.Encrypted",
    "BlockDeviceMappings.Ebs.Iops",
    "BlockDeviceMappings.Ebs.KmsKeyId",
    "BlockDeviceMappings.Ebs.SnapshotId",
    "BlockDeviceMappings.Ebs.Throughput",
    "BlockDeviceMappings.Ebs.VolumeInitializationRate",
    "BlockDeviceMappings.Ebs.VolumeSize",
    "BlockDeviceMappings.Ebs.VolumeType",
    "BlockDeviceMappings.NoDevice",
    "BlockDeviceMappings.VirtualName",
    "CapacityReservationSpecification.CapacityReservationPreference",
    "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId",
    "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationResourceGroupArn",
    "CpuOptions.CoreCount",
    "CpuOptions.ThreadsPerCore",
    "CreditSpecification.CpuCredits",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "EnclaveOptions.Enabled",
    "IamInstanceProfile.Arn",
    "IamInstanceProfile.Name",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceMarketOptions.MarketType",
    "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior",
    "InstanceMarketOptions.SpotOptions.MaxPrice",
    "InstanceMarketOptions.SpotOptions.SpotInstanceType",
    "InstanceType",
    "KeyName",
    "MaintenanceOptions.AutoRecovery",
    "MetadataOptions.HttpEndpoint",
    "MetadataOptions.HttpProtocolIpv6",
    "MetadataOptions.HttpPutResponseHopLimit",
    "MetadataOptions.HttpTokens",
    "MetadataOptions.InstanceMetadataTags",
    "Monitoring.Enabled",
    "NetworkInterfaces.AssociatePublicIpAddress",
    "NetworkInterfaces.DeleteOnTermination",
    "NetworkInterfaces.Description",
    "NetworkInterfaces.DeviceIndex",
    "NetworkInterfaces.Groups",
    "NetworkInterfaces.InterfaceType",
    "NetworkInterfaces.NetworkCardIndex",
    "NetworkInterfaces.NetworkInterfaceId",
    "NetworkInterfaces.PrivateIpAddress",
    "NetworkInterfaces.SubnetId",
    "Placement.Affinity",
    "Placement.AvailabilityZone",
    "Placement.GroupId",
    "Placement.GroupName",
    "Placement.HostId",
    "Placement.HostResourceGroupArn",
    "Placement.PartitionNumber",
    "Placement.Tenancy",
    "PrivateDnsNameOptions.EnableResourceNameDnsAAAARecord",
    "PrivateDnsNameOptions.EnableResourceNameDnsARecord",
    "PrivateDnsNameOptions.HostnameType",
    "SecurityGroupIds",
    "TagSpecifications.ResourceType",
    "TagSpecifications.Tags.Key",
    "TagSpecifications.Tags.Value",
    "UserData",
];

/// The data of a version, from the property `LaunchTemplateData`.
///
/// # Errors
/// [`Code::InvalidRequest`] for a property beneath it that would silently not be set.
pub(super) fn data(desired: &Properties) -> Result<RequestLaunchTemplateData> {
    let empty = Properties::new();
    let data = desired.map("LaunchTemplateData").unwrap_or(&empty);
    let mut path = String::new();
    if let Some(unknown) = data.iter().find_map(|(name, value)| unknown(&mut path, name, value)) {
        return Err(Error::new(
            Code::InvalidRequest,
            format!("a property of LaunchTemplateData that its driver cannot set: {unknown}"),
        )
        .hint(format!("leave it out; it sets {}", KNOWN.join(", "))));
    }
    let devices = data.maps("BlockDeviceMappings").into_iter().map(device).collect();
    let interfaces = data.maps("NetworkInterfaces").into_iter().map(interface).collect();
    let tags = data.maps("TagSpecifications").into_iter().map(tags).collect();
    Ok(RequestLaunchTemplateData::builder()
        .set_block_device_mappings(some(devices))
        .set_capacity_reservation_specification(data.map("CapacityReservationSpecification").map(reservation))
        .set_cpu_options(data.map("CpuOptions").map(|options| {
            LaunchTemplateCpuOptionsRequest::builder()
                .set_core_count(options.number("CoreCount"))
                .set_threads_per_core(options.number("ThreadsPerCore"))
                .build()
        }))
        .set_credit_specification(
            data.text("CreditSpecification.CpuCredits")
                .map(|credits| CreditSpecificationRequest::builder().cpu_credits(credits).build()),
        )
        .set_disable_api_stop(data.flag("DisableApiStop"))
        .set_disable_api_termination(data.flag("DisableApiTermination"))
        .set_ebs_optimized(data.flag("EbsOptimized"))
        .set_enclave_options(
            data.flag("EnclaveOptions.Enabled")
                .map(|enabled| LaunchTemplateEnclaveOptionsRequest::builder().enabled(enabled).build()),
        )
        .set_iam_instance_profile(data.map("IamInstanceProfile").map(|profile| {
            LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
                .set_arn(profile.text("Arn"))
                .set_name(profile.text("Name"))
                .build()
        }))
        .set_image_id(data.text("ImageId"))
        .set_instance_initiated_shutdown_behavior(
            data.text("InstanceInitiatedShutdownBehavior").map(|text| ShutdownBehavior::from(text.as_str())),
        )
        .set_instance_market_options(data.map("InstanceMarketOptions").map(market))
        .set_instance_type(data.text("InstanceType").map(|text| InstanceType::from(text.as_str())))
        .set_key_name(data.text("KeyName"))
        .set_maintenance_options(data.text("MaintenanceOptions.AutoRecovery").map(|recovery| {
            LaunchTemplateInstanceMaintenanceOptionsRequest::builder().auto_recovery(recovery.as_str().into()).build()
        }))
        .set_metadata_options(data.map("MetadataOptions").map(metadata))
        .set_monitoring(
            data.flag("Monitoring.Enabled")
                .map(|enabled| LaunchTemplatesMonitoringRequest::builder().enabled(enabled).build()),
        )
        .set_network_interfaces(some(interfaces))
        .set_placement(data.map("Placement").map(placement))
        .set_private_dns_name_options(data.map("PrivateDnsNameOptions").map(names))
        .set_security_group_ids(data.texts("SecurityGroupIds"))
        .set_tag_specifications(some(tags))
        .set_user_data(data.text("UserData"))
        .build())
}

/// The first path at or beneath `name` that is not known.
fn unknown(path: &mut String, name: &str, value: &Value) -> Option<String> {
    let length = path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
    let found = match value {
        Value::Map(map) => map.iter().find_map(|(name, value)| unknown(path, name, value)),
        Value::List(list) if list.iter().any(|value| value.as_map().is_some()) => {
            let mut maps = list.iter().filter_map(Value::as_map).flatten();
            maps.find_map(|(name, value)| unknown(path, name, value))
        }
        _ => (!KNOWN.contains(&path.as_str())).then(|| path.clone()),
    };
    path.truncate(length);
    found
}

/// An empty list is as good as none to us, and an error to the API.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn device(wanted: &Properties) -> BlockDevice {
    let ebs = wanted.map("Ebs").map(|ebs| {
        LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_delete_on_termination(ebs.flag("DeleteOnTermination"))
            .set_encrypted(ebs.flag("Encrypted"))
            .set_iops(ebs.number("Iops"))
            .set_kms_key_id(ebs.text("KmsKeyId"))
            .set_snapshot_id(ebs.text("SnapshotId"))
            .set_throughput(ebs.number("Throughput"))
            .set_volume_initialization_rate(ebs.number("VolumeInitializationRate"))
            .set_volume_size(ebs.number("VolumeSize"))
            .set_volume_type(ebs.text("VolumeType").map(|text| VolumeType::from(text.as_str())))
            .build()
    });
    BlockDevice::builder()
        .set_device_name(wanted.text("DeviceName"))
        .set_ebs(ebs)
        .set_no_device(wanted.text("NoDevice"))
        .set_virtual_name(wanted.text("VirtualName"))
        .build()
}

fn interface(wanted: &Properties) -> NetworkInterface {
    NetworkInterface::builder()
        .set_associate_public_ip_address(wanted.flag("AssociatePublicIpAddress"))
        .set_delete_on_termination(wanted.flag("DeleteOnTermination"))
        .set_description(wanted.text("Description"))
        .set_device_index(wanted.number("DeviceIndex"))
        .set_groups(wanted.texts("Groups"))
        .set_interface_type(wanted.text("InterfaceType"))
        .set_network_card_index(wanted.number("NetworkCardIndex"))
        .set_network_interface_id(wanted.text("NetworkInterfaceId"))
        .set_private_ip_address(wanted.text("PrivateIpAddress"))
        .set_subnet_id(wanted.text("SubnetId"))
        .build()
}

fn tags(wanted: &Properties) -> LaunchTemplateTagSpecificationRequest {
    LaunchTemplateTagSpecificationRequest::builder()
        .set_resource_type(wanted.text("ResourceType").map(|text| ResourceType::from(text.as_str())))
        .set_tags(Some(to_tags(&wanted.tags("Tags"))))
        .build()
}

fn reservation(wanted: &Properties) -> LaunchTemplateCapacityReservationSpecificationRequest {
    let target = wanted.map("CapacityReservationTarget").map(|target| {
        CapacityReservationTarget::builder()
            .set_capacity_reservation_id(target.text("CapacityReservationId"))
            .set_capacity_reservation_resource_group_arn(target.text("CapacityReservationResourceGroupArn"))
            .build()
    });
    let preference = wanted.text("CapacityReservationPreference");
    LaunchTemplateCapacityReservationSpecificationRequest::builder()
        .set_capacity_reservation_preference(preference.map(|text| CapacityReservationPreference::from(text.as_str())))
        .set_capacity_reservation_target(target)
        .build()
}

fn market(wanted: &Properties) -> LaunchTemplateInstanceMarketOptionsRequest {
    let spot = wanted.map("SpotOptions").map(|spot| {
        LaunchTemplateSpotMarketOptionsRequest::builder()
            .set_instance_interruption_behavior(
                spot.text("InstanceInterruptionBehavior").map(|text| text.as_str().into()),
            )
            .set_max_price(spot.text("MaxPrice"))
            .set_spot_instance_type(spot.text("SpotInstanceType").map(|text| text.as_str().into()))
            .build()
    });
    LaunchTemplateInstanceMarketOptionsRequest::builder()
        .set_market_type(wanted.text("MarketType").map(|text| text.as_str().into()))
        .set_spot_options(spot)
        .build()
}

fn metadata(wanted: &Properties) -> LaunchTemplateInstanceMetadataOptionsRequest {
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .set_http_endpoint(wanted.text("HttpEndpoint").map(|text| text.as_str().into()))
        .set_http_protocol_ipv6(wanted.text("HttpProtocolIpv6").map(|text| text.as_str().into()))
        .set_http_put_response_hop_limit(wanted.number("HttpPutResponseHopLimit"))
        .set_http_tokens(wanted.text("HttpTokens").map(|text| text.as_str().into()))
        .set_instance_metadata_tags(wanted.text("InstanceMetadataTags").map(|text| text.as_str().into()))
        .build()
}

fn placement(wanted: &Properties) -> LaunchTemplatePlacementRequest {
    LaunchTemplatePlacementRequest::builder()
        .set_affinity(wanted.text("Affinity"))
        .set_availability_zone(wanted.text("AvailabilityZone"))
        .set_group_id(wanted.text("GroupId"))
        .set_group_name(wanted.text("GroupName"))
        .set_host_id(wanted.text("HostId"))
        .set_host_resource_group_arn(wanted.text("HostResourceGroupArn"))
        .set_partition_number(wanted.number("PartitionNumber"))
        .set_tenancy(wanted.text("Tenancy").map(|text| Tenancy::from(text.as_str())))
        .build()
}

fn names(wanted: &Properties) -> LaunchTemplatePrivateDnsNameOptionsRequest {
    LaunchTemplatePrivateDnsNameOptionsRequest::builder()
        .set_enable_resource_name_dns_aaaa_record(wanted.flag("EnableResourceNameDnsAAAARecord"))
        .set_enable_resource_name_dns_a_record(wanted.flag("EnableResourceNameDnsARecord"))
        .set_hostname_type(wanted.text("HostnameType").map(|text| HostnameType::from(text.as_str())))
        .build()
}

#[cfg(test)]
mod tests {
    use landfall_core::{list, map, properties};

    use super::*;

    fn of(data: Value) -> Result<RequestLaunchTemplateData> {
        super::data(&properties! { "LaunchTemplateData" => data })
    }

    /// A value for each path that is known, written as the schema nests it.
    fn full() -> Value {
        let mut root = serde_json::json!({});
        for path in KNOWN {
            let mut place = &mut root;
            let steps: Vec<&str> = path.split('.').collect();
            for (index, step) in steps.iter().enumerate() {
                let last = index + 1 == steps.len();
                let in_list = ["BlockDeviceMappings", "NetworkInterfaces", "TagSpecifications", "Tags"].contains(step);
                let number = ["Size", "Iops", "Throughput", "Rate", "Count", "Limit", "Index", "Number", "PerCore"];
                let flag = ["Enable", "Disable", "Delete", "Encrypted", "Optimized", "Associate"];
                let fresh = if !last {
                    if in_list { serde_json::json!([{}]) } else { serde_json::json!({}) }
                } else if ["Groups", "SecurityGroupIds"].contains(step) {
                    serde_json::json!(["sg-1"])
                } else if number.iter().any(|end| step.ends_with(end)) {
                    serde_json::json!(7)
                } else if flag.iter().any(|part| step.contains(part)) {
                    serde_json::json!(true)
                } else {
                    serde_json::json!("some")
                };
                let map = place.as_object_mut().unwrap();
                place = map.entry(*step).or_insert(fresh);
                if !last && in_list {
                    place = &mut place[0];
                }
            }
        }
        Value::from_json(root)
    }

    #[test]
    fn nothing_that_is_known_is_left_out() {
        let sent = format!("{:?}", of(full()).unwrap());
        let inner = |text: &str| text.matches("Some(").count();
        // One for each leaf and one for each structure above it.
        let nested: std::collections::BTreeSet<String> = KNOWN
            .iter()
            .flat_map(|path| {
                let steps: Vec<&str> = path.split('.').collect();
                (1..=steps.len()).map(move |length| steps[..length].join(".")).collect::<Vec<_>>()
            })
            .collect();
        // The SDK does not print user data.
        assert_eq!(inner(&sent), nested.len() - usize::from(!sent.contains("user_data: Some")), "{sent}");
    }

    #[test]
    fn a_disk_and_its_tags_go_to_the_api() {
        let data = of(map! {
            "MetadataOptions" => map! { "HttpTokens" => "required", "HttpPutResponseHopLimit" => 1 },
            "BlockDeviceMappings" => list![map! {
                "DeviceName" => "/dev/xvda", "Ebs" => map! { "VolumeType" => "gp3", "VolumeSize" => 100 },
            }],
            "TagSpecifications" => list![map! {
                "ResourceType" => "volume", "Tags" => list![map! { "Key" => "Name", "Value" => "node" }],
            }],
        });
        let data = data.unwrap();
        let disk = data.block_device_mappings()[0].ebs().unwrap();
        assert_eq!((disk.volume_size(), disk.volume_type()), (Some(100), Some(&VolumeType::Gp3)));
        assert_eq!(data.metadata_options().unwrap().http_tokens().unwrap().as_str(), "required");
        assert_eq!(data.tag_specifications()[0].tags()[0].key(), Some("Name"));
        assert!(data.image_id().is_none());
    }

    #[test]
    fn what_cannot_be_set_is_refused_however_deep_it_lies() {
        for (data, path) in [
            (
                map! { "InstanceRequirements" => map! { "VCpuCount" => map! { "Min" => 1 } } },
                "InstanceRequirements.VCpuCount.Min",
            ),
            (
                map! { "BlockDeviceMappings" => list![map! { "Ebs" => map! { "Size" => 1 } }] },
                "BlockDeviceMappings.Ebs.Size",
            ),
            (map! { "RamDiskId" => "ari-1" }, "RamDiskId"),
        ] {
            let error = of(data).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest);
            assert!(error.to_string().contains(path), "{error}");
        }
    }
}
