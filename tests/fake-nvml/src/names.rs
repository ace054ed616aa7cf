//! Numbers of nvml.h by their names there and, where a scenario speaks of them, by their names here. The check
//! holds each to the header.

use crate::abi::Code;

/// A number, its name in nvml.h, its name in a scenario.
pub type Name = (u32, &'static str, &'static str);

/// What stands under that number, for a function that is asked by it.
pub fn by_number(names: &[Name], number: u32) -> Result<&'static str, Code> {
    names.iter().find(|name| name.0 == number).map(|name| name.2).ok_or(crate::abi::INVALID_ARGUMENT)
}

/// The number of an error by its name in nvml.h, without `NVML_ERROR_`.
pub fn code(error: &str) -> Code {
    let found = ERRORS.iter().find(|name| name.2 == error);
    found.unwrap_or_else(|| panic!("{error} is no error of nvml.h")).0
}

/// Every table, for the check.
pub const ALL: &[&[Name]] = &[
    ERRORS,
    SENSORS,
    THRESHOLDS,
    CLOCKS,
    POLICIES,
    COUNTERS,
    ERROR_TYPES,
    LOCATIONS,
    CAUSES,
    DIRECTIONS,
    NVLINK_ERRORS,
    NVLINK_CAPABILITIES,
    VALUE_TYPES,
];

pub const ERRORS: &[Name] = &[
    (1, "NVML_ERROR_UNINITIALIZED", "UNINITIALIZED"),
    (2, "NVML_ERROR_INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    (3, "NVML_ERROR_NOT_SUPPORTED", "NOT_SUPPORTED"),
    (4, "NVML_ERROR_NO_PERMISSION", "NO_PERMISSION"),
    (6, "NVML_ERROR_NOT_FOUND", "NOT_FOUND"),
    (7, "NVML_ERROR_INSUFFICIENT_SIZE", "INSUFFICIENT_SIZE"),
    (8, "NVML_ERROR_INSUFFICIENT_POWER", "INSUFFICIENT_POWER"),
    (9, "NVML_ERROR_DRIVER_NOT_LOADED", "DRIVER_NOT_LOADED"),
    (10, "NVML_ERROR_TIMEOUT", "TIMEOUT"),
    (11, "NVML_ERROR_IRQ_ISSUE", "IRQ_ISSUE"),
    (12, "NVML_ERROR_LIBRARY_NOT_FOUND", "LIBRARY_NOT_FOUND"),
    (13, "NVML_ERROR_FUNCTION_NOT_FOUND", "FUNCTION_NOT_FOUND"),
    (14, "NVML_ERROR_CORRUPTED_INFOROM", "CORRUPTED_INFOROM"),
    (15, "NVML_ERROR_GPU_IS_LOST", "GPU_IS_LOST"),
    (16, "NVML_ERROR_RESET_REQUIRED", "RESET_REQUIRED"),
    (17, "NVML_ERROR_OPERATING_SYSTEM", "OPERATING_SYSTEM"),
    (18, "NVML_ERROR_LIB_RM_VERSION_MISMATCH", "LIB_RM_VERSION_MISMATCH"),
    (19, "NVML_ERROR_IN_USE", "IN_USE"),
    (20, "NVML_ERROR_MEMORY", "MEMORY"),
    (21, "NVML_ERROR_NO_DATA", "NO_DATA"),
    (23, "NVML_ERROR_INSUFFICIENT_RESOURCES", "INSUFFICIENT_RESOURCES"),
    (25, "NVML_ERROR_ARGUMENT_VERSION_MISMATCH", "ARGUMENT_VERSION_MISMATCH"),
    (26, "NVML_ERROR_DEPRECATED", "DEPRECATED"),
    (27, "NVML_ERROR_NOT_READY", "NOT_READY"),
    (28, "NVML_ERROR_GPU_NOT_FOUND", "GPU_NOT_FOUND"),
    (29, "NVML_ERROR_INVALID_STATE", "INVALID_STATE"),
    (999, "NVML_ERROR_UNKNOWN", "UNKNOWN"),
];

pub const SENSORS: &[Name] = &[(0, "NVML_TEMPERATURE_GPU", "temperature")];

pub const THRESHOLDS: &[Name] = &[
    (0, "NVML_TEMPERATURE_THRESHOLD_SHUTDOWN", "threshold.shutdown"),
    (1, "NVML_TEMPERATURE_THRESHOLD_SLOWDOWN", "threshold.slowdown"),
    (2, "NVML_TEMPERATURE_THRESHOLD_MEM_MAX", "threshold.mem_max"),
    (3, "NVML_TEMPERATURE_THRESHOLD_GPU_MAX", "threshold.gpu_max"),
    (4, "NVML_TEMPERATURE_THRESHOLD_ACOUSTIC_MIN", "threshold.acoustic_min"),
    (5, "NVML_TEMPERATURE_THRESHOLD_ACOUSTIC_CURR", "threshold.acoustic_curr"),
    (6, "NVML_TEMPERATURE_THRESHOLD_ACOUSTIC_MAX", "threshold.acoustic_max"),
    (7, "NVML_TEMPERATURE_THRESHOLD_GPS_CURR", "threshold.gps_curr"),
];

pub const CLOCKS: &[Name] = &[
    (0, "NVML_CLOCK_GRAPHICS", "graphics"),
    (1, "NVML_CLOCK_SM", "sm"),
    (2, "NVML_CLOCK_MEM", "mem"),
    (3, "NVML_CLOCK_VIDEO", "video"),
];

pub const POLICIES: &[Name] = &[
    (0, "NVML_PERF_POLICY_POWER", "violation_ns.power"),
    (1, "NVML_PERF_POLICY_THERMAL", "violation_ns.thermal"),
    (2, "NVML_PERF_POLICY_SYNC_BOOST", "violation_ns.sync_boost"),
    (3, "NVML_PERF_POLICY_BOARD_LIMIT", "violation_ns.board_limit"),
    (4, "NVML_PERF_POLICY_LOW_UTILIZATION", "violation_ns.low_utilization"),
    (5, "NVML_PERF_POLICY_RELIABILITY", "violation_ns.reliability"),
    (10, "NVML_PERF_POLICY_TOTAL_APP_CLOCKS", "violation_ns.total_app_clocks"),
    (11, "NVML_PERF_POLICY_TOTAL_BASE_CLOCKS", "violation_ns.total_base_clocks"),
];

pub const COUNTERS: &[Name] = &[(0, "NVML_VOLATILE_ECC", "volatile"), (1, "NVML_AGGREGATE_ECC", "aggregate")];

pub const ERROR_TYPES: &[Name] = &[
    (0, "NVML_MEMORY_ERROR_TYPE_CORRECTED", "corrected"),
    (1, "NVML_MEMORY_ERROR_TYPE_UNCORRECTED", "uncorrected"),
];

pub const LOCATIONS: &[Name] = &[
    (0, "NVML_MEMORY_LOCATION_L1_CACHE", "l1"),
    (1, "NVML_MEMORY_LOCATION_L2_CACHE", "l2"),
    (2, "NVML_MEMORY_LOCATION_DRAM", "dram"),
    (3, "NVML_MEMORY_LOCATION_REGISTER_FILE", "register"),
    (4, "NVML_MEMORY_LOCATION_TEXTURE_MEMORY", "texture"),
    (5, "NVML_MEMORY_LOCATION_TEXTURE_SHM", "texture_shm"),
    (6, "NVML_MEMORY_LOCATION_CBU", "cbu"),
    (7, "NVML_MEMORY_LOCATION_SRAM", "sram"),
];

pub const CAUSES: &[Name] = &[
    (0, "NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS", "retired.single_bit"),
    (1, "NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR", "retired.double_bit"),
];

pub const DIRECTIONS: &[Name] =
    &[(0, "NVML_PCIE_UTIL_TX_BYTES", "pcie.tx_kib_s"), (1, "NVML_PCIE_UTIL_RX_BYTES", "pcie.rx_kib_s")];

pub const NVLINK_ERRORS: &[Name] = &[
    (0, "NVML_NVLINK_ERROR_DL_REPLAY", "replay"),
    (1, "NVML_NVLINK_ERROR_DL_RECOVERY", "recovery"),
    (2, "NVML_NVLINK_ERROR_DL_CRC_FLIT", "crc_flit"),
    (3, "NVML_NVLINK_ERROR_DL_CRC_DATA", "crc_data"),
    (4, "NVML_NVLINK_ERROR_DL_ECC_DATA", "ecc_data"),
];

pub const NVLINK_CAPABILITIES: &[Name] = &[
    (0, "NVML_NVLINK_CAP_P2P_SUPPORTED", "p2p"),
    (1, "NVML_NVLINK_CAP_SYSMEM_ACCESS", "sysmem"),
    (2, "NVML_NVLINK_CAP_P2P_ATOMICS", "p2p_atomics"),
    (3, "NVML_NVLINK_CAP_SYSMEM_ATOMICS", "sysmem_atomics"),
    (4, "NVML_NVLINK_CAP_SLI_BRIDGE", "sli_bridge"),
    (5, "NVML_NVLINK_CAP_VALID", "valid"),
];

pub const VALUE_TYPES: &[Name] = &[
    (1, "NVML_VALUE_TYPE_UNSIGNED_INT", "unsigned_int"),
    (3, "NVML_VALUE_TYPE_UNSIGNED_LONG_LONG", "unsigned_long_long"),
    (5, "NVML_VALUE_TYPE_SIGNED_INT", "signed_int"),
];
