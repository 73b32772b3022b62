//! `AWS::EC2::LaunchTemplate`: [CreateLaunchTemplate](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html)
//! and its neighbours.
//!
//! What is launched stands in versions, which cannot change: a change of it is a new version, which becomes the default.
//! Templates are read by name, for the listing has no filter for ids.

use async_trait::async_trait;
use aws_sdk_ec2::types::{LaunchTemplate as Model, ResourceType};
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Result, list};

use super::template_data::data;
use super::{VALUES, asked, filter, id, listed, outcome, specified, tag, tags_of, visible};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted, touches};

/// The most templates that one page holds.
const PAGE: i32 = 200;

/// `AWS::EC2::LaunchTemplate`.
#[derive(Debug)]
pub(in crate::driver) struct LaunchTemplate;

#[async_trait]
impl Kept for LaunchTemplate {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::LaunchTemplate"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["LaunchTemplateData", "LaunchTemplateName", "VersionDescription"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = match which {
            Which::Marked => asked(call, which, "", &[]),
            Which::These(_) => {
                let mut names: Vec<&String> = which.names().filter_map(<[String]>::last).collect();
                names.sort_unstable();
                names.dedup();
                names.chunks(VALUES).map(|some| vec![filter("launch-template-name", some.iter().copied())]).collect()
            }
        };
        let list = call.api.ec2.describe_launch_templates();
        let found = listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeLaunchTemplates");
        Ok(found.iter().map(shown).collect())
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_launch_template()
            .launch_template_name(desired.required("LaunchTemplateName")?)
            .launch_template_data(data(desired)?)
            .set_version_description(desired.text("VersionDescription"))
            .set_tag_specifications(specified(ResourceType::LaunchTemplate, &tags(desired)));
        let made = create.send().await.map_err(failed("ec2:CreateLaunchTemplate"))?;
        Ok(Started::done(shown(&made.launch_template.ok_or_else(|| incomplete("launchTemplate"))?)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let ec2 = &call.api.ec2;
        if touches(changed, TAGS) {
            let now = visible(call, self, at).await?;
            tag(call, &now.id, &tags(&now.properties), &tags(desired)).await?;
        }
        if touches(changed, "LaunchTemplateData") || touches(changed, "VersionDescription") {
            let create = ec2
                .create_launch_template_version()
                .launch_template_id(id(at))
                .launch_template_data(data(desired)?)
                .set_version_description(desired.text("VersionDescription"));
            let made = create.send().await.map_err(failed("ec2:CreateLaunchTemplateVersion"))?;
            let version = made.launch_template_version.and_then(|made| made.version_number);
            let version = version.ok_or_else(|| incomplete("versionNumber"))?;
            let modify = ec2.modify_launch_template().launch_template_id(id(at)).default_version(version.to_string());
            let made = modify.send().await.map_err(failed("ec2:ModifyLaunchTemplate"))?;
            if let Some(made) = made.launch_template {
                return Ok(Started::done(shown(&made)));
            }
        }
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let delete = call.api.ec2.delete_launch_template().launch_template_id(id(at));
        delete.send().await.map_err(failed("ec2:DeleteLaunchTemplate"))?;
        Ok(Started::gone(id(at)))
    }
}

const TAGS: &str = "TagSpecifications";

/// The tags of the template itself; those of what is launched stand in its data.
fn tags(properties: &Properties) -> Vec<(String, String)> {
    let own = properties.maps(TAGS).into_iter();
    own.filter(|one| one.text("ResourceType").as_deref() == Some("launch-template"))
        .flat_map(|one| one.tags("Tags"))
        .collect()
}

fn shown(template: &Model) -> Seen {
    let mut own = Properties::from([("ResourceType".to_owned(), "launch-template".into())]);
    own.show_tags("Tags", tags_of(template.tags()));
    let mut properties = Properties::new();
    properties.show("LaunchTemplateName", template.launch_template_name());
    if own.contains_key("Tags") {
        properties.show(TAGS, Some(list![own]));
    }
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let mut outputs = Properties::new();
    outputs.show("LaunchTemplateId", template.launch_template_id());
    outputs.show("LatestVersionNumber", number(template.latest_version_number()));
    outputs.show("DefaultVersionNumber", number(template.default_version_number()));
    Seen {
        id: template.launch_template_id().unwrap_or_default().to_owned(),
        properties,
        outputs,
        health: Health::Ready,
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::{map, properties};

    use super::*;

    #[test]
    fn a_template_has_tags_of_its_own() {
        let wanted = properties! {
            "LaunchTemplateData" => map! {
                "TagSpecifications" => list![map! {
                    "ResourceType" => "instance", "Tags" => list![map! { "Key" => "Name", "Value" => "node" }],
                }],
            },
            "TagSpecifications" => list![map! {
                "ResourceType" => "launch-template", "Tags" => list![map! { "Key" => "Team", "Value" => "one" }],
            }],
        };
        let own = vec![("Team".to_owned(), "one".to_owned())];
        assert_eq!(tags(&wanted), own);
        let model = Model::builder()
            .launch_template_name("nodes")
            .latest_version_number(3)
            .default_version_number(2)
            .set_tags(Some(super::super::to_tags(&own)))
            .build();
        let seen = shown(&model);
        assert_eq!(tags(&seen.properties), own);
        assert_eq!(seen.outputs.get("LatestVersionNumber"), Some(&"3".into()), "a number is text there");
        assert_eq!(seen.outputs.get("DefaultVersionNumber"), Some(&"2".into()));
    }
}
