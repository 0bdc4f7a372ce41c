//! What kind of CPU this is, as far as it decides which kernels LibTorch computes with.

/// Flags of `/proc/cpuinfo` that kernels are chosen by.
const FLAGS: [&str; 9] = [
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "amx_fp16",
];

/// Variables by which a user takes kernels away from LibTorch, MKL and oneDNN.
const VARIABLES: [&str; 5] = [
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
];

/// Vendor and instruction sets of this machine, then what the environment takes away:
/// `x86_64 GenuineIntel avx2 fma avx512f MKL_CBWR=COMPATIBLE`.
#[must_use]
pub fn kernels() -> String {
    class(&cpuinfo(), |name| std::env::var(name).ok())
}

/// Whether this CPU multiplies bf16 matrices faster than fp32 ones: with AMX, or with AVX512-BF16 on a core of AMD.
///
/// A core of Intel issues one `vdpbf16ps` a cycle where it issues two fused multiply-adds of fp32, and each of the former does twice the
/// products of one of the latter: nothing is gained, and the conversions are lost. Measured in `docs/performance.md`.
#[must_use]
pub fn faster_in_bf16() -> bool {
    bf16_pays(&cpuinfo())
}

fn bf16_pays(text: &str) -> bool {
    let has = |flag| flags(text).any(|f| f == flag);
    has("amx_bf16") || has("avx512_bf16") && field(text, "vendor_id") == "AuthenticAMD"
}

fn cpuinfo() -> String {
    std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':'))
        .map_or("", |(_, value)| value.trim())
}

fn flags(text: &str) -> impl Iterator<Item = &str> {
    field(text, "flags").split_whitespace()
}

fn class(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = vec![std::env::consts::ARCH.to_owned()];
    let vendor = field(text, "vendor_id");
    parts.extend((!vendor.is_empty()).then(|| vendor.to_owned()));
    let present = |flag: &&&str| flags(text).any(|f| f == **flag);
    parts.extend(FLAGS.iter().filter(present).map(|&flag| flag.to_owned()));
    let set = VARIABLES.iter().filter_map(|name| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        Some(format!("{name}={value}"))
    });
    parts.extend(set);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_with_other_kernels_are_of_another_class() {
        let check = |info: &str, variable: Option<(&str, &str)>, expect: &str| {
            let look = |name: &str| {
                let (_, value) = variable.filter(|(set, _)| *set == name)?;
                Some(value.to_owned())
            };
            let expect = format!("{}{expect}", std::env::consts::ARCH);
            assert_eq!(class(info, look), expect);
        };
        let amd = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx fma avx2\n";
        let intel = "vendor_id\t: GenuineIntel\nflags\t\t: avx2 avx512f avx512_bf16 amx_bf16\n";
        check(amd, None, " AuthenticAMD avx2 fma");
        check(
            intel,
            None,
            " GenuineIntel avx2 avx512f avx512_bf16 amx_bf16",
        );
        check(
            amd,
            Some(("MKL_CBWR", "AVX2")),
            " AuthenticAMD avx2 fma MKL_CBWR=AVX2",
        );
        check("", Some(("MKL_CBWR", "")), "");
    }

    #[test]
    fn bf16_is_chosen_where_its_products_are_faster() {
        let cpu = |vendor: &str, flags: &str| {
            bf16_pays(&format!("vendor_id\t: {vendor}\nflags\t\t: fpu {flags}\n"))
        };
        assert!(cpu("AuthenticAMD", "avx512f avx512_bf16"));
        assert!(cpu("GenuineIntel", "avx512f avx512_bf16 amx_bf16"));
        assert!(!cpu("GenuineIntel", "avx512f avx512_bf16"), "AMX is hidden");
        assert!(!cpu("AuthenticAMD", "avx2"));
        assert!(!bf16_pays(""));
    }
}
