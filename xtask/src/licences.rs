//! Licences and bans: every dependency's licence expression must be met by the allowed ones of `licences.toml`. Needs no network.

use crate::checkout::Checkout;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};
use std::collections::BTreeMap;

/// `licences.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// SPDX identifiers.
    allow: Vec<String>,
    /// Crates that must not appear, with the reason.
    banned: BTreeMap<String, String>,
    /// Crates that may appear in one version only.
    single: Vec<String>,
    /// Crates that may have another licence.
    exceptions: BTreeMap<String, String>,
}

/// A package of the lock file, as `cargo metadata` describes it.
#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// What is used on this machine's platform; the lock file must be up to date.
fn packages(checkout: &Checkout) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = checkout.cargo();
    cargo.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        &platform,
    ]);
    let output = cargo.output().context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .context("cargo metadata gave something unexpected")?;
    Ok(metadata.packages)
}

/// Fails with one line for each package against the rules.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    let rules: Rules =
        toml::from_str(include_str!("../licences.toml")).context("xtask/licences.toml")?;
    let packages = packages(checkout)?;
    let findings = rules.findings(&packages)?;
    if !findings.is_empty() {
        bail!("licences.toml is not kept:\n  {}", findings.join("\n  "));
    }
    eprintln!("licences: {} packages, all allowed", packages.len());
    Ok(())
}

impl Rules {
    fn findings(&self, packages: &[Package]) -> Result<Vec<String>> {
        let allowed = self
            .allow
            .iter()
            .map(|id| Licensee::parse(id).with_context(|| format!("licences.toml: allow: {id}")))
            .collect::<Result<Vec<_>>>()?;
        let mut findings = Vec::new();
        for package in packages {
            let named = format!("{} {}", package.name, package.version);
            if let Some(reason) = self.banned.get(&package.name) {
                findings.push(format!("{named} is banned: {reason}"));
            }
            match &package.license {
                None => findings.push(format!("{named} declares no licence")),
                Some(licence) if self.exceptions.get(&package.name) == Some(licence) => {}
                Some(licence) => {
                    findings.extend(unmet(licence, &allowed).map(|why| format!("{named}: {why}")));
                }
            }
        }
        for name in &self.single {
            let versions: Vec<&str> = packages
                .iter()
                .filter(|package| &package.name == name)
                .map(|package| package.version.as_str())
                .collect();
            if versions.len() > 1 {
                findings.push(format!(
                    "{name} appears in versions {}",
                    versions.join(", ")
                ));
            }
        }
        Ok(findings)
    }
}

/// Why a licence expression is not met, if so. Old crates write `MIT/Apache-2.0` for OR.
fn unmet(licence: &str, allowed: &[Licensee]) -> Option<String> {
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Err(error) => Some(format!(
            "licence {licence:?} is no SPDX expression ({})",
            error.reason
        )),
        Ok(expression) => {
            let met = expression.evaluate(|required: &LicenseReq| {
                allowed.iter().any(|licensee| licensee.satisfies(required))
            });
            (!met).then(|| format!("licence {licence:?} is not allowed"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn findings(packages: &str) -> Vec<String> {
        let rules: Rules = toml::from_str("allow = ['MIT', 'Apache-2.0']\nsingle = ['tch']\n[banned]\nopenssl-sys = 'we use rustls'\n[exceptions]\nring = 'MPL-2.0'").unwrap();
        rules
            .findings(&serde_json::from_str::<Vec<Package>>(packages).unwrap())
            .unwrap()
    }

    fn package(name: &str, licence: &str) -> String {
        format!(r#"[{{"name": "{name}", "version": "1.0.0", "license": {licence}}}]"#)
    }

    #[test]
    fn expressions_are_met_or_not() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND MIT",
        ] {
            assert_eq!(
                findings(&package("a", &format!("{good:?}"))),
                Vec::<String>::new(),
                "{good}"
            );
        }
        for bad in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "Apache-2.0 WITH LLVM-exception",
            "my own words",
        ] {
            assert_eq!(
                findings(&package("a", &format!("{bad:?}"))).len(),
                1,
                "{bad}"
            );
        }
    }

    #[test]
    fn bans_duplicates_and_missing_licences() {
        assert_eq!(
            findings(&package("openssl-sys", "\"MIT\"")),
            ["openssl-sys 1.0.0 is banned: we use rustls"]
        );
        assert!(findings(&package("a", "null"))[0].contains("declares no licence"));
        assert_eq!(
            findings(&package("ring", "\"MPL-2.0\"")),
            Vec::<String>::new()
        );
        let twice = r#"[{"name": "tch", "version": "1.0.0", "license": "MIT"}, {"name": "tch", "version": "2.0.0", "license": "MIT"}]"#;
        assert_eq!(findings(twice), ["tch appears in versions 1.0.0, 2.0.0"]);
    }

    #[test]
    fn the_workspace_keeps_its_rules() {
        check(&Checkout::find().unwrap()).unwrap();
    }
}
